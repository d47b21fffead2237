"""Describe run folders, artifacts and their provenance as text."""

from pathlib import Path
from textwrap import fill

from datapare import storage
from datapare.artifacts import Dynamics
from datapare.evaluation.costs import duration
from datapare.numerics.checked_calls import checked_call
from datapare.pipeline.run_folder import RunFolder
from datapare.pipeline.stored_run import RUN


@checked_call
def show(path: str | Path) -> str:
    """Describe what a run folder or an artifact holds and how it was made.

    Args:
        path: A run folder, or the folder of a record, scores, a subset, a comparison or a perturbation.

    Returns:
        The description, over several lines.

    Raises:
        InputError: When the folder is neither.

    >>> import tempfile
    >>> from datapare.artifacts import Scores
    >>> print(show(storage.save(Scores([0.5, 0.25]), Path(tempfile.mkdtemp()) / "scores")))
    scores
      score                    float64  (2,)
      constructed :
    """
    path = Path(path)
    if (path / RUN).is_file():
        return _describe_run(RunFolder.open(path))
    meta = storage.read_meta(path)
    arrays = [f"  {name:24} {array['dtype']:8} {tuple(array['shape'])}" for name, array in meta["arrays"].items()]
    return "\n".join([meta["artifact"], *arrays, *_describe_provenance(meta["fields"]["provenance"])])


def facts(path: Path) -> dict[str, object]:
    """Return what `show` describes as plain values: of a run its artifacts, of an artifact its arrays and fields."""
    if (path / RUN).is_file():
        run = RunFolder.open(path)
        return {"run": path, "source": run.source, "examples": run.examples, "artifacts": _results(run)}
    meta = storage.read_meta(path)
    return {"artifact": meta["artifact"], "arrays": meta["arrays"], "fields": meta["fields"]}


def describe_training(dynamics: Dynamics) -> str:
    """Return what a training like the recorded one costs.

    >>> describe_training(Dynamics({"loss": [[0.5], [0.25]]}, [0]))
    '2 epochs'
    """
    if dynamics.seconds is None:
        return f"{dynamics.epochs} epochs"
    return f"{dynamics.epochs} epochs, which took {duration(float(dynamics.seconds.sum()))}"


def _describe_run(run: RunFolder) -> str:
    title = f"run on {run.examples:,} examples of {run.source or 'arrays in memory'}"
    return "\n".join([title, *(f"  {place}" for place in _results(run))])


def _results(run: RunFolder) -> list[Path]:
    """The finished artifacts of a run, without its retrainings."""
    places = sorted(meta.parent for meta in run.path.rglob(storage.META))
    visible = [place for place in places if not any(part.startswith(".") for part in place.parts[1:])]
    return [place for place in visible if "trainings" not in place.parts]


def _describe_provenance(provenance: storage.StoredProvenance, depth: int = 1) -> list[str]:
    """A provenance and those it came from, indented."""
    from datapare.reporting.tables import plain_params

    seed: list[tuple[str, object]] = [] if provenance["seed"] is None else [("seed", provenance["seed"])]
    params = ", ".join(f"{name} {value}" for name, value in [*plain_params(provenance["params"]), *seed])
    line = f"{provenance['step']} {provenance['method']}: {params}".rstrip()
    lines = [fill(line, 100, initial_indent="  " * depth, subsequent_indent="  " * (depth + 2))]
    return lines + [line for parent in provenance["parents"] for line in _describe_provenance(parent, depth + 1)]
