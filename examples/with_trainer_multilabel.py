"""Record several labels per example in the Hugging Face Trainer, as losses: lines with an arrow are datapare's.

    python examples/with_trainer_multilabel.py [FOLDER]

A small vision transformer that tells of each digit of scikit-learn whether it is even, above four, and has a loop.
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


class RecordingTrainer(RecordingTrainerMixin, Trainer):  # <--
    pass


def main(folder):
    images, digit = load_digits(return_X_y=True)
    pixels = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = np.stack([digit % 2 == 0, digit > 4, np.isin(digit, [0, 6, 8, 9])], axis=1).astype(np.float32)
    data = Dataset.from_dict({"pixel_values": pixels, "labels": labels})
    shape = {"image_size": 8, "patch_size": 4, "num_channels": 1, "num_labels": 3}
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = ViTForImageClassification(ViTConfig(**shape, **small, problem_type="multi_label_classification"))
    arguments = TrainingArguments(
        output_dir=folder / "trainer",
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=64,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    with dp.Recorder(folder / "dynamics", np.zeros(len(digit), int), EPOCHS, channels=("loss",)) as recorder:  # <--
        RecordingTrainer(model, arguments, train_dataset=data, recorder=recorder).train()  # <-- recorder=
    print(f"recorded {recorder.epoch} epochs of {len(digit):,} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "multilabel-run"))
