"""Command lines at random: every flag of every command, with values that fit and others that nobody would type."""

import typer
from hypothesis import strategies as st

from datapare.cli import app

WORDS = (
    "", "0", "-1", "1", "2", "0.5", "1e9", "-0.0", "nan", "inf", "1e999", "9" * 30, "x", "none", "auto", "dual", "beta",
    "top", "mlp", "\x1b[31m", "\u202e", "ü", "\udcff", "a" * 300, "a/b:c", "../..", "--", "=1+1", "{}", "%s", "\n",
)  # fmt: skip
PLACES = (
    "points.npz", "run", "run/dynamics", "run/scores-dual", "run/keep-0.5", "run/run.json", "garbage.csv", "folder",
    "missing.csv", ".", "/dev/null", "new", "run/label-issues.csv", "folder/new",
)  # fmt: skip
SLOW = {"--on", "--jobs", "--gpus", "--autotune", "--until-stable", "--epochs", "--schedule-epochs", "--seeds"}
UNBOUNDED = {"--examples", "--image-size", "--attack-steps"}
BRIEF = {
    "record": ("--epochs", "1", "--schedule-epochs", "2"),
    "prune": ("--epochs", "2", "--schedule-epochs", "2"),
    "compare": ("--epochs", "1", "--seeds", "2"),
    "sweep": ("--epochs", "1", "--seeds", "2"),
}
NOT_CALLED = {"demo", "doctor"}  # they read nothing; demo trains for a minute


def parameters(name):
    """The parameters of a command as click has them."""
    group = typer.main.get_command(app.build([name]))
    return group.commands[name].params


@st.composite
def calls(draw, name):
    """A call of a command: its arguments, and some of its flags, brief where it trains."""
    arguments = [p for p in parameters(name) if p.param_type_name == "argument"]
    argv = [name, *(draw(st.sampled_from(PLACES)) for _ in arguments)]
    flags = [p for p in parameters(name) if p.param_type_name == "option" and not {*p.opts} & (SLOW | UNBOUNDED)]
    for flag in draw(st.lists(st.sampled_from(flags), max_size=4)):
        argv.append(flag.opts[0])
        if not flag.is_flag:
            choices = tuple(getattr(flag.type, "choices", ()))
            argv.append(draw(st.sampled_from((*choices, *WORDS, *PLACES))))
    needed = [p for p in flags if p.required and p.opts[0] not in argv]
    for flag in needed:
        argv += [flag.opts[0], "new" if "out" in flag.opts[0] else "0.5"]
    return [*argv, *BRIEF.get(name, ())]


def names():
    return [name for name in app.names() if name not in NOT_CALLED]
