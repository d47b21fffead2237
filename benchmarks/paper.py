"""The papers' tables, cell by cell: score, select, train on what stays, and test, as their authors did.

    python benchmarks/paper.py cifar100 --data PATH/cifar100 --rule dual_beta random --pruned 90 80 --seed 42 43 44
    python benchmarks/paper.py cifar10 --data PATH/cifar10 --reduced            two cores, in less than an hour

Each finished run is one line of --out; what is there already is not run again. With --budget-seconds 540 it stops in
time (exit code 3) and the same command goes on from the last complete epoch. --model trains the subsets with another
network than the one that scored. --on ray (this machine), auto or ray://HOST:PORT (a cluster) runs scoring runs and
trainings many at a time, with the same accuracies. published.json holds the published numbers and how far each is to be
trusted.

Source      arXiv:2502.06905 (DUAL): ResNet-18, 200 epochs, presets cifar10 and cifar100; batches of 128 at 30 to 70 %
            pruned, 64 at 80 % and 32 at 90 %. Each rule has its own authors' scoring epochs and knobs.
Ours        One 200-epoch run per seed scores for every rule, as its beginning is what the shorter runs are; EL2N is one
            run (as in DUAL's table), not ten; AUM is that of probabilities. D2's cut is known for 90 % only: elsewhere
            it is CCS's. `reduced` is ours altogether.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import datapare as dp
from datapare.data import encode
from datapare.evaluation.jobs import Job, Result, Task, train_builtin
from datapare.evaluation.runners import call_on, is_on_ray, runner_for
from datapare.methods.published_params import published
from datapare.methods.registry import find
from datapare.recording.logit_signals import CHANNELS
from datapare.training import TrainingConfig, preset, retraining, train
from datapare.training.loop import resolve
from paper_lines import PUBLISHED, conditions, finished, table
from paper_rules import BASE, CELLS, REDUCED, RULES, Cell, Protocol, Rule

HERE = Path(__file__).parent
PAUSED = 3


@dataclass(frozen=True, eq=False)
class ExperimentSetup:
    """What all cells share: data, protocol, networks, the folder of unfinished work, and when to stop."""

    dataset: str
    data: dp.Dataset
    test: dp.Dataset
    protocol: Protocol
    score_model: str
    model: str
    work: Path
    watch: Callable[[Any], None]


class PausedError(Exception):
    """The time is over; the same command goes on."""


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    deadline = time.monotonic() + args.budget_seconds
    protocol = REDUCED if args.reduced else paper(args.dataset)
    bench = opened(args, protocol, deadline)
    done = finished(args.out)
    missing = [cell for cell in cells(args, protocol) if identity(bench, cell) not in done]
    there = is_on_ray(args.on, args.gpus)
    try:
        for cell, ran in run_on_ray(bench, missing, args) if there else ((one, run(bench, one)) for one in missing):
            with args.out.open("a", encoding="utf-8") as file:
                row = {**mark_fields(bench, cell), **ran, **conditions()}
                file.write(json.dumps(row) + "\n")
            print(f"{cell.rule} {cell.pruned} % pruned, seed {cell.seed}: {row['accuracy']:.2f}", flush=True)
    except PausedError:
        print("the time is over; the same command goes on", flush=True)
        return PAUSED
    print(table(args.dataset, args.out, list(RULES)))
    return 0


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=tuple(BASE))
    parser.add_argument("--data", type=Path, required=True, help="folder with train.parquet and test.parquet")
    parser.add_argument("--rule", nargs="+", choices=tuple(RULES))
    parser.add_argument("--pruned", nargs="+", type=int, default=[90, 80, 70, 50, 30], help="in percent")
    parser.add_argument("--seed", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--score-model", help="network of the scoring run")
    parser.add_argument("--model", help="network that is trained on what stays")
    parser.add_argument("--on", default="here", help="here, ray, auto or ray://HOST:PORT")
    parser.add_argument("--gpus", type=float, help="GPUs of one training on Ray, also a fraction")
    parser.add_argument("--budget-seconds", type=float, default=float("inf"))
    parser.add_argument("--work", type=Path, default=HERE / ".work" / "paper", help="folder of unfinished work")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "paper.jsonl")
    return parser.parse_args(argv)


def paper(dataset: str) -> Protocol:
    """The recipe of the paper, in bf16 on an accelerator."""
    precision = "bf16" if torch.cuda.is_available() else "auto"
    return Protocol(replace(preset(dataset), epochs=200, precision=precision))


def cells(args: argparse.Namespace, protocol: Protocol) -> list[Cell]:
    """The runs that were asked for, one seed after the other; everything is pruned by 0 % only."""
    usual = CELLS.get(protocol.name) if args.rule is None else None
    asked = usual or dict.fromkeys(args.pruned, tuple(args.rule or tuple(RULES)[1:])) | {
        0: ("full",) if args.rule is None or "full" in args.rule else ()
    }
    return [
        Cell(rule, pruned, seed)
        for seed in args.seed
        for pruned, rules in asked.items()
        for rule in rules
        if (rule == "full") == (pruned == 0)
    ]


def opened(args: argparse.Namespace, protocol: Protocol, deadline: float) -> ExperimentSetup:
    data = dp.open_dataset(args.data / "train.parquet")
    test = dp.open_dataset(args.data / "test.parquet", classes=data.classes)
    if protocol.per_class is not None:
        data, test = small(data, protocol, 0), small(test, protocol, 1)

    def watch(_: Any) -> None:
        if time.monotonic() > deadline:
            raise PausedError

    usual = protocol.training.model
    networks = (args.score_model or usual, args.model or usual)
    return ExperimentSetup(args.dataset, data, test, protocol, *networks, args.work, watch)


def small(data: dp.Dataset, protocol: Protocol, seed: int) -> dp.Dataset:
    """Some images of each class at a smaller size, the mean over boxes of pixels."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(data.label == c) for c in range(len(data.classes))]
    some = np.sort(np.concatenate([rng.choice(m, min(protocol.per_class, len(m)), replace=False) for m in members]))
    pixels, side = data.array[some], protocol.side
    box = pixels.shape[1] // side
    boxes = pixels.reshape(len(some), side, box, side, box, pixels.shape[3])
    label = np.array(data.classes)[data.label[some]]
    return dp.open_dataset((boxes.mean((2, 4)).astype(np.uint8), label), classes=data.classes)


def run(bench: ExperimentSetup, cell: Cell) -> dict[str, Any]:
    """Select, train on what stays, and test once, at the end."""
    index, selection = chosen(bench, cell)
    inputs = encode(bench.data)
    held_out = encode(bench.test, inputs.encoding)
    folder = bench.work / hashlib.sha256(identity(bench, cell).encode()).hexdigest()[:16]
    trained = train(
        inputs, bench.data.label, len(bench.data.classes), trained_with(bench, cell), seed=cell.seed, index=index,
        folder=folder, progress=bench.watch, evaluate=(held_out, bench.test.label),
    )  # fmt: skip
    if folder.is_dir():
        folder.rmdir()
    result = Result(trained.accuracy, trained.examples_seen, trained.seconds, None, None, trained.iterations)
    job = Job(cell.rule, cell.seed, index, trained.training)
    return line(bench, cell, selection, job, result)


def run_on_ray(
    bench: ExperimentSetup, missing: list[Cell], args: argparse.Namespace
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Yield the cells as they finish: first one scoring run for each seed, then all trainings.

    What is finished is kept here; a scoring run or training that is stopped before starts over.
    """
    score_on_ray(bench, missing, args)
    inputs = encode(bench.data)
    evaluated = (encode(bench.test, inputs.encoding), bench.test.label)
    trainer = partial(train_builtin, inputs, bench.data.label, len(bench.data.classes), evaluated, None)
    tasks, selections = [], []
    for number, cell in enumerate(missing):
        index, selection = chosen(bench, cell)
        settings = resolve(inputs, bench.data.label, len(bench.data.classes), trained_with(bench, cell), cell.seed)
        selections.append(selection)
        tasks.append(Task(number, trainer, Job(cell.rule, cell.seed, index, settings), None))
    for number, result in runner_for(on=args.on, gpus=args.gpus)(tasks):
        yield missing[number], line(bench, missing[number], selections[number], tasks[number].job, result)
        bench.watch(None)


def score_on_ray(bench: ExperimentSetup, missing: list[Cell], args: argparse.Namespace) -> None:
    """Have the longest scoring run of each seed that a missing cell asks for."""
    seen = {}
    for cell in missing:
        if rule := RULES[cell.rule]:
            seen[cell.seed] = max(seen.get(cell.seed, 0), bench.protocol.seen(rule.epochs))
    asked = [scoring_run(bench, seed, epochs) for seed, epochs in seen.items()]
    begun = [(folder, options) for folder, options in asked if not (folder / "meta.json").is_file()]
    calls = [partial(dp.record, bench.data, **options, progress=False) for _, options in begun]
    for number, dynamics in call_on(args.on, args.gpus, calls):
        dp.save(dynamics, begun[number][0])
        bench.watch(None)


def line(bench: ExperimentSetup, cell: Cell, selection: dict[str, Any], job: Job, result: Result) -> dict[str, Any]:
    """What is told of a finished cell."""
    return {
        "accuracy": round(100 * result.accuracy, 3), **reference(bench.dataset, cell), **selection,
        "examples": len(job.index), "batch": job.training.batch_size, "epochs": job.training.epochs,
        "iterations": result.updates, "seconds": round(result.seconds, 1), "precision": job.training.precision,
    }  # fmt: skip


def trained_with(bench: ExperimentSetup, cell: Cell) -> TrainingConfig:
    """The settings of the training on what stays."""
    return retraining(replace(bench.protocol.training, model=bench.model), cell.keep)


def chosen(bench: ExperimentSetup, cell: Cell) -> tuple[np.ndarray, dict[str, Any]]:
    """The positions that stay, and how they were chosen."""
    rule, total = RULES[cell.rule], len(bench.data)
    if cell.rule == "full":
        return np.arange(total), {}
    if rule is None:
        drawn = dp.select(dp.Scores(np.zeros(total)), "random", keep=cell.keep, seed=cell.seed)
        return drawn.index, {}
    dynamics = record_of(bench, cell.seed, bench.protocol.seen(rule.epochs))
    score, select, balance = params(bench, rule, cell.keep)
    scores = dp.score(dynamics, rule.score, **score)
    subset = dp.select(
        scores, rule.select, keep=cell.keep, seed=cell.seed, dynamics=dynamics, balance=balance, **select
    )
    seen = score.get("count", 0) + score.get("first", 0) or dynamics.epochs
    spent = round(float(dynamics.seconds[:seen].sum()), 1)
    told = {
        "score": rule.score,
        "score_params": score,
        "select": rule.select,
        "rule_params": select,
        "balance": balance,
    }
    return subset.index, {**told, "score_epochs": seen, "score_seconds": spent}


def params(bench: ExperimentSetup, rule: Rule, keep: float) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """The published knobs of the score and of the rule at this fraction, and how the rule is balanced."""
    protocol = bench.protocol
    score, _ = published(find("score", rule.score), bench.dataset, keep)
    select, _ = published(find("select", rule.select), bench.dataset, keep)
    if rule.score in {"dual", "dyn_unc"}:
        score["window"] = protocol.window
    if protocol.epochs is not None and rule.score == "el2n":
        score["first"] = protocol.seen(21) - 1
    if protocol.epochs is not None and rule.score == "tdds":
        score = {"count": max(protocol.window, round(score["count"] * protocol.training.schedule / 200))}
        score["window"] = min(protocol.window, score["count"])
    if rule.select == "d2" and keep != 0.1:
        select["cut"] = published(find("select", "ccs"), bench.dataset, keep)[0]["cut"]
    return score, select, "uniform" if rule.select == "d2" else None


def record_of(bench: ExperimentSetup, seed: int, epochs: int) -> dp.Dynamics:
    """The first epochs of this seed's scoring run."""
    folder, options = scoring_run(bench, seed, epochs)
    dynamics = dp.record(bench.data, **options, out=folder, progress=bench.watch)
    first = {channel: values[:epochs] for channel, values in dynamics.channels.items()}
    return replace(dynamics, channels=first, seconds=dynamics.seconds[:epochs])


def scoring_run(bench: ExperimentSetup, seed: int, epochs: int) -> tuple[Path, dict[str, Any]]:
    """The folder and the options of a scoring run of so many epochs: the whole one where it stands already."""
    training = replace(bench.protocol.training, model=bench.score_model)
    name = f"{bench.dataset}-{bench.protocol.name}-{bench.score_model}-{seed}"
    whole = bench.work / f"{name}-{training.schedule}"
    long = epochs > bench.protocol.seen(30) or (whole / "meta.json").is_file()
    length = training.schedule if long else bench.protocol.seen(30)
    options = {"preset": training, "epochs": length, "schedule_epochs": training.schedule, "seed": seed}
    channels = (*CHANNELS, "kl_step", "embedding") if long else tuple(CHANNELS)
    return bench.work / f"{name}-{length}", {**options, "channels": channels}


def reference(dataset: str, cell: Cell) -> dict[str, Any]:
    """What was published for this cell, and how far it is to be trusted."""
    value, mark = PUBLISHED[dataset].get(cell.rule, {}).get(str(cell.pruned), (None, None))
    return {"published": value, "mark": mark}


def mark_fields(bench: ExperimentSetup, cell: Cell) -> dict[str, Any]:
    """What makes a run this one."""
    return {
        "dataset": bench.dataset, "base": BASE[bench.dataset], "digest": bench.data.digest,
        "protocol": bench.protocol.name, "score_model": bench.score_model, "model": bench.model,
        "rule": cell.rule, "pruned": cell.pruned, "seed": cell.seed,
    }  # fmt: skip


def identity(bench: ExperimentSetup, cell: Cell) -> str:
    return json.dumps(mark_fields(bench, cell))


if __name__ == "__main__":
    sys.exit(main())
