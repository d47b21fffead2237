"""Networks of one's own, named networks:linear and so on."""

from torch import nn


def linear(n_classes):
    return nn.Linear(6, n_classes)


def flat(n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, n_classes))


class Told(nn.Linear):
    """Returns a dictionary, as networks of transformers do."""

    def forward(self, x):
        return {"logits": super().forward(x.float())}


def told(n_classes):
    return Told(9, n_classes)
