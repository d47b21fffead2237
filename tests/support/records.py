"""A record to test with: every channel and array a method may read, consistent with one set of probabilities."""

import numpy as np

from datapare.artifacts import Dynamics

EPOCHS, COUNT, CLASSES, WIDTH, RUNS = 12, 120, 4, 6, 5


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def make_record(seed=0, *, epochs=EPOCHS, count=COUNT, classes=CLASSES):
    """Logits that drift towards the label at a speed of each example's own, and everything that follows from them."""
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    speed = rng.normal(0.3, 0.4, count)
    logits = rng.normal(0, 1, (epochs, count, classes))
    logits[:, np.arange(count), label] += np.arange(epochs)[:, None] * speed
    return record_of(logits, label, rng)


def record_of(logits, label, rng):
    epochs, count, classes = logits.shape
    every = np.arange(count)
    prob = softmax(logits)
    onehot = np.eye(classes)[label]
    rival = np.where(onehot, -np.inf, logits).max(-1)
    rival_prob = np.where(onehot, -np.inf, prob).max(-1)
    log = np.log(prob)
    step = np.full((epochs, count), np.nan)
    step[1:] = np.abs(prob[1:] * (np.log(prob[1:] + 1e-8) - np.log(prob[:-1] + 1e-8))).sum(-1)
    turn = np.full((epochs, count), np.nan)
    turn[1:] = 1 - (prob[1:] * prob[:-1]).sum(-1) / (
        np.linalg.norm(prob[1:], axis=-1) * np.linalg.norm(prob[:-1], axis=-1)
    )
    channels = {
        "target_prob": prob[:, every, label],
        "margin": logits[:, every, label] - rival,
        "prob_margin": prob[:, every, label] - rival_prob,
        "error_norm": np.linalg.norm(prob - onehot, axis=-1),
        "entropy": -(prob * log).sum(-1),
        "loss": -log[:, every, label],
        "class_loss": np.stack([-log[:, every, label][:, label == own].mean(axis=1) for own in label], axis=1),
        "mean_loss": np.tile(-log[:, every, label].mean(axis=1, keepdims=True), count),
        "kl_step": step,
        "cos_step": turn,
        "grad_norm": np.linalg.norm(prob - onehot, axis=-1) * 2,
    }
    arrays = {
        "logit_mean": logits.mean(0),
        "prob": prob[-1],
        "embedding": rng.normal(0, 1, (count, WIDTH)) + onehot @ rng.normal(0, 2, (classes, WIDTH)),
        "runs_correct": (rng.random((count, RUNS)) < 0.5),
        "boundary_distance": rng.random(count),
        "distorted_loss": rng.random((count, RUNS)),
    }
    return Dynamics({name: values.astype(np.float32) for name, values in channels.items()}, label, arrays)
