"""The rows of the papers' tables, and the two protocols by which paper.py makes them."""

from dataclasses import dataclass

from datapare.training import TrainingConfig

BASE = {"cifar10": "AVIF", "cifar100": "5-bit base"}


@dataclass(frozen=True)
class Rule:
    """A row of the table: a score, a selection rule on it, and how many epochs of the scoring run they see."""

    score: str
    select: str = "top"
    epochs: int = 200


RULES = {
    "full": None,
    "random": None,
    "el2n": Rule("el2n", epochs=21),
    "forgetting": Rule("forgetting"),
    "aum": Rule("prob_aum"),
    "dyn_unc": Rule("dyn_unc"),
    "tdds": Rule("tdds"),  # its knobs say how many of them it counts
    "ccs": Rule("prob_aum", "ccs"),
    "d2": Rule("forgetting", "d2"),
    "moderate": Rule("confidence", "moderate"),  # it reads no score
    "dual": Rule("dual", epochs=30),
    "dual_beta": Rule("dual", "beta", epochs=30),
}


@dataclass(frozen=True)
class Protocol:
    """How a table is made: the full training, and how the published epochs and windows translate to its length."""

    training: TrainingConfig
    name: str = "paper"
    epochs: dict[int, int] | None = None  # published scoring epochs -> ours
    window: int = 10
    per_class: int | None = None
    side: int | None = None

    def seen(self, epochs: int) -> int:
        """Scoring epochs that correspond to so many published ones."""
        return epochs if self.epochs is None else self.epochs[epochs]


# A quarter of the pixels, a tenth of CIFAR-10's images, a network of 78,042 weights, 20 epochs. A window needs a few
# epochs, so DUAL sees 10 of the 20 and not the 15 % that it would see of 200.
REDUCED = Protocol(
    TrainingConfig(epochs=20, batch_size=64, augment=("flip", "crop"), model="resnet8", width=16, precision="fp32"),
    name="reduced",
    epochs={21: 4, 30: 10, 200: 20},
    window=4,
    per_class=500,
    side=16,
)
CELLS = {"reduced": {90: tuple(RULES)[1:], 30: ("random", "el2n", "ccs", "dual", "dual_beta"), 0: ("full",)}}


@dataclass(frozen=True)
class Cell:
    """One run of the table."""

    rule: str
    pruned: int
    seed: int

    @property
    def keep(self) -> float:
        """Fraction that stays."""
        return round(1 - self.pruned / 100, 6)
