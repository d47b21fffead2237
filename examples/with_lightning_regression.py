"""Record a regression in the Lightning Trainer, as losses: lines with an arrow are datapare's.

python examples/with_lightning_regression.py [FOLDER]
"""

import sys
from pathlib import Path

import lightning
import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch.utils.data import DataLoader, TensorDataset

from datapare.recording.adapters.lightning import RecordingCallback  # <--

EPOCHS = 5


class Progression(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(10, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))

    def training_step(self, batch, _):
        _index, features, target = batch  # <-- the examples' positions come in front
        predicted = self.net(features)
        loss = torch.nn.functional.mse_loss(predicted, target)
        return {"loss": loss, "logits": predicted, "target": target}  # <-- instead of: return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def main(folder):
    features, progression = load_diabetes(return_X_y=True)
    target = torch.from_numpy((progression - progression.mean()) / progression.std()).float()[:, None]
    data = TensorDataset(torch.from_numpy(features).float() * 20, target)
    loader = DataLoader(data, batch_size=32, shuffle=True)
    recording = RecordingCallback(  # <--
        folder / "dynamics",
        np.zeros(len(target), int),
        EPOCHS,
        channels=("loss",),
        problem_type="regression",
    )
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
    trainer.fit(Progression(), recording.track(loader))  # <-- instead of: loader
    print(f"recorded {recording.recorder.epoch} epochs of {len(target)} patients")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "regression-run"))
