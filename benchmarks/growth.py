"""Do the gains grow or vanish with longer trainings and wider networks? CIFAR-10 and Banking77, a tenth kept.

    python benchmarks/growth.py --data DATA                     # an hour of one core, resumable
    python benchmarks/growth.py --data DATA --cell "banking77, x10" --seeds 3
    python benchmarks/growth.py --data DATA --full              # all of CIFAR-10 at 32 px with ResNet-18: for a GPU

The cells of evidence.py with a schedule, and a record, 3 and 10 times as long, or with a network 2 and 4 times as wide;
the two are not crossed. At one length and width every strategy makes as many updates; `short` is everything for as
many. Records and trainings stand in benchmarks/.work/evidence, results in benchmarks/results/growth.json.
"""

import argparse
import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import evidence
from evidence import CELLS, Cell
from evidence_data import cifar10

RESULTS = Path(__file__).parent / "results" / "growth.json"
GROWN = ("random", "default", "random+soft", "default+soft", "random pool+soft", "short")
LENGTHS, WIDTHS = (3, 10), (2, 4)
FULL = Cell(
    partial(cifar10, examples=50_000, held_out=10_000),
    replace(evidence.THIN, model="resnet18", width=16, batch_size=128), 50_000, 32, held_out=10_000,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--cell", nargs="+", choices=[*grid(full=False), *grid(full=True)])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="CIFAR-10 at its full size, with ResNet-18")
    given = parser.parse_args()
    cells = grid(full=given.full)
    for name, seed in itertools.product(given.cell or cells, range(given.seeds)):
        evidence.run(name, cells[name], given.data, seed, list(GROWN))
        evidence.write(name, cells[name], vars(given), RESULTS)


def grid(*, full: bool) -> dict[str, Cell]:
    """The cells by name: as evidence.py has them, longer, wider."""
    made = {}
    for name, of in {"cifar10, full": FULL}.items() if full else ((name, CELLS[name]) for name in SETS):
        plain = replace(of, keeps=(0.1,), strategies=GROWN)
        made[name] = plain
        made |= {f"{name}, x{times}": longer(plain, times) for times in LENGTHS}
        made |= {f"{name}, width x{times}": wider(plain, times) for times in WIDTHS}
    return made


def longer(cell: Cell, times: int) -> Cell:
    """The same, its schedule and its record so many times as long."""
    of = cell.training
    return replace(cell, training=replace(of, epochs=of.epochs * times, schedule_epochs=of.schedule * times))


def wider(cell: Cell, times: int) -> Cell:
    """The same with a network so many times as wide."""
    return replace(cell, training=replace(cell.training, width=cell.training.width * times))


SETS = ("banking77", "cifar10")

if __name__ == "__main__":
    main()
