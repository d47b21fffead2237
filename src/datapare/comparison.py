"""Retrain on subsets, on as many random examples, and on everything; count accuracy and cost over several seeds.

Every seed gives all arms the same initial network and schedule, so differences are paired; the random arm is drawn
anew for each seed, with the size, the batch and the schedule of the subset it stands beside.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.api import versions
from datapare.data import Dataset, Inputs, encode
from datapare.errors import InputError
from datapare.intervals import FEWEST
from datapare.store import write_json
from datapare.types import Comparison, Recipe, Subset

FULL = "full"


@dataclass(frozen=True, eq=False)
class Job:
    """One training: an arm, a seed, the positions it trains on (None = all) and the settings."""

    arm: str
    seed: int
    index: NDArray[np.int64] | None
    training: Any


def compare(
    data: Dataset,
    subsets: Mapping[str, Subset] | Subset,
    *,
    test: Dataset,
    training: Any = None,
    image_size: int | None = None,
    seeds: int | Sequence[int] = FEWEST,
    full: bool = True,
    folder: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Train on each subset, on a random one of its size, and on everything, and evaluate on held-out examples.

    `subsets` maps arm names to subsets of `data`; `test` holds examples that chose nothing. `training` is the recipe
    of a full training (chosen by kind and size when None). Finished trainings are kept in `folder`, so a killed
    comparison goes on where it stopped. `progress(done, total, arm)` is called after each training. Raises
    InputError when the datasets do not fit together.
    """
    from datapare.train import choose, retraining
    from datapare.train.models import backbone

    named = {arm_name(subsets): subsets} if isinstance(subsets, Subset) else dict(subsets)
    _check(data, named, test)
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    words = backbone(training.model) if training is not None and data.kind == "text" else None
    inputs = encode(data, image_size=image_size, tokenizer=words)
    training = training or choose(inputs, len(data.classes))
    jobs = _jobs(named, len(data), numbers, lambda keep: retraining(training, keep), full=full)
    held_out = encode(test, inputs.encoding)
    results = []
    for done, job in enumerate(jobs):
        results.append(_run(job, data, inputs, test, held_out, None if folder is None else Path(folder)))
        if progress is not None:
            progress(done + 1, len(jobs), job.arm)
    recipe = Recipe(
        "compare",
        knobs={"training": asdict(training), "test": test.digest},
        dataset=data.digest,
        versions=versions(),
        parents=tuple(subset.recipe for subset in named.values()),
    )
    return _gather(jobs, results, numbers, data, recipe)


def _jobs(
    named: Mapping[str, Subset], total: int, seeds: Sequence[int], settings: Callable[[float], Any], *, full: bool
) -> list[Job]:
    """Every arm with every seed; one random arm for each subset size."""
    jobs = []
    sizes: dict[int, str] = {}
    for name, subset in named.items():
        jobs += [Job(name, seed, subset.index, settings(subset.keep)) for seed in seeds]
        sizes.setdefault(len(subset), f"random {_kept(subset)}")
    for size, name in sizes.items():
        draws = (np.random.default_rng([seed, size]).choice(total, size, replace=False) for seed in seeds)
        jobs += [Job(name, seed, np.sort(d), settings(size / total)) for seed, d in zip(seeds, draws, strict=True)]
    if full:
        jobs += [Job(FULL, seed, None, settings(1.0)) for seed in seeds]
    return jobs


def _run(
    job: Job, data: Dataset, inputs: Inputs, test: Dataset, held_out: Inputs, folder: Path | None
) -> dict[str, Any]:
    """Train one job, or read its result when an earlier call finished it."""
    from datapare.train import class_accuracy, train

    mark = _mark(job, data, test)
    file = None if folder is None else folder / f"{_slug(job.arm)}-{job.seed}.json"
    done = _finished(file, mark)
    if done is not None:
        return done
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    trained = train(
        inputs, data.label, len(data.classes), job.training, seed=job.seed, index=job.index,
        folder=file and file.with_suffix(""), evaluate=(held_out, test.label),
    )  # fmt: skip
    assert trained.logits is not None  # noqa: S101 - we evaluate
    result = {
        "accuracy": trained.accuracy,
        "class_accuracy": class_accuracy(trained.logits, test.label).tolist(),
        "epochs": trained.examples_seen / len(data),
        "seconds": trained.seconds,
        "mark": mark,
    }
    if file is not None:
        write_json(file, result)
    return result


def _mark(job: Job, data: Dataset, test: Dataset) -> str:
    """What makes a finished result this job's: the data, the settings and the positions."""
    index = b"" if job.index is None else job.index.tobytes()
    facts = json.dumps([data.digest, test.digest, asdict(job.training), job.seed])
    return hashlib.sha256(facts.encode() + index).hexdigest()


def _finished(file: Path | None, mark: str) -> dict[str, Any] | None:
    """The result of an earlier call, if it is of the same job."""
    if file is None or not file.is_file():
        return None
    done: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return done if done["mark"] == mark else None


def _gather(
    jobs: Sequence[Job], results: Sequence[dict[str, Any]], seeds: tuple[int, ...], data: Dataset, recipe: Recipe
) -> Comparison:
    arms = tuple(dict.fromkeys(job.arm for job in jobs))
    table = {(job.arm, job.seed): result for job, result in zip(jobs, results, strict=True)}
    size = {job.arm: len(data) if job.index is None else len(job.index) for job in jobs}

    def column(name: str) -> NDArray[np.float64]:
        return np.array([[table[arm, seed][name] for seed in seeds] for arm in arms], dtype=np.float64)

    return Comparison(
        arms=arms,
        seeds=seeds,
        accuracy=column("accuracy"),
        count=np.array([size[arm] for arm in arms]),
        epochs=column("epochs"),
        seconds=column("seconds"),
        class_accuracy=column("class_accuracy"),
        classes=data.classes,
        recipe=recipe,
    )


def _check(data: Dataset, named: Mapping[str, Subset], test: Dataset) -> None:
    if not named:
        raise InputError("a comparison needs at least one subset to compare with random examples.")
    for name, subset in named.items():
        if subset.total != len(data):
            raise InputError(
                f"{name!r} is a subset of {subset.total:,} examples, but the dataset holds {len(data):,}; "
                "use the dataset it was selected from."
            )
        if name == FULL or name.startswith("random"):
            raise InputError(f"an arm cannot be called {name!r}: that name is taken by the arm we add ourselves.")
    if test.classes != data.classes:
        raise InputError(
            f"the held-out data have {len(test.classes)} classes and the training data {len(data.classes)}, or other "
            "ones; open them with open_dataset(…, classes=data.classes), so that both number them alike."
        )


def arm_name(subset: Subset) -> str:
    """What an arm is called: its score, its rule and what it keeps."""
    scored = [parent.method for parent in subset.recipe.parents if parent.verb == "score"]
    return f"{'+'.join([*scored, subset.recipe.method or 'subset'])} {_kept(subset)}"


def _kept(subset: Subset) -> str:
    """The kept fraction or count as it was asked for."""
    return f"keep {subset.recipe.knobs.get('keep', subset.keep):.6g}"


def _slug(arm: str) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in arm)
