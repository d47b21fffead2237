"""Record in the Hugging Face Trainer, in one process or under torchrun: lines with an arrow are datapare's.

    python examples/with_trainer.py [FOLDER]

A small vision transformer on the digits of scikit-learn, nothing to download.
"""

import sys
from pathlib import Path

import numpy as np
from datasets import Dataset
from sklearn.datasets import load_digits
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

import datapare as dp
from datapare.recording.adapters.transformers import RecordingTrainerMixin  # <--

EPOCHS = 2


class RecordingTrainer(RecordingTrainerMixin, Trainer):  # <-- a Trainer of your own works the same way
    pass


def main(folder):
    images, labels = load_digits(return_X_y=True)
    pixels = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    data = Dataset.from_dict({"pixel_values": pixels, "labels": labels})
    shape = {"image_size": 8, "patch_size": 4, "num_channels": 1, "num_labels": 10}
    model = ViTForImageClassification(
        ViTConfig(**shape, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
    )
    arguments = TrainingArguments(
        output_dir=folder / "trainer",
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=64,
        gradient_accumulation_steps=2,
        label_smoothing_factor=0.1,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    with dp.Recorder(folder / "dynamics", labels, epochs=EPOCHS) as recorder:  # <--
        trainer = RecordingTrainer(model, arguments, train_dataset=data, recorder=recorder)  # <-- recorder=
        trainer.train()
    if trainer.is_world_process_zero():
        print(f"recorded {recorder.epoch} epochs of {len(labels):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "trainer-run"))
