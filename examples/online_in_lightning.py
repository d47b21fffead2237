"""Train once, on less, in the Lightning Trainer: lines with an arrow are datapare's.

    python examples/online_in_lightning.py [FOLDER]

Three samplers on the digits of scikit-learn, each beside its accuracy and what it trained on. The last trains on soft
labels, which a short recording beforehand has predicted, and redraws its examples from a pool in every epoch.
"""

import sys
from pathlib import Path

import lightning
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp
from datapare.training import soft_labels
from datapare.training.online.adapters.lightning import PruningCallback  # <--

EPOCHS, SEED = 6, 0


class Digits(lightning.LightningModule):
    def __init__(self, data, pruning, loss_of):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
        self.data, self.pruning, self.loss_of, self.seen = data, pruning, loss_of, 0

    def forward(self, images):
        return self.net(images)

    def train_dataloader(self):
        return self.pruning.track(DataLoader(self.data, batch_size=32, sampler=self.pruning.sampler))  # <--

    def training_step(self, batch, _):
        index, images, target = batch  # <-- the examples' positions come in front
        logits = self(images)
        losses = self.loss_of(index, logits, target)  # (B,)
        self.seen += len(index)
        loss = (self.pruning.sampler.weight(index) * losses).mean()  # <-- the weights of InfoBatch
        return {"loss": loss, "logits": logits, "target": target}  # <-- instead of: return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


def train(folder, data, make_sampler, loss_of):
    torch.manual_seed(SEED)
    pruning = PruningCallback(make_sampler)  # <--
    module = Digits(data, pruning, loss_of)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        callbacks=[pruning],  # <--
        reload_dataloaders_every_n_epochs=1,  # <-- the number of batches changes
        use_distributed_sampler=False,  # <-- the sampler divides the examples among processes itself
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module)
    return module


def main(folder):
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images.astype("float32") / 16, labels, random_state=SEED, stratify=labels)
    x, x_test, y, y_test = map(torch.from_numpy, parts)
    dynamics = dp.record(dp.open_dataset((x.numpy(), y.numpy())), epochs=4, seed=SEED, progress=False)
    softly = dp.online.soft_labels(soft_labels(dynamics), weight=0.5)

    def hard(_index, logits, target):
        return cross_entropy(logits, target, reduction="none")

    arms = {
        "infobatch": (lambda: dp.online.infobatch(y, EPOCHS, seed=SEED), hard),
        "kakurenbo": (lambda: dp.online.kakurenbo(y, EPOCHS, seed=SEED), hard),
        "pool + soft": (lambda: dp.online.pool(y, EPOCHS, keep=0.5, seed=SEED), softly),
    }
    for name, (make_sampler, loss_of) in arms.items():
        module = train(folder, TensorDataset(x, y), make_sampler, loss_of)
        with torch.no_grad():
            right = (module(x_test).argmax(dim=1) == y_test).float().mean()
        print(f"{name:12} accuracy {right:.3f} after {module.seen:,} of {EPOCHS * len(y):,} examples")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "lightning-run"))
