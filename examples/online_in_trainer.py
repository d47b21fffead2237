"""Train once, on less, in the Hugging Face Trainer: lines with an arrow are datapare's.

    python examples/online_in_trainer.py [FOLDER]

Three samplers on the digits of scikit-learn, each beside its accuracy and what it trained on. The last trains on soft
labels, which a short recording beforehand has predicted, and redraws its examples from a pool in every epoch.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy, one_hot
from transformers import Trainer, TrainingArguments

import datapare as dp
from datapare.training import soft_labels
from datapare.training.online.adapters.transformers import PruningTrainerMixin  # <--

EPOCHS, SEED = 6, 0


class PruningTrainer(PruningTrainerMixin, Trainer):  # <-- a Trainer of your own works the same way
    pass


class Net(torch.nn.Module):
    """As models of transformers: named inputs, a loss where there are labels."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
        self.seen = 0  # to print it below

    def forward(self, pixels, labels=None):
        self.seen += len(pixels) if self.training else 0
        logits = self.layers(pixels)
        return {"logits": logits} if labels is None else {"loss": cross_entropy(logits, labels), "logits": logits}


def train(folder, pixels, labels, sampler, **settings):
    torch.manual_seed(SEED)
    arguments = TrainingArguments(
        output_dir=folder,
        num_train_epochs=EPOCHS,  # <-- as many as the sampler's, and no max_steps
        per_device_train_batch_size=32,
        learning_rate=3e-3,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    data = Dataset.from_dict({"pixels": pixels, "labels": labels})
    trainer = PruningTrainer(Net(), arguments, train_dataset=data, sampler=sampler, **settings)  # <-- sampler=
    trainer.train()
    return trainer.model.eval()


def mixed_targets(pixels, labels):
    """Return rows (N, 10): the label and what a recorded training predicted, half and half."""
    dynamics = dp.record(dp.open_dataset((pixels, labels)), epochs=4, seed=SEED, progress=False)
    soft = torch.from_numpy(soft_labels(dynamics).probability).float()
    return 0.5 * one_hot(torch.from_numpy(labels), 10) + 0.5 * soft


def main(folder):
    digits = load_digits()
    pixels = (digits.data / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(pixels, digits.target, random_state=SEED, stratify=digits.target)
    softly = {
        "compute_loss_func": lambda outputs, labels, **_: cross_entropy(outputs["logits"], labels),
        "per_example_loss": torch.nn.CrossEntropyLoss(),
    }
    arms = {
        "infobatch": (y, dp.online.infobatch(y, EPOCHS, seed=SEED), {}),
        "kakurenbo": (y, dp.online.kakurenbo(y, EPOCHS, seed=SEED), {}),
        "pool + soft": (mixed_targets(x, y).tolist(), dp.online.pool(y, EPOCHS, keep=0.5, seed=SEED), softly),
    }
    for name, (labels, sampler, settings) in arms.items():
        model = train(folder, x, labels, sampler, **settings)
        with torch.no_grad():
            predicted = model(torch.from_numpy(x_test))["logits"].argmax(dim=1).numpy()
        right = (predicted == y_test).mean()
        print(f"{name:12} accuracy {right:.3f} after {model.seen:,} of {EPOCHS * len(y):,} examples")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "trainer-run"))
