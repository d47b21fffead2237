"""Prune with your own training loop: datapare adds the lines marked with an arrow.

    python examples/plain_pytorch.py [FOLDER]

Runs in seconds on the digits of scikit-learn; a second run finds the record and does not train for it again.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Subset, TensorDataset

import datapare as dp

EPOCHS, KEEP, SEED = 10, 0.3, 0


def new_model():
    torch.manual_seed(SEED)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def record(data, labels, folder):
    """Train as usual and note what the model believes; the first epochs are enough."""
    model, optimizer = new_model()
    loader = DataLoader(data, batch_size=64, shuffle=True)
    with dp.Recorder(folder, labels, epochs=EPOCHS) as recorder:  # <--
        recorder.resume(0)  # <-- this loop keeps no checkpoint, so an interrupted run starts over
        for _ in range(recorder.epoch, EPOCHS):
            for index, images, target in recorder.track(loader):  # <-- instead of: in loader
                logits = model(images)
                recorder.observe(index, logits, target)  # <--
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, target).backward()
                optimizer.step()
            recorder.end_epoch()  # <--
        return recorder.dynamics()


def accuracy(data, test, steps):
    """Train on `data` for a number of steps and return the accuracy on held-out examples."""
    model, optimizer = new_model()
    loader = DataLoader(data, batch_size=64, shuffle=True)
    done = 0
    while done < steps:
        for images, target in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), target).backward()
            optimizer.step()
            done += 1
    images, target = test.tensors
    with torch.no_grad():
        return float((model(images).argmax(1) == target).float().mean())


def main(folder):
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images.astype(np.float32) / 16, labels, test_size=0.3, random_state=SEED, stratify=labels)
    train_images, test_images, train_labels, test_labels = map(torch.from_numpy, parts)
    data = TensorDataset(train_images, train_labels)
    test = TensorDataset(test_images, test_labels)

    dynamics = record(data, train_labels, folder / "dynamics")
    scores = dp.score(dynamics, "dual", window=5)
    subset = dp.select(scores, "beta", keep=KEEP, seed=SEED, dynamics=dynamics)
    dp.save(subset, folder / "subset")
    print(f"keep {len(subset):,}, drop {subset.total - len(subset):,} of {subset.total:,}")

    chance = np.random.default_rng(SEED).choice(subset.total, len(subset), replace=False)
    for name, part in [
        ("all examples", data),
        ("this subset", Subset(data, subset.index.tolist())),
        ("a random one", Subset(data, chance.tolist())),
    ]:
        print(f"accuracy after 300 steps on {name}: {accuracy(part, test, 300):.3f}")
    print("one seed proves nothing: datapare compare trains several of each")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits-run"))
