"""Train once, on less: your own training loop with a sampler of datapare, the lines marked with an arrow.

    python examples/online.py

Runs in seconds on the digits of scikit-learn: the plain loop, then the same loop with each sampler.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

import datapare as dp

EPOCHS, LR, SEED = 20, 3e-3, 0


def digits():
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images.astype(np.float32) / 16, labels, test_size=0.3, random_state=SEED, stratify=labels)
    train_images, test_images, train_labels, test_labels = map(torch.from_numpy, parts)
    return TensorDataset(train_images, train_labels), TensorDataset(test_images, test_labels)


def new_model():
    torch.manual_seed(SEED)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    return model, torch.optim.AdamW(model.parameters(), lr=LR)


def accuracy(model, test):
    images, target = test.tensors
    with torch.no_grad():
        return float((model(images).argmax(1) == target).float().mean())


def plain(data, test):
    model, optimizer = new_model()
    loader = DataLoader(data, batch_size=64, sampler=RandomSampler(data))
    for epoch in range(EPOCHS):
        for step, (images, target) in enumerate(loader):
            loss = cross_entropy(model(images), target)
            done = (epoch + step / len(loader)) / EPOCHS
            optimizer.param_groups[0]["lr"] = LR * (1 - done)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return accuracy(model, test), EPOCHS * len(data)


def sampled(data, test, sampler):
    model, optimizer = new_model()
    loader = DataLoader(data, batch_size=64, sampler=sampler)  # <-- instead of a random sampler
    seen = 0
    for epoch in range(EPOCHS):
        seen += len(sampler.index)
        for step, (index, images, target) in enumerate(sampler.track(loader)):  # <-- instead of: in loader
            logits = model(images)
            sampler.observe(index, logits, target)  # <--
            loss = (sampler.weight(index) * cross_entropy(logits, target, reduction="none")).mean()  # <-- InfoBatch
            done = (epoch + step / len(loader)) / EPOCHS  # in epochs: their number of steps changes
            optimizer.param_groups[0]["lr"] = LR * (1 - done) * sampler.lr_factor  # <-- KAKURENBO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for index, images, target in sampler.revisit(loader):  # <-- KAKURENBO looks again at what it hid
                sampler.observe(index, model(images), target)
        model.train()
        sampler.end_epoch()  # <-- beside your checkpoint: torch.save({..., "sampler": sampler.state_dict()}, ...)
    return accuracy(model, test), seen


def main():
    data, test = digits()
    labels = data.tensors[1]
    arms = {
        "everything": plain(data, test),
        "infobatch": sampled(data, test, dp.online.infobatch(labels, EPOCHS, seed=SEED)),
        "kakurenbo": sampled(data, test, dp.online.kakurenbo(labels, EPOCHS, seed=SEED)),
        "dual_switch": sampled(data, test, dp.online.dual_switch(labels, EPOCHS, keep=0.3, after=10, seed=SEED)),
    }
    for name, (right, seen) in arms.items():
        print(f"{name:12} accuracy {right:.3f} after training on {seen:,} examples")


if __name__ == "__main__":
    main()
