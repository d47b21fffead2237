"""Strategies: what a training draws in each epoch, with which targets, and for how long.

    name             may draw                                   in each epoch
    subset           the subset                                 all of it
    random           as many random examples                    all of them
    subset-pool      more examples, by the subset's own rule    as many as the subset, drawn anew
    random-pool      as many random examples as that pool       as many as the subset, drawn anew
    random-redrawn   everything                                 as many as the subset, drawn anew
    short            everything                                 everything, for fewer epochs
    infobatch, …     everything                                 what that rule of datapare.online chooses
    NAME+soft        the same, with labels mixed with soft labels: what the scoring run predicted of each example

Each makes as many updates, in batches of the same size, as the training on the subset, as nearly as whole epochs allow.
Strategies that draw anew see more distinct examples than a subset holds; every comparison counts them.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datapare.artifacts import Params
from datapare.errors import InputError, suggest

if TYPE_CHECKING:
    from datapare.training.online import Sampler

Source = Literal["subset", "random", "all"]
Targets = Literal["labels", "soft"]

WHOLE, POOL = "whole", "pool"  # draws that are no rule: all examples, and as many as the subset of a pool, anew
PLAIN: Mapping[str, tuple[Source, str]] = {
    "subset": ("subset", WHOLE),
    "random": ("random", WHOLE),
    "subset-pool": ("subset", POOL),
    "random-pool": ("random", POOL),
    "random-redrawn": ("all", POOL),
    "short": ("all", WHOLE),
}
SOFT = "+soft"
ALWAYS = ("subset", "random")  # arms of every comparison
BASELINES, NONE = "baselines", "none"
# Mean fraction of the examples that an epoch of a rule trains on, by its published parameters; 1 for other rules. What
# a training really drew is counted and shown.
EPOCH_FRACTION = {"infobatch": 0.7, "kakurenbo": 0.8, "orderdp": 0.4, "seta": 0.75}
MIN_WINDOW, MAX_WINDOW = 2, 10  # epochs on everything that the rules of DUAL score, at most half of the budget


@dataclass(frozen=True)
class Strategy:
    """What may be drawn, what is drawn in each epoch, and what the examples are trained towards.

    Args:
        source: The subset, random examples or all.
        draw: All of the source ("whole"), as many as the subset anew ("pool"), or the name of a rule.
        targets: The labels, or labels mixed with the soft labels of the record.
    """

    source: Source
    draw: str
    targets: Targets = "labels"

    @property
    def name(self) -> str:
        """The name that `parse_strategy` reads.

        >>> Strategy("all", "whole").name, Strategy("all", "infobatch", "soft").name
        ('short', 'infobatch+soft')
        """
        plain = next((name for name, known in PLAIN.items() if known == (self.source, self.draw)), self.draw)
        return plain + (SOFT if self.targets == "soft" else "")


@dataclass(frozen=True)
class Draw:
    """A rule of online/samplers that draws each epoch's examples, and its parameters."""

    rule: str
    params: Params = field(default_factory=dict)


def parse_strategy(name: str) -> Strategy:
    """Return the strategy of this name.

    Raises:
        InputError: For an unknown name.

    >>> parse_strategy("random-redrawn")
    Strategy(source='all', draw='pool', targets='labels')
    >>> parse_strategy("subset+soft")
    Strategy(source='subset', draw='whole', targets='soft')
    """
    plain = name.removesuffix(SOFT)
    if plain not in strategy_names():
        known = [*strategy_names(), *(one + SOFT for one in PLAIN), BASELINES, NONE]
        raise InputError(f"there is no strategy {name!r}; {suggest(name, known)}")
    return Strategy(*PLAIN.get(plain, ("all", plain)), "soft" if name.endswith(SOFT) else "labels")


def parse_strategies(names: Sequence[str], *, soft: bool, weighted: bool = False) -> list[Strategy]:
    """Return the strategies to train beside the subsets, random examples and all data, each once.

    Args:
        names: Their names; `baselines` stands for random+soft and subset+soft (where there are soft labels),
            random-redrawn and short, `none` for none.
        soft: Whether there are soft labels.
        weighted: Whether a subset weighs its examples, which soft labels do not; subset+soft is then no baseline.

    Raises:
        InputError: For an unknown name, and for none beside another.

    >>> [strategy.name for strategy in parse_strategies(["baselines", "infobatch", "short"], soft=False)]
    ['random-redrawn', 'short', 'infobatch']
    """
    if NONE in names:
        if len(names) > 1:
            raise InputError("the strategy none means that no other is trained; leave it out, or the others.")
        return []
    softened = ["random+soft", *([] if weighted else ["subset+soft"])] if soft else []
    baselines = [*softened, "random-redrawn", "short"]
    listed = [one for name in names for one in (baselines if name == BASELINES else (name,))]
    found = dict.fromkeys(map(parse_strategy, listed))
    return [strategy for strategy in found if strategy.name not in ALWAYS]


def strategy_names() -> list[str]:
    """Return the names of all strategies."""
    return [*PLAIN, *rule_names()]


@cache
def rule_names() -> tuple[str, ...]:
    """Return the rules of online/samplers that need to know nothing but what the budget decides."""
    from datapare.training.online import samplers

    found = sorted(file.stem for file in Path(samplers.__path__[0]).glob("[a-z]*.py"))
    return tuple(name for name in found if name != POOL and _required(name) <= {"keep", "after"})


def rule(name: str) -> "Callable[..., Sampler]":
    """Return the function that makes the sampler of a rule."""
    made: Callable[..., Sampler] = getattr(import_module(f"datapare.training.online.samplers.{name}"), name)
    return made


def short_epochs(epochs: int, count: int, total: int) -> int:
    """Return for how many epochs everything is trained on in as many updates as `epochs` on `count` of `total`.

    >>> short_epochs(30, 100, 1000), short_epochs(2, 100, 1000)
    (3, 1)
    """
    return max(1, round(epochs * count / total))


def rule_schedule(name: str, epochs: int, count: int, total: int) -> tuple[int, Params]:
    """Return the epochs and the parameters of a rule on `total` examples, for as many updates as `epochs` on `count`.

    A rule that first trains on everything for `after` epochs scores at most half of the budget.

    Raises:
        InputError: When the budget is too small for the rule.

    >>> rule_schedule("infobatch", 28, 300, 1000)
    (12, {})
    >>> rule_schedule("dual_switch", 30, 300, 1000)  # 4 epochs of 1,000, then 17 of 300
    (21, {'keep': 300, 'after': 4, 'window': 4})
    """
    whole = epochs * count / total  # in epochs of everything
    if "after" not in _required(name):
        return max(1, round(whole / EPOCH_FRACTION.get(name, 1.0))), {}
    after = min(MAX_WINDOW, int(whole / 2))
    rest = round((whole - after) * total / count)
    if after < MIN_WINDOW or rest < 1:
        raise InputError(
            f"{name} first scores {MIN_WINDOW} epochs of all data, at most half of its budget, but the budget is "
            f"{whole:.3g} epochs of all data; train for more epochs, keep more, or leave {name} out."
        )
    return after + rest, {"keep": count, "after": after, "window": after}


@cache
def _required(name: str) -> frozenset[str]:
    """Return the parameters of a rule that have no default, beside labels and epochs."""
    parameters = inspect.signature(rule(name)).parameters
    found = {key for key, parameter in parameters.items() if parameter.default is parameter.empty}
    return frozenset(found - {"labels", "epochs"})
