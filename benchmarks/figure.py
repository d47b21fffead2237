"""The figures of two results: benchmarks/results/evidence.svg and beyond.svg, drawn from the JSON beside them.

python benchmarks/figure.py
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forest import Block, Column, Row, forest

RESULTS = Path(__file__).parent / "results"
COLOURS = (
    "Mean and 95 % interval over paired seeds. Blue: above zero; orange: below; grey: no evidence; arrow: goes on."
)
KEEPS = ("0.3", "0.1")
TITLES = {
    "fashion": "Fashion-MNIST", "cifar10": "CIFAR-10", "tiny_imagenet20": "Tiny-ImageNet, 20 classes",
    "cifar100": "CIFAR-100, 20 coarse classes", "digits": "Digits (8 px)", "banking77": "Banking77 (text)",
    "sst2": "SST-2 (text)", "ag_news": "AG News (text)", "trec": "TREC (text)", "subj": "Subjectivity (text)",
    "clinc150": "CLINC150 (text)", "imdb": "IMDB (text)", "adult": "Adult (table)",
}  # fmt: skip


def main() -> None:
    for name, draw in (("evidence", evidence), ("beyond", beyond)):
        if (RESULTS / f"{name}.json").exists():
            (RESULTS / f"{name}.svg").write_text(draw(json.loads((RESULTS / f"{name}.json").read_text())))


def evidence(result: Mapping[str, Any]) -> str:
    """Accuracy minus random, by dataset, condition, rule (rows) and kept fraction (columns)."""
    blocks = []
    for name in sorted(result["cells"], key=place_of):
        cell = result["cells"][name]
        found: dict[str, dict[str, Any]] = {}
        for row in cell["arms"]:
            if "minus_random" in row:
                rule, _, keep = row["arm"].rpartition(" keep ")
                found.setdefault(rule, {})[keep] = row["minus_random"]
        rows = [Row(rule, "", [by_keep.get(keep) for keep in KEEPS]) for rule, by_keep in found.items()]
        seeds = len(cell["seeds"])
        blocks.append(Block(f"{title(name)}: {condition(cell)}{regime(name)}, {seeds} seeds", rows))
    columns = [Column(f"{100 * float(keep):.0f} % kept", -8, 16) for keep in KEEPS]
    note = [
        COLOURS,
        "All make as many updates. default: half DUAL + Beta, half random, inside each class; +soft: with soft labels;",
        "pool: each epoch draws anew from more examples (27 % at 10 % kept); short: all examples, fewer epochs.",
    ]
    return forest("Held-out accuracy minus that of random subsets, points", note, "", columns, blocks)


def place_of(name: str) -> tuple[int, str]:
    """Where a cell stands among the others: by its dataset, then by its name."""
    return list(TITLES).index(name.partition(", ")[0]), name


def regime(name: str) -> str:
    """What differs in the training of a cell, such as a longer schedule; nothing for most."""
    last = name.rpartition(", ")[2]
    return f", {last if ' ' in last else f'epochs {last}'}" if ", " in name and last[-1].isdigit() else ""


def beyond(result: Mapping[str, Any]) -> str:
    """Accuracy minus random and minus the usual scoring, by way of scoring, the cheapest first."""
    blocks = []
    for name, case in result["sets"].items():
        cost, seeds = case["cost"], len(case["seeds"])
        ways = sorted(cost, key=lambda way: cost[way]["time"])
        rows = [Row(way, told(cost[way]), compared(case["ways"], way, "usual")) for way in ways]
        blocks.append(Block(f"{title(name)}: {condition(case)}, {seeds} seeds", rows))
        for other, table in case["others"].items():
            first = table[0]["way"]
            rows = [Row(way, "", compared(table, way, first)) for way in dict.fromkeys(row["way"] for row in table)]
            shown = "a fully connected net" if other == "flat" else other
            blocks.append(Block(f"{title(name)}, then {shown} is trained", rows))
    columns = [
        Column("30 % kept, minus random", -8, 12), Column("10 % kept, minus random", -8, 16),
        Column("minus usual, mean of both", -5, 5),
    ]  # fmt: skip
    note = [
        COLOURS,
        "Scoring costs: passes over the dataset, and processor time, in percent of one full training of the network.",
        "Other networks: minus the subset that was scored by resnet8.",
    ]
    return forest(
        "What cheaper and other ways of scoring choose, points of accuracy", note, "passes, time", columns, blocks
    )


def compared(table: Sequence[Mapping[str, Any]], way: str, first: str) -> list[Any]:
    """The intervals of one way: minus random at both fractions, minus the first way over both."""
    found = {row["keep"]: row for row in table if row["way"] == way}
    made = [found[0.3]["minus_random"], found[0.1]["minus_random"], found[None].get(f"minus_{first}")]
    return [None if one is None or any(map(math.isnan, one)) else one for one in made]


def told(cost: Mapping[str, float]) -> str:
    """Passes and time in percent."""
    return f"{100 * cost['passes']:.0f} %, {100 * cost['time']:.0f} %"


def condition(cell: Mapping[str, Any]) -> str:
    """What the training data are."""
    return f"all {cell['train']:,}" if cell["condition"] == "all" else cell["condition"]


def title(name: str) -> str:
    """A dataset's name as people write it, without what was done to it: the condition says that."""
    return TITLES[name.partition(", ")[0]]


if __name__ == "__main__":
    main()
