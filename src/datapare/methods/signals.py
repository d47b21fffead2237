"""Which forward pass a record holds, and which one a method's authors recorded: the numbers differ."""

from importlib import import_module

from datapare.artifacts import Dynamics
from datapare.methods.registry import find

# What a forward pass over the examples says, of whichever pass the record is.
PASSED = {"target_prob", "margin", "prob_margin", "error_norm", "entropy", "loss", "mean_loss", "kl_step", "correct"}


def other_pass(dynamics: Dynamics, method: str) -> str | None:
    """Return a sentence where the authors of a score recorded another pass than this record holds, else None.

    A method file says so by its constant OBSERVED; without one, the training pass is meant. Raises InputError for an
    unknown method.

    >>> d = Dynamics(channels={"loss": [[0.0, 1.0]]}, label=[0, 1], observed="eval-pass")
    >>> other_pass(d, "loss")
    'note: the authors of loss recorded a train-pass, and this is an eval-pass; the numbers differ.'
    """
    found = find("score", method)
    expected = getattr(import_module(found.function.__module__), "OBSERVED", "train-pass")
    if dynamics.observed == expected or not PASSED.intersection(found.reads):
        return None
    theirs, ours = (f"{'an' if name[0] == 'e' else 'a'} {name}" for name in (expected, dynamics.observed))
    return f"note: the authors of {method} recorded {theirs}, and this is {ours}; the numbers differ."
