"""Do the 95 % intervals of a comparison cover the truth? Simulated trainings whose true accuracies are known.

    python benchmarks/interval_coverage.py [--repeats 1200]

Example m of arm a is right with seed s when a normal variable falls below the arm's threshold:

    sqrt(shared) u_m + sqrt(own) v_am + sqrt(1 - shared - own) e_ams  <  q_a + tau (sqrt(0.3) w_s + sqrt(0.7) w_as)

so that arms agree on which examples are hard (u), each arm repeats its own mistakes from seed to seed (v), and the true
accuracy of a network varies by seed (w, in part with the seed that both arms share). Compared are the mean accuracies
over all seeds and all examples of the population. Every cell draws new examples and seeds each time; writes
benchmarks/results/interval_coverage.json with the coverage of the interval of a difference and of an accuracy, and of
the t-interval over seeds alone, which was used before.
"""

import argparse
import itertools
import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from datapare.evaluation.statistics import PSEUDO_EXAMPLES, crossed_half_width, mean_squares, wilson_ends

RESULTS = Path(__file__).parent / "results" / "interval_coverage.json"
ACCURACY = (0.5, 0.7, 0.9, 0.97, 0.995)
EXAMPLES = (450, 2_000, 10_000)
SEEDS = (3, 5, 10)
TAU = (0.0, 0.03, 0.1)  # at an accuracy of 0.9, standard deviations of 0, 0.5 and 1.7 points from seed to seed
SHARED_OWN = ((0.5, 0.2), (0.2, 0.1))  # alike arms that repeat their mistakes, and arms with mistakes of their own
GAP = 0.004  # the second arm is so much better
BLOCK = 2_000_000  # outcomes drawn at once


class Cell(NamedTuple):
    """What one simulation assumes."""

    accuracy: float
    examples: int
    seeds: int
    tau: float
    shared: float
    own: float


class Covered(NamedTuple):
    """In how many of the repeats each interval held the truth, and the median width of a difference's, in points."""

    difference: float
    accuracy: float
    over_seeds: float
    width: float


def cells() -> Iterator[Cell]:
    for accuracy, examples, seeds, tau, (shared, own) in itertools.product(ACCURACY, EXAMPLES, SEEDS, TAU, SHARED_OWN):
        yield Cell(accuracy, examples, seeds, tau, shared, own)


def outcomes(cell: Cell, repeats: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Yield outcomes (repeats, 2 arms, S, M) block by block."""
    block = max(1, BLOCK // (2 * cell.seeds * cell.examples))
    thresholds = ndtri([cell.accuracy, cell.accuracy + GAP])
    for start in range(0, repeats, block):
        count = min(block, repeats - start)

        def normal(*shape: int, of: int = count) -> NDArray[np.float32]:
            return rng.standard_normal((of, *shape), dtype=np.float32)

        of_seed = np.sqrt(0.3) * normal(1, cell.seeds, 1) + np.sqrt(0.7) * normal(2, cell.seeds, 1)
        value = normal(2, cell.seeds, cell.examples)
        value *= np.float32(np.sqrt(1 - cell.shared - cell.own))
        value += np.float32(np.sqrt(cell.shared)) * normal(1, 1, cell.examples)
        value += np.float32(np.sqrt(cell.own)) * normal(2, 1, cell.examples)
        yield value < (thresholds[:, None, None] + cell.tau * of_seed).astype(np.float32)


def measure(cell: Cell, repeats: int, seed: int = 0) -> Covered:
    """Count how often each interval covers."""
    rng = np.random.default_rng([seed, *np.frombuffer(repr(cell).encode(), dtype=np.uint8)])
    spread = np.sqrt(1 + cell.tau**2)
    first, second = ndtr(ndtri([cell.accuracy, cell.accuracy + GAP]) / spread)
    shape = (cell.seeds, cell.examples)
    t = stdtrit(cell.seeds - 1, 0.975)
    covered: list[NDArray[np.float64]] = []
    for right in outcomes(cell, repeats, rng):
        apart = right[:, 1].astype(np.float32) - right[:, 0]
        mean = apart.mean(axis=(1, 2), dtype=np.float64)
        half = crossed_half_width(mean_squares(apart, PSEUDO_EXAMPLES), shape, 0.95)
        naive = t * apart.mean(axis=2, dtype=np.float64).std(axis=1, ddof=1) / np.sqrt(cell.seeds)
        own = right[:, 1].mean(axis=(1, 2))
        low, high = wilson_ends(
            own, crossed_half_width(mean_squares(right[:, 1].astype(np.float32)), shape, 0.95), shape, 0.95
        )
        error = np.abs(mean - (second - first))
        covered.append(np.stack([error <= half, (low <= second) & (second <= high), error <= naive, 200 * half]))
    each = np.concatenate(covered, axis=1)
    return Covered(*each[:3].mean(axis=1).round(4).tolist(), round(float(np.median(each[3])), 3))


def summary(rows: dict[Cell, Covered], name: str) -> dict[str, object]:
    """Coverage over all cells, by number of seeds, and in how many cells it lies in 93 to 97 %."""
    values = {cell: getattr(covered, name) for cell, covered in rows.items()}
    by_seeds = {seeds: np.mean([v for c, v in values.items() if c.seeds == seeds]) for seeds in SEEDS}
    inside = np.mean([0.93 <= v <= 0.97 for v in values.values()])
    return {
        "mean": round(float(np.mean(list(values.values()))), 4),
        "by_seeds": {str(seeds): round(float(v), 4) for seeds, v in by_seeds.items()},
        "lowest": min(values.values()),
        "highest": max(values.values()),
        "cells_in_93_to_97_percent": round(float(inside), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1200, help="of cells with 450 examples; larger ones get fewer")
    repeats = parser.parse_args().repeats
    fewer = {450: 1, 2_000: 2, 10_000: 3}
    rows = {cell: measure(cell, max(1, repeats // fewer[cell.examples])) for cell in cells()}
    table = {
        "claim": "coverage of 95 % intervals in simulated comparisons with known truth",
        "intervals": {name: summary(rows, name) for name in ("difference", "accuracy", "over_seeds")},
        "repeats": {str(examples): repeats // part for examples, part in fewer.items()},
        "cells": [{**cell._asdict(), **{f"covered_{k}" if k != "width" else k: v for k, v in row._asdict().items()}}
                  for cell, row in rows.items()],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.platform(), "cores": os.cpu_count(), "seed": 0,
        "versions": {package: version(package) for package in ("datapare", "numpy", "scipy")},
    }  # fmt: skip
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")
    print(json.dumps(table["intervals"], indent=1))


if __name__ == "__main__":
    main()
