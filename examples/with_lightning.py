"""Record in the Lightning Trainer: lines with an arrow are datapare's.

python examples/with_lightning.py [FOLDER]
"""

import sys
from pathlib import Path

import lightning
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from datapare.recording.adapters.lightning import RecordingCallback  # <--

EPOCHS = 2


class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))

    def training_step(self, batch, _):
        _index, images, target = batch  # <-- the examples' positions come in front
        logits = self.net(images)
        loss = torch.nn.functional.cross_entropy(logits, target)
        return {"loss": loss, "logits": logits, "target": target}  # <-- instead of: return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


def main(folder):
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.from_numpy(images).float() / 16, torch.from_numpy(labels))
    loader = DataLoader(data, batch_size=64, shuffle=True)
    recording = RecordingCallback(folder / "dynamics", labels, epochs=EPOCHS)  # <--
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        callbacks=[recording],  # <--
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Digits(), recording.track(loader))  # <-- instead of: loader
    print(f"recorded {recording.recorder.epoch} epochs of {len(labels):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "lightning-run"))
