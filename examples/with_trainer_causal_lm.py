"""Record a causal language model in the Hugging Face Trainer, a loss per text: lines with an arrow are datapare's.

    python examples/with_trainer_causal_lm.py [FOLDER]

A tiny GPT-2, made from its configuration, learns to count: each text is a run of numbers, and some are shuffled.
"""

import sys
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

import datapare as dp
from datapare.recording.adapters.transformers import RecordingTrainerMixin  # <--

EPOCHS, TEXTS, LENGTH, WORDS = 3, 240, 12, 40


class RecordingTrainer(RecordingTrainerMixin, Trainer):  # <--
    pass


def texts(seed=0):
    rng = np.random.default_rng(seed)
    runs = (rng.integers(0, WORDS, (TEXTS, 1)) + np.arange(LENGTH)) % WORDS
    runs[::6] = rng.permuted(runs[::6], axis=1)
    return runs


def main(folder):
    data = Dataset.from_dict({"input_ids": texts(), "labels": texts()})
    model = GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, n_positions=LENGTH, n_embd=32, n_layer=1, n_head=2))
    arguments = TrainingArguments(
        output_dir=folder / "trainer",
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=16,
        learning_rate=1e-2,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    with dp.Recorder(folder / "dynamics", np.zeros(TEXTS, int), EPOCHS, channels=("loss",)) as recorder:  # <--
        RecordingTrainer(model, arguments, train_dataset=data, recorder=recorder).train()  # <-- recorder=
    loss = recorder.dynamics().channels["loss"][-1]
    print(f"recorded {recorder.epoch} epochs of {TEXTS} texts")
    print(f"loss of shuffled texts {loss[::6].mean():.2f}, of others {np.delete(loss, np.s_[::6]).mean():.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "causal-lm-run"))
