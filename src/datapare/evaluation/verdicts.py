"""What a comparison shows about a subset: three questions, each with its own answer.

    1. Is it better than random examples at the same size?
    2. How much accuracy does it cost against training on everything (non-inferior within a margin)?
    3. When does it pay, against training on everything and against random examples, which cost nothing to choose?

An answer follows from a 95 % interval alone. Where the interval leaves a question open, the answer names the number of
seeds that would decide it if the difference and its spread stay as observed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from datapare.artifacts import Comparison, Dynamics, HeldOut, Scores, Subset
from datapare.errors import GateError
from datapare.evaluation.arms import difference_to, find_arm, full_arm, points
from datapare.evaluation.costs import Cost, break_even, cost_model, describe_break_even, duration, scoring_cost
from datapare.evaluation.statistics import CONFIDENCE, MIN_SEEDS, Estimate, Interval
from datapare.numerics.checked_calls import checked_call

MARGIN = 0.01  # accuracy below training on everything that is still as good
MIN_COVERAGE = 0.95  # of the examples, that every recorded epoch saw, for a gate to be met

Outcome = Literal[
    "better", "no evidence", "worse", "within", "beyond", "open", "pays", "pays at a loss", "never", "unknown",
    "too few seeds", "no random arm", "no full arm", "not compared",
]  # fmt: skip

UNKNOWN: Outcome = "unknown"
# When it is cheaper, by the answer to the second question.
PAYS: Mapping[Outcome, Outcome] = {
    "within": "pays", "beyond": "pays at a loss", "open": "open", "too few seeds": "too few seeds",
}  # fmt: skip

SPLIT = (
    "Measured on a split of the training data, which the scoring run has seen: good to choose by, but no proof; "
    "compare on test data to prove it."
)


@dataclass(frozen=True)
class Answer:
    """The answer to one question: its outcome, the sentence that states it, and the interval it rests on.

    `seeds_needed` is the number of seeds that would decide an open question, None where it is decided or where no
    number of seeds would be enough.
    """

    outcome: Outcome
    text: str
    interval: Interval | None = None
    seeds_needed: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What a comparison shows about one subset.

    Attributes:
        arm: Name of its arm, "" where the comparison has none.
        random: Is it better than random at the same size? `better`, `worse` or `no evidence`.
        full: What does it cost against all data? `within` the margin, `beyond` it, or `open`.
        payoff: When does it pay? `pays`, `pays at a loss` of accuracy beyond the margin, `open` where that loss is,
            `never` or `unknown`.
        held_out: What accuracy was measured on.
    """

    arm: str
    random: Answer
    full: Answer
    payoff: Answer
    held_out: HeldOut = "test"

    def __str__(self) -> str:
        """The sentences, one a line."""
        return "\n".join(self.sentences)

    @property
    def outcome(self) -> Outcome:
        """Outcome of the first question."""
        return self.random.outcome

    @property
    def note(self) -> str:
        """The sentence about held-out data that prove nothing; "" where they are test data."""
        return SPLIT if self.held_out == "split" and self.arm else ""

    @property
    def sentences(self) -> list[str]:
        """The answers in the order of the questions, then the note, once."""
        answers = [self.random.text, self.full.text, self.payoff.text, self.note]
        return [text for text in answers if text]

    @property
    def text(self) -> str:
        """All sentences in one line."""
        return " ".join(self.sentences)

    @property
    def decided(self) -> bool:
        """Whether the first two questions are answered."""
        open_outcomes = {"no evidence", "open", "too few seeds"}
        return not {self.random.outcome, self.full.outcome} & open_outcomes


@checked_call
def verdict(
    comparison: Comparison,
    subset: Subset | str | None = None,
    *,
    margin: float | None = None,
    dynamics: Dynamics | None = None,
    scores: Scores | None = None,
) -> Verdict:
    """Answer the three questions about one subset of a comparison.

    Args:
        comparison: The comparison, from `compare` or `sweep`.
        subset: The subset, or the name of its arm; None for the only one of the comparison.
        margin: Accuracy 0..1 below training on everything that counts as no loss; None takes that of the comparison.
        dynamics: The record that the subset was chosen by, for the cost of scoring.
        scores: Its scores, likewise.

    Returns:
        The verdict; its outcome is "not compared" where the comparison does not hold the subset.

    Raises:
        InputError: If `margin` is no fraction, or `subset` is None and the comparison has several subsets.

    >>> accuracy = [[0.80, 0.81, 0.82], [0.70, 0.71, 0.69], [0.80, 0.81, 0.81]]
    >>> epochs = [[3.0] * 3, [3.0] * 3, [10.0] * 3]
    >>> compared = Comparison(("dual", "random", "full"), (0, 1, 2), accuracy, [30, 30, 100], epochs, epochs,
    ...                       roles=("subset", "random", "full"))
    >>> found = verdict(compared, margin=0.02)
    >>> found.random.outcome, found.full.outcome, found.payoff.outcome
    ('better', 'within', 'unknown')
    """
    if margin is None:
        margin = float(comparison.provenance.params.get("margin", MARGIN))
    arm = find_arm(comparison, subset)
    if arm is None:
        return NO_ARM
    random, full = against_random(comparison, arm), against_full(comparison, arm, margin)
    payoff = _payoff(comparison, arm, scoring_cost(dynamics, scores), random, full)
    return Verdict(comparison.arms[arm], random, full, payoff, comparison.held_out)


@checked_call
def verdicts(
    comparison: Comparison,
    *,
    margin: float | None = None,
    dynamics: Dynamics | None = None,
    scores: Scores | None = None,
) -> list[Verdict]:
    """Return the verdict on every subset of a comparison, in the order of its arms."""
    names = [name for name, role in zip(comparison.arms, comparison.roles, strict=True) if role == "subset"]
    return [verdict(comparison, name, margin=margin, dynamics=dynamics, scores=scores) for name in names]


def against_random(comparison: Comparison, arm: int, confidence: float = CONFIDENCE) -> Answer:
    """Answer whether an arm is better than random examples of the same size."""
    random = comparison.baseline[arm]
    if random is None:
        return Answer("no random arm", f"No verdict on {comparison.arms[arm]}: no random arm has the same size.")
    found = difference_to(comparison, arm, random, confidence)
    if found.seeds < MIN_SEEDS:
        return _too_few(found, "random")
    _, low, high = found.interval
    where = _where(comparison, found)
    if low > 0:
        return Answer("better", f"Better than as many random examples ({where}).", found.interval)
    if high < 0:
        return Answer("worse", f"Worse than as many random examples ({where}).", found.interval)
    needed = found.seeds_to_exclude(0.0)
    text = f"No evidence that this beats random: the interval contains 0 ({where}){_seeds_wanted(needed)}."
    return Answer("no evidence", text, found.interval, needed)


def against_full(comparison: Comparison, arm: int, margin: float = MARGIN, confidence: float = CONFIDENCE) -> Answer:
    """Answer whether an arm stays within a margin of accuracy of training on everything."""
    full = full_arm(comparison)
    if full is None:
        return Answer("no full arm", "What it costs against all data is unknown: no arm trained on everything.")
    found = difference_to(comparison, arm, full, confidence)
    if found.seeds < MIN_SEEDS:
        return _too_few(found, "training on everything")
    _, low, high = found.interval
    where, near = _where(comparison, found), f"{100 * margin:g} point{'' if margin == 0.01 else 's'}"
    if low > 0:
        return Answer("within", f"Better than training on everything ({where}).", found.interval)
    if low > -margin:
        return Answer("within", f"As good as training on everything, within {near} ({where}).", found.interval)
    if high < -margin:
        return Answer("beyond", f"Costs more than {near} against training on everything ({where}).", found.interval)
    needed = found.seeds_to_exclude(-margin)
    text = f"Whether it stays within {near} of training on everything is open ({where}){_seeds_wanted(needed)}."
    return Answer("open", text, found.interval, needed)


def is_decided(comparison: Comparison, margin: float, confidence: float) -> bool:
    """Whether the first two questions are answered for every subset, by intervals of this confidence."""
    chosen = [i for i, role in enumerate(comparison.roles) if role == "subset"]
    return all(
        against_random(comparison, i, confidence).outcome in {"better", "worse", "no random arm"}
        and against_full(comparison, i, margin, confidence).outcome in {"within", "beyond", "no full arm"}
        for i in chosen
    )


def check_gate(verdicts: Sequence[Verdict], coverage: float) -> None:
    """Raise GateError unless every subset is shown on test data to be better than random, by a complete record.

    Args:
        verdicts: The verdicts on all subsets.
        coverage: The smallest fraction of the examples that an epoch of the record observed.
    """
    unmet = [one.random.text for one in verdicts if one.random.outcome != "better"]
    if any(one.held_out == "split" for one in verdicts):
        unmet.append(SPLIT)
    if coverage < MIN_COVERAGE:
        observed = f"{100 * coverage:.1f} %"
        unmet.append(f"The record saw only {observed} of the examples in one epoch, not {MIN_COVERAGE:.0%}.")
    if unmet:
        raise GateError("the gate is not met. " + " ".join(unmet))


def describe_loss(comparison: Comparison, arm: int, answer: Answer) -> str:
    """Return the accuracy of an arm beside everything, as the clause that a break-even is named with.

    "" where `answer`, that of `against_full`, shows that the arm is as good within the margin.
    """
    full = full_arm(comparison)
    if full is None or answer.outcome == "within":
        return ""
    return f"{points(difference_to(comparison, arm, full).interval.mean)} points of accuracy"


def _payoff(comparison: Comparison, arm: int, scoring: Cost, random: Answer, full: Answer) -> Answer:
    """Answer when pruning pays, against training on everything and against random examples."""
    model, outcome = cost_model(comparison, arm, scoring), UNKNOWN
    if model is None:
        paid = "When it pays is unknown: no arm trained on everything."
    else:
        paid = describe_break_even(model, describe_loss(comparison, arm, full))
        if math.isfinite(scoring.epochs):
            outcome = "never" if break_even(model, "epochs") is None else PAYS[full.outcome]
    price = _price(scoring)
    gain = (
        f"what {price} buys is accuracy, {points(random.interval.mean)} points"
        if random.outcome == "better" and random.interval is not None
        else f"{price} buys no accuracy that is shown"
    )
    return Answer(outcome, f"{paid} Random examples cost nothing to choose; against them {gain}.")


def _price(scoring: Cost) -> str:
    if not math.isfinite(scoring.epochs):
        return "scoring"
    time = f", {duration(scoring.seconds)}" if math.isfinite(scoring.seconds) else ""
    return f"scoring ({scoring.epochs:.3g} epochs{time})"


def _too_few(found: Estimate, against: str) -> Answer:
    seeds = f"{found.seeds} seed{'' if found.seeds == 1 else 's'}"
    text = (
        f"No verdict yet: with {seeds}, it differs from {against} by {points(found.interval.mean)} points, "
        f"but an interval needs at least {MIN_SEEDS} seeds."
    )
    return Answer("too few seeds", text, None, MIN_SEEDS)


def _where(comparison: Comparison, found: Estimate) -> str:
    mean, low, high = found.interval
    ends = "no interval" if math.isnan(low) else f"95 % interval {points(low)} to {points(high)}"
    examples = f", {comparison.held_out_count:,} held-out examples" if comparison.held_out_count else ""
    return f"{points(mean)} points, {ends}, {found.seeds} seeds{examples}"


def _seeds_wanted(needed: int | None) -> str:
    if needed is None:
        return "; more seeds alone would not decide it"
    return f"; at this spread about {needed} seeds would decide it"


def _not_compared(text: str) -> Verdict:
    return Verdict("", Answer("not compared", text), Answer("not compared", ""), Answer("not compared", ""))


NOT_COMPARED = _not_compared(
    "Not compared with random yet, so it is unknown whether this subset is worth more than as many random examples: "
    "datapare compare retrains on both."
)
NO_ARM = _not_compared("No verdict: the comparison does not hold this subset; run datapare compare with it.")
