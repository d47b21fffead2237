"""Every command ends here: with the next sensible command, ready to be pasted."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datapare.artifacts import Params
from datapare.cli import console
from datapare.cli.console import say
from datapare.methods.registry import MethodGroup, find
from datapare.options import OptionTable, described

if TYPE_CHECKING:
    from datapare.pipeline.run_folder import RunFolder


def say_next(*words: object) -> None:
    """Print a command as the last line, quoted for a shell, unless --quiet."""
    say(f"next: {shlex.join(['datapare', *map(str, words)])}")


def option_words(table: OptionTable, given: Mapping[str, object]) -> list[str]:
    """Return options as the words of a call; what `given_options` makes of them are the same options.

    >>> from datapare.options import OpenOptions
    >>> option_words(OpenOptions, {"label": "y", "input": ["a", "b"], "stream": True})
    ['--label', 'y', '--input', 'a', '--input', 'b', '--stream']
    """
    known, words = described(table), list[str]()
    for name, value in given.items():
        flag = f"--{(known[name][1].flag or name).replace('_', '-')}"
        if known[name][1].flag == "" or value is False:
            continue
        several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        words += [flag] if value is True else [word for one in several for word in (flag, str(one))]
    return words


def method_words(group: MethodGroup, name: str, params: Params) -> list[str]:
    """Return the parameters of a method that are not at their default as the words of a call.

    >>> method_words("select", "beta", {"c_d": 4.5, "fade": None})
    ['--c-d', '4.5']
    """
    known = find(group, name).params
    given = {param: value for param, value in params.items() if value is not None and value != known[param].default}
    return [word for param, value in given.items() for word in (f"--{param.replace('_', '-')}", str(value))]


def without(flag: str) -> list[str]:
    """Return the words of the present call without one of its flags."""
    return [word for word in console.call if word != flag]


def subset_words(keep: object, name: str | None = None) -> list[str]:
    """Return the words that name a subset.

    >>> subset_words(0.3), subset_words(0.3, "el2n-top")
    (['--keep', '0.3'], ['--keep', '0.3', '--name', 'el2n-top'])
    """
    return ["--keep", str(keep), *([] if name is None else ["--name", name])]


def usual_score(names: Collection[str]) -> str:
    """Return the name of the scores that are selected by where none are named: dual, or the first.

    >>> usual_score(["el2n", "aum"]), usual_score(["aum", "dual"])
    ('aum', 'dual')
    """
    return "dual" if "dual" in names else min(names)


def select_words(run: "RunFolder", score: str, keep: object = 0.3, *more: str) -> list[str]:
    """Return the words that select by these scores, with a name where there is a subset of that size already."""
    from datapare.numerics.sampling import parse_keep
    from datapare.storage import is_finished

    taken = is_finished(run.subset_path(parse_keep(str(keep))))
    return ["select", str(run.path), *subset_words(keep, score if taken else None), "--score", score, *more]


def compare_words(run: Path, subset: Sequence[str], source: str | None) -> list[str]:
    """Return the words that compare a subset, on the held-out split where the source is a folder that has one."""
    from datapare.data.paths import split_of

    held_out = source is not None and Path(source).is_dir()
    held_out = held_out and any(split_of(entry.name) == "test" for entry in Path(str(source)).iterdir())
    return ["compare", str(run), *subset, *(["--test", str(source)] if held_out else [])]


def next_of_run(run: "RunFolder") -> list[str]:
    """Return the command that comes next in a run folder: what is missing first of record, scores, subset, comparison.

    Args:
        run: The run folder.

    Returns:
        The words of the command, without `datapare`.
    """
    from datapare.options import OpenOptions
    from datapare.storage import is_finished

    if not is_finished(run.dynamics_path) and run.source is not None:
        return ["record", run.source, "--out", str(run.path), *option_words(OpenOptions, run.open_options)]
    scores = run.all_scores()
    if not scores:
        return ["score", str(run.path)]
    subsets = sorted(place.parent for place in run.path.glob("keep-*/subset") if is_finished(place))
    if not subsets:
        return select_words(run, usual_score(scores))
    if is_finished(run.comparison_path) or run.source is None:  # of a record alone nothing can be trained
        return ["report", str(run.path), *next_subset(subsets)]
    return compare_words(run.path, next_subset(subsets), run.source)


def next_of_artifact(place: Path) -> list[str]:
    """Return the command that comes next where a run folder or an artifact lies, as words."""
    from datapare.pipeline.run_folder import RunFolder
    from datapare.storage import META, RUN, read_meta

    if run := next((folder for folder in (place, *place.parents) if (folder / RUN).is_file()), None):
        return next_of_run(RunFolder.open(run))
    if not (place / META).is_file() or read_meta(place)["artifact"] != "dynamics":
        return ["methods"]
    return ["score", str(place)]


def next_subset(places: Sequence[Path]) -> list[str]:
    """Return the words that name the first subset of a size alone among folders, or the first one by its name.

    >>> next_subset([Path("keep-el2n"), Path("keep-0.5")]), next_subset([Path("keep-el2n")])
    (['--keep', '0.5'], ['--keep', '0.3', '--name', 'el2n'])
    """
    kept = [place.name.removeprefix("keep-") for place in places]
    sizes = [keep for keep in kept if keep[0].isdigit()]
    return subset_words(sizes[0]) if sizes else subset_words("0.3", kept[0])
