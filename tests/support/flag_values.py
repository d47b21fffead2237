"""Calls of a command with flags of every kind of value, drawn from the command's own signature.

What a flag takes is read from the command line itself: its choices, its range, whether it is a number, a word or a
path. Words that a signature cannot know (names of methods, of columns, of files) are in one table.
"""

import inspect
from collections.abc import Sequence
from types import NoneType
from typing import Literal, NamedTuple, get_args, get_origin

import typer
from hypothesis import strategies as st

from datapare.cli import app
from datapare.methods.registry import names

LONG = "n" * 300
JUNK = (
    "", " ", "-", "--", "-1", "0", "x", "none", "nan", "inf", "-inf", "1e400", "9" * 30, "9" * 5000, "1.5", "1,5",
    "0x10", "1_0", "٣", "=1", "\x1b[2J", "\udcff", "🦆", "a b", "a\nb", "[red]", "%s", "{}", "*", "[", "~nobody/x",
    "\\", LONG, f"{LONG}/x", "/proc/none", "mine.txt", "points.npz/x",
)  # fmt: skip
PLACES = ("points.npz", "test.npz", "table.csv", "run", "run/dynamics", "run/scores-dual", "empty", "nowhere")
WORDS = {
    "keep": ("0.5", "0.3", "1", "1.0", "12", "24", "25", "1e-9", "0.9999", " 0.5"),
    "run": ("run", "run", "run", "part", "run/"),
    "path": PLACES,
    "out": ("new", "new/deep", "new.npz", "new.csv", "mine.txt", "points.npz", ".", "run", "empty"),
    "label": ("y", "label", "x"),
    "input": ("x", "y"),
    "id": ("x", "id", "y"),
    "group": ("y", "x"),
    "split": ("train", "test", "validation", "trian"),
    "model": ("mlp", "resnet8", "networks:flat", "transformers:none", "no.such:thing", "os:getcwd", "./x"),
    "preset": ("cifar10", "cifar100", "embedding", "table", "features"),
    "channel": ("embedding", "logit_mean", "kl_step", "target_prob"),
    "array": ("features.npy", "short.npy", "points.npz"),
    "decisions": ("decisions.csv", "points.npz", "table.csv"),
    "include": ("list.csv", "decisions.csv"),
    "exclude": ("list.csv", "decisions.csv"),
    "average_with": ("run", "part"),
    "data": ("points.npz", "test.npz", "table.csv"),
    "test": ("test.npz", "points.npz", "table.csv"),
    "human_label": ("table.csv:y", "table.csv:", ":y", "nowhere:y"),
    "name": ("mine", "pool", "../x", "a/b", "dual"),
    "param": ("c_d=2,4", "share=0.2,0.5", "c_d=", "=2", "c_d=x", "share=nan"),
    "train": ("os:getcwd", "none.py:train", "mine.txt:train"),
    "strategies": ("subset", "random+soft", "short", "infobatch", "none", "baselines"),
    "corrupt": ("fog", "gaussian_noise"),
    "seeds": ("2", "auto", "0"),
    "log": ("tensorboard", "trackio"),
    "on": ("here", "nowhere"),
    "for_": ("images", "text", "table"),
    "method": ("spread", "training_time", "confidence", "aum", "label_noise", "duplicates", "knn", "gnn"),
    "score": (*names("score"), "dual+knn"),
    "rule": tuple(names("select")),
    "extrapolate": tuple(names("extrapolate")),
}  # fmt: skip
CHEAP = {
    "prune": ("--epochs", "2", "--schedule-epochs", "4", "--model", "mlp", "--window", "2", "--out", "fresh"),
    "record": ("--epochs", "2", "--schedule-epochs", "4", "--model", "mlp", "--out", "fresh"),
    "compare": ("--keep", "0.5", "--epochs", "1", "--seeds", "2", "--strategy", "none"),
    "sweep": ("--epochs", "1", "--seeds", "2", "--strategy", "none"),
    "label-issues": (),
}

ON = {"extrapolate": {"run": "part"}}  # a run folder in which there is something to predict


class Flag(NamedTuple):
    """A parameter of a command: an argument has no words, a switch no type."""

    name: str
    words: tuple[str, ...]
    type: object
    required: bool


def flags(name: str, methods: Sequence[str] = ()) -> list[Flag]:
    """The parameters of a command, and those of the methods that it is called with."""
    run = app.flagged(name, app.commands()[name], [name, *methods])
    return [_flag(parameter) for parameter in inspect.signature(run).parameters.values()]


def _flag(parameter: inspect.Parameter) -> Flag:
    kind, info = get_args(parameter.annotation)
    declared = tuple(one for one in info.param_decls or () if one.startswith("-"))
    words = (
        () if isinstance(info, typer.models.ArgumentInfo) else declared or (f"--{parameter.name.replace('_', '-')}",)
    )
    plain = next((one for one in get_args(kind) if one is not NoneType), kind) if NoneType in get_args(kind) else kind
    return Flag(
        parameter.name,
        words,
        get_args(plain)[0] if get_origin(plain) is list else plain,
        parameter.default is parameter.empty,
    )


@st.composite
def calls(draw: st.DrawFn, name: str) -> list[str]:
    """A call of a command: the words after `datapare`; every other call has nothing that is surely wrong."""
    wild = draw(st.booleans())
    methods = []
    for group, flag, _ in getattr(app.commands()[name], "METHOD_PARAMS", {}).values():
        if draw(st.booleans()):
            methods += [flag, draw(st.sampled_from(names(group)))]
    known = flags(name, methods)
    given = [one for one in known if not one.words and not (wild and draw(st.integers(0, 19)) == 0)]
    drawn = [draw(_value(one, wild=wild)) for one in given]
    words = [name, *(ON.get(name, {}).get(word, word) for word in drawn), *methods, *CHEAP.get(name, ())]
    needed = [one for one in known if one.words and one.required and not (wild and draw(st.integers(0, 19)) == 0)]
    others = [one for one in known if one.words and not one.required and not {*one.words} & {*methods}]
    chosen = st.lists(st.sampled_from(others), max_size=4 if wild else 2, unique_by=lambda one: one.name)
    for one in [*needed, *(draw(chosen) if others else [])]:
        words.append(draw(st.sampled_from(one.words)))
        if one.type is not bool:
            words.append(draw(_value(one, wild=wild)))
    if wild and draw(st.integers(0, 9)) == 0:
        words.append(draw(st.sampled_from([*JUNK, "--no-such-flag", "--kep", "--help"])))
    return words


def _value(one: Flag, *, wild: bool) -> st.SearchStrategy[str]:
    """Values of a flag: of a wild call as often one that may be right as one that hardly is."""
    right = _right(one)
    if not wild:
        return st.sampled_from(right[:3] or ("none",))
    return st.one_of(st.sampled_from(right), st.sampled_from(JUNK)) if right else st.sampled_from(JUNK)


def _right(one: Flag) -> tuple[str, ...]:
    if get_origin(one.type) is Literal:
        return get_args(one.type)
    if one.type is float:
        return ("0.5", "0.1", "1.0", "0.0", "1", "2", "1e-9", "1e9")
    if one.type is int:
        return ("1", "2", "3", "0", "-1")
    return WORDS.get(one.name, () if one.words else PLACES)
