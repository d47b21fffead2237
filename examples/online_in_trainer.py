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
from torch.nn.functional import cross_entropy
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


def train(folder, pixels, labels, sampler, loss):
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
    trainer = PruningTrainer(Net(), arguments, train_dataset=data, sampler=sampler, loss=loss)  # <-- both
    trainer.train()
    return trainer.model.eval()


def main(folder):
    digits = load_digits()
    pixels = (digits.data / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(pixels, digits.target, random_state=SEED, stratify=digits.target)
    dynamics = dp.record(dp.open_dataset((x, y)), epochs=4, seed=SEED, progress=False)
    softly = dp.online.soft_labels(soft_labels(dynamics), weight=0.5)
    arms = {
        "infobatch": (dp.online.infobatch(y, EPOCHS, seed=SEED), None),
        "kakurenbo": (dp.online.kakurenbo(y, EPOCHS, seed=SEED), None),
        "pool + soft": (dp.online.pool(y, EPOCHS, keep=0.5, seed=SEED), softly),
    }
    for name, (sampler, loss) in arms.items():
        model = train(folder, x, y, sampler, loss)
        with torch.no_grad():
            predicted = model(torch.from_numpy(x_test))["logits"].argmax(dim=1).numpy()
        right = (predicted == y_test).mean()
        print(f"{name:12} accuracy {right:.3f} after {model.seen:,} of {EPOCHS * len(y):,} examples")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "trainer-run"))
