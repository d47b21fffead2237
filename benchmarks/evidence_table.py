"""The tables of the README that show evidence.json and growth.json: python benchmarks/evidence_table.py [--write].

Printed, or with --write put into README.md between the lines `<!-- evidence -->` and `<!-- end of evidence -->`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from figure import TITLES

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- evidence -->\n", "<!-- end of evidence -->"
CONDITIONS = {
    "noise": "20 % of the labels wrong", "corruption": "20 % of the images corrupted", "long tail": "long tail",
    "human labels": "one human's labels each",
}  # fmt: skip
COLUMNS = {
    "default": "default",
    "dual+beta": "DUAL + Beta",
    "default+soft": "default, soft labels",
    "random+soft": "random, soft labels",
    "random pool+soft": "random pool, soft labels",
    "short": "everything, fewer epochs",
}
MIN_SEEDS = 3
GROWN = "Trained longer, and with wider networks (`growth.json`, made by `growth.py`)"
CHOSE_NOTHING = "Sets that no default of the selection was chosen on (soft labels were tried on TREC before)"
UNSEEN = ("ag_news", "trec", "subj", "clinc150", "imdb", "cifar100")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put them into README.md")
    made = tables(*(json.loads((HERE / f"results/{name}.json").read_text()) for name in ("evidence", "growth")))
    if not parser.parse_args().write:
        print(made)
        return
    text = README.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    README.write_text(before + BEGIN + made + END + after)


def tables(result: Mapping[str, Any], growth: Mapping[str, Any]) -> str:
    """Return the tables as Markdown: the ten sets, sets that chose no default, longer and wider trainings."""
    cells, grown = enough(result), enough(growth)
    unseen = {name: cell for name, cell in cells.items() if name in UNSEEN}
    known = {name: cell for name, cell in cells.items() if name not in unseen}
    parts = [table(known)]
    if unseen:
        parts.append(f"{CHOSE_NOTHING}:\n\n" + table(unseen))
    if grown:
        parts.append(f"{GROWN}:\n\n" + table(grown))
    return "\n".join(parts)


def enough(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The cells that have been trained with enough seeds."""
    return {name: cell for name, cell in result["cells"].items() if len(cell["seeds"]) >= MIN_SEEDS}


def table(cells: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one table, with the columns that any of its cells has."""
    arms = [row for cell in cells.values() for row in cell["arms"]]
    shown = [name for name in COLUMNS if any(of(row) == name and "minus_random" in row for row in arms)]
    head = ["trained on", "examples", "seeds", "kept", "random", *(COLUMNS[name] for name in shown)]
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n" + "".join(rows(cells, shown))


def of(row: Mapping[str, Any]) -> str:
    """The strategy of a row."""
    return str(row["arm"]).partition(" keep ")[0]


def rows(cells: Mapping[str, Mapping[str, Any]], shown: Sequence[str]) -> list[str]:
    """Return one line for each cell and kept fraction."""
    ordered = sorted(cells, key=lambda name: (list(TITLES).index(name.partition(", ")[0]), len(name)))
    by_arm = {name: {row["arm"]: row for row in cells[name]["arms"]} for name in ordered}
    return [
        line(name, cells[name], keep, by_arm[name], shown)
        for name in ordered
        for keep in ("0.3", "0.1")
        if f"random keep {keep}" in by_arm[name]
    ]


def line(
    name: str, cell: Mapping[str, Any], keep: str, arms: Mapping[str, Mapping[str, Any]], shown: Sequence[str]
) -> str:
    """Return accuracy of random in percent and what other arms gain over it in points, with the interval."""
    found = [interval(arms.get(f"{column} keep {keep}", {}).get("minus_random")) for column in shown]
    random = arms[f"random keep {keep}"]
    start = [title(name), f"{cell['train']:,}", str(len(random["seeds"])), f"{100 * float(keep):.0f} %"]
    return f"| {' | '.join([*start, format(random['mean'][0], '.1f'), *found])} |\n"


def title(name: str) -> str:
    """A dataset's name as people write it, and its condition."""
    plain, _, condition = name.partition(", ")
    return TITLES[plain] + (f", {CONDITIONS.get(condition, regime(condition))}" if condition else "")


def regime(condition: str) -> str:
    """A longer training or a wider network in words."""
    return condition.replace("x", "×") if " " in condition else f"epochs {condition.replace('x', '×')}"


def interval(found: Sequence[float] | None) -> str:
    """A difference with its interval; nothing where it was not trained with enough seeds."""
    if found is None:
        return ""
    mean, low, high = (f"{value:+.1f}".replace("-", "−") for value in found)
    return f"{mean} ({low} to {high})"


if __name__ == "__main__":
    main()
