"""Record in a loop with accelerate, on any number of processes: lines with an arrow are datapare's.

    accelerate launch --multi_gpu --num_processes 2 examples/with_accelerate.py [FOLDER]

Every process runs the same lines; the first one writes the record. Here they are processes without a GPU, which
`--multi_gpu` starts as well; with `--cpu` accelerate would start one only.
"""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp

EPOCHS = 2


def main(folder):
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.from_numpy(images).float() / 16, torch.from_numpy(labels))
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    model, optimizer, loader = accelerator.prepare(
        model, torch.optim.AdamW(model.parameters(), lr=3e-3), DataLoader(data, batch_size=64, shuffle=True)
    )
    with dp.Recorder(folder / "dynamics", labels, epochs=EPOCHS) as recorder:  # <-- after the Accelerator
        recorder.resume(0)  # <-- or the epoch of your checkpoint
        for _ in range(recorder.epoch, EPOCHS):
            for index, batch, target in recorder.track(loader):  # <-- instead of: in loader
                with accelerator.accumulate(model):
                    logits = model(batch)
                    recorder.observe(index, logits, target)  # <--
                    accelerator.backward(torch.nn.functional.cross_entropy(logits, target))
                    optimizer.step()
                    optimizer.zero_grad()
            recorder.end_epoch()  # <--
    accelerator.print(
        f"recorded {recorder.epoch} epochs of {len(labels):,} digits, processes: {accelerator.num_processes}"
    )
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "accelerate-run"))
