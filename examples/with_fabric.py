"""Record in a loop with Lightning Fabric: lines with an arrow are datapare's.

python examples/with_fabric.py [FOLDER]
"""

import sys
from pathlib import Path

import torch
from lightning.fabric import Fabric
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp

EPOCHS = 2


def main(folder):
    fabric = Fabric(accelerator="cpu")
    fabric.launch()
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.from_numpy(images).float() / 16, torch.from_numpy(labels))
    net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    model, optimizer = fabric.setup(net, torch.optim.AdamW(net.parameters(), lr=3e-3))
    with dp.Recorder(folder / "dynamics", labels, epochs=EPOCHS) as recorder:  # <-- after the launch
        recorder.resume(0)  # <-- or the epoch of your checkpoint
        loader = recorder.track(DataLoader(data, batch_size=64, shuffle=True))  # <--
        loader = fabric.setup_dataloaders(loader)
        for _ in range(recorder.epoch, EPOCHS):
            for index, batch, target in loader:  # <-- the examples' positions come in front
                logits = model(batch)
                recorder.observe(index, logits, target)  # <--
                optimizer.zero_grad()
                fabric.backward(torch.nn.functional.cross_entropy(logits, target))
                optimizer.step()
            recorder.end_epoch()  # <--
    fabric.print(f"recorded {recorder.epoch} epochs of {len(labels):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "fabric-run"))
