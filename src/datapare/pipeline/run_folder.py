"""A run folder: which dataset it is about, and where everything lies in it.

photos.datapare/
  run.json               which dataset, and how it was opened
  dynamics/              the record, made once and used for every keep fraction
  scores-dual/           of the observed examples; scores-dual+knn/ with the others' predicted
  keep-0.3/
    subset/  dataset/  examples.parquet  report.html
  trainings/             every finished retraining, found again by whatever needs it
  comparison/  sweep/    the last of each
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast, get_type_hints

import numpy as np

from datapare import storage
from datapare.artifacts import Artifact, Comparison, Dynamics, Params, Scores, Subset
from datapare.errors import InputError, MismatchError
from datapare.methods.registry import find
from datapare.numerics.checked_calls import checked_call
from datapare.options import OpenOptions
from datapare.pipeline.stored_run import FORMAT, RUN, read_run

if TYPE_CHECKING:
    from datapare.data import Dataset
    from datapare.training import TrainingConfig

SOME = TypeVar("SOME", bound=Artifact)


@dataclass(frozen=True, eq=False)
class RunFolder:
    """All results about one dataset, read from `path` as they are asked for and kept.

    Attributes:
        path: The folder.
        source: Where the dataset lies; None when it was made from arrays in memory.
        open_options: How the dataset was opened.
        digest: Digest of the dataset's keys and labels.
        examples: Number of examples, N.
        reader: Opens the dataset, with the options of `open_dataset`, which it is unless another one is given.
    """

    path: Path
    source: str | None
    open_options: OpenOptions
    digest: str
    examples: int
    reader: "Callable[..., Dataset] | None" = None

    @classmethod
    @checked_call
    def open(
        cls, path: str | Path, data: str | None = None, *, reader: "Callable[..., Dataset] | None" = None
    ) -> "RunFolder":
        """Read what a run folder is about.

        Args:
            path: The folder, made by record or prune; or one that holds a record of the user's own training loop, as
                `dynamics` in it or as the folder itself.
            data: The dataset of such a record, needed once by what reads more than labels and keys; else None.
            reader: Opens the dataset when something reads it; `open_dataset` if None.

        Returns:
            The handle of the folder.

        Raises:
            InputError: When the folder is no run folder or its run.json is damaged.
            MismatchError: When `data` has other labels than the record.
        """
        path = Path(path)
        described = read_run(path)
        if described is None and _own_record(path):
            return cls._of_own_record(path, data, reader)
        if described is None:
            raise InputError(_no_run(path))
        opened = cast("OpenOptions", described.get("open_options", described.get("open_with", {})))
        return cls(path, described["path"], opened, described["digest"], described["examples"], reader)

    @classmethod
    def _of_own_record(cls, path: Path, data: str | None, reader: "Callable[..., Dataset] | None") -> "RunFolder":
        run = cls(path, None, {}, "", 0)
        if data is None:
            return cls(path, None, {}, "", len(run.dynamics))
        from datapare.data import open_dataset

        opened = (reader or open_dataset)(data)
        if not np.array_equal(opened.label, run.dynamics.label):
            raise MismatchError(
                f"the record in {path} is of {len(run.dynamics):,} examples, and {data} has {len(opened):,} examples "
                "with other labels or in another order; give the data that the training loop read."
            )
        storage.write_json(path / RUN, _description(opened, {}))
        run = cls.open(path, reader=reader)
        run.__dict__["dataset"] = opened
        return run

    @classmethod
    def begin(cls, path: Path, data: "Dataset", open_options: OpenOptions) -> "RunFolder":
        """Make a folder a run on this dataset, or make sure that it is one.

        Args:
            path: The folder; created where it does not exist.
            data: The dataset.
            open_options: How it was opened.

        Returns:
            The handle of the folder.

        Raises:
            InputError: When the folder holds something else.
            MismatchError: When it is a run on another dataset.
        """
        check_free(path)
        if not (path / RUN).is_file():
            storage.write_json(path / RUN, _description(data, open_options))
        run = cls.open(path)
        run.__dict__["dataset"] = run.recorded(data)
        return run

    def recorded(self, data: "Dataset") -> "Dataset":
        """Return the dataset under the keys that the run knows it by; MismatchError when this is a run on another."""
        from datapare.data.former_keys import in_keys_of

        known = in_keys_of(data, self.digest)
        if self.digest != known.digest:
            raise MismatchError(
                f"{self.path} is a run on {self.examples:,} examples of {self.source}, and this dataset is another or "
                f"has changed since ({len(data):,} examples); choose another --out, or delete that folder."
            )
        return known

    @cached_property
    def dataset(self) -> "Dataset":
        """The dataset, opened as it was, in the order it was recorded in; MismatchError when it has changed since."""
        from datapare.data import open_dataset
        from datapare.data.subsetting import in_order_of

        if self.source is None:
            if _own_record(self.path):
                raise InputError(
                    f"the record in {self.path} is of a training loop of your own, and this reads its examples; name "
                    "them once with --data PATH."
                )
            raise InputError(
                f"the run in {self.path} was made from arrays in memory; open them in Python and export there."
            )
        data = (self.reader or open_dataset)(self.source, **self.open_options)
        if data.digest != self.digest and storage.is_finished(self.dynamics_path):
            data = in_order_of(data, self.dynamics.key)
        try:
            return self.recorded(data)
        except MismatchError:
            raise MismatchError(
                f"{self.path} is a run on {self.examples:,} examples of {self.source}, which has changed since "
                f"({len(data):,} examples now); what its record knows is used again by: datapare prune {self.source} "
                f"--keep 0.3 --out {self.path}"
            ) from None

    @property
    def labels(self) -> "Dataset":
        """The dataset, or the labels, keys and positions of a record whose examples are not known."""
        from datapare.data import Dataset
        from datapare.data.dataset import Identity

        if self.source is not None or not _own_record(self.path):
            return self.dataset
        known = self.dynamics
        positions = np.arange(len(known))
        return Dataset(
            rows=None, kind="table", inputs=(), label_column="label", label=known.label,
            classes=known.classes or tuple(map(str, range(int(known.label.max()) + 1))),
            identity=Identity(positions.astype(np.uint64) if known.key is None else known.key, known.label, ""),
            name=[*map(str, positions)], format="record", path=None,
        )  # fmt: skip

    @property
    def dynamics_path(self) -> Path:
        """Where the record lies."""
        return self.path if storage.is_finished(self.path) else self.path / "dynamics"

    @cached_property
    def dynamics(self) -> Dynamics:
        """The finished record."""
        return _load(self.dynamics_path, Dynamics, "record again in a new folder")

    @cached_property
    def training_config(self) -> "TrainingConfig | None":
        """The configuration of the recorded training: a retraining is the full run that it began.

        None for a record of the user's own training loop, whose configuration is not known.
        """
        from datapare.training import TrainingConfig

        params = self.dynamics.provenance.params
        if "epochs" not in params:
            return None
        declared = get_type_hints(TrainingConfig)
        plain: Params = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items() if k in declared}
        if wrong := [name for name in plain if not storage.conforms(params[name], declared[name])]:
            raise InputError(f"{self.dynamics_path / storage.META} is damaged (its {wrong[0]}); record again.")
        return TrainingConfig(**plain)

    @property
    def image_size(self) -> int | None:
        """Side in pixels of the square images that were trained on; None for anything else."""
        shape = self.dynamics.provenance.params.get("input_shape", ())
        return int(shape[0]) if len(shape) == 3 and shape[0] == shape[1] else None

    def scores_path(self, name: str) -> Path:
        """Where the scores of this name lie: a method's, or "dual+knn" where the rest is predicted."""
        return self.path / f"scores-{name}"

    def scores(self, name: str) -> Scores:
        """Return the scores of this name.

        Args:
            name: A method's, or "dual+knn" where the rest is predicted.

        Raises:
            InputError: When they are missing; the message says how to make them.
        """
        place = self.scores_path(name)
        if not storage.is_finished(place):
            score, _, method = name.partition("+")
            step, ending = ("extrapolate", f" --method {method}") if method else ("score", "")
            command = f"{step} {self.path} --score {find('score', score).name}{ending}"  # an unknown one is refused
            raise InputError(f"{self.path} has no {name} scores yet; make them with: datapare {command}")
        return _load(place, Scores, "score again")

    def all_scores(self) -> dict[str, Scores]:
        """The scores by every method that the record was scored with."""
        places = sorted(place for place in self.path.glob("scores-*") if storage.is_finished(place))
        return {name: self.scores(name) for name in (place.name.removeprefix("scores-") for place in places)}

    @property
    def score_table_path(self) -> Path:
        """Where the table of all scores lies."""
        return self.path / "scores.parquet"

    def keep_path(self, keep: float | str) -> Path:
        """Return where a subset and all made from it lie.

        Args:
            keep: Its keep fraction or count, or its name.
        """
        if isinstance(keep, float) and keep == 1:  # everything; the count 1 is keep-1
            return self.path / "keep-1.0"
        return self.path / f"keep-{keep if isinstance(keep, str) else f'{keep:.12g}'}"

    @contextmanager
    def subset_lock(self, keep: float | str) -> Iterator[None]:
        """Lock what belongs to one subset: it is chosen, replaced or exported by one process at a time.

        Raises:
            BusyError: When another process works with it.
        """
        # beside the subset's folder, which may be replaced while it is locked
        with storage.folder_lock(self.path / f".{self.keep_path(keep).name}", "working"):
            yield

    def subset_path(self, keep: float | str) -> Path:
        """Where a subset lies."""
        return self.keep_path(keep) / "subset"

    def subset(self, keep: float | str) -> Subset:
        """Return a subset.

        Args:
            keep: Its keep fraction or count, or its name.

        Raises:
            InputError: When it is missing; the message says how to make it.
        """
        if not storage.is_finished(self.subset_path(keep)):
            flags = f"--keep 0.3 --name {keep}" if isinstance(keep, str) else f"--keep {keep:.12g}"
            raise InputError(
                f"nothing is selected in {self.keep_path(keep)} yet; select with: datapare select {self.path} {flags}"
            )
        return _load(self.subset_path(keep), Subset, "select again")

    def dataset_path(self, keep: float | str) -> Path:
        """Where the smaller dataset lies."""
        return self.keep_path(keep) / "dataset"

    def examples_path(self, keep: float | str) -> Path:
        """Where the table of all examples lies: which are kept, and why."""
        return self.keep_path(keep) / "examples.parquet"

    def report_path(self, keep: float | str) -> Path:
        """Where the report lies."""
        return self.keep_path(keep) / "report.html"

    @property
    def trainings_path(self) -> Path:
        """Where finished retrainings lie."""
        return self.path / "trainings"

    @property
    def comparison_path(self) -> Path:
        """Where the last comparison lies."""
        return self.path / "comparison"

    @property
    def sweep_path(self) -> Path:
        """Where the last sweep over keep fractions lies."""
        return self.path / "sweep"

    @property
    def decisions_path(self) -> Path:
        """Where the label issues lie, to be edited."""
        return self.path / "label-issues.csv"

    def label_check_path(self, fraction: float, seed: int) -> Path:
        """Where the training on labels flipped on purpose lies."""
        return self.path / f"label-issues-check-{fraction:g}-{seed}"

    @cached_property
    def comparison(self) -> Comparison | None:
        """The last comparison, when there is one."""
        place = self.comparison_path
        return _load(place, Comparison, "compare again") if storage.is_finished(place) else None

    @cached_property
    def sweep(self) -> Comparison | None:
        """The last sweep over keep fractions, when there is one."""
        for place in (self.sweep_path, self.path / "curve"):  # as format 1 called it
            if storage.is_finished(place):
                return _load(place, Comparison, "sweep again")
        return None


def _description(data: "Dataset", open_options: OpenOptions) -> dict[str, object]:
    known = {"path": data.address, "open_options": open_options, "digest": data.digest, "examples": len(data)}
    return {"datapare": FORMAT, **known}


@contextmanager
def open_or_begin(
    path: Path, data: "Dataset", open_options: OpenOptions, *, prepare: Callable[[], object] = lambda: None
) -> Iterator[RunFolder]:
    """Lock a run folder, prepare it and give its handle; a new one in which nothing could be begun is removed again.

    Raises:
        InputError: As `RunFolder.begin`.
        BusyError: When another process works in the folder.
    """
    new = not path.exists()
    with storage.folder_lock(path, "working"):
        try:
            prepare()
            yield RunFolder.begin(path, data, open_options)
        except InputError:
            if new and {entry.name for entry in path.iterdir()} <= {RUN, storage.LOCK}:
                storage.remove(path)
            raise


def check_free(path: Path) -> None:
    """Raise InputError when a folder exists and holds anything but a run."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; choose another --out for the results.")
    if path.is_dir() and not (path / RUN).is_file():  # a process may have been killed before its first file
        foreign = [e.name for e in path.iterdir() if e.name != storage.LOCK and not e.name.endswith(".draft")]
        if foreign:
            raise InputError(f"{path} already holds something else ({foreign[0]}); choose another --out.")


def _load(place: Path, cls: type[SOME], remedy: str) -> SOME:
    artifact = storage.load(place)
    if not isinstance(artifact, cls):
        raise InputError(f"{place} holds a {type(artifact).__name__.lower()}, not a {cls.__name__.lower()}; {remedy}.")
    return artifact


def _own_record(path: Path) -> bool:
    """Return whether a folder that is no run holds a record of a training loop, or is one."""
    places = [place for place in (path, path / "dynamics") if storage.is_finished(place)]
    return not (path / RUN).is_file() and any(storage.read_meta(place)["artifact"] == "dynamics" for place in places)


def _no_run(path: Path) -> str:
    for place in (path, path / "dynamics"):
        if begun := storage.begun_record(place):
            return begun
    expected = f"expected a run folder (made by datapare record or prune) at {path}, but "
    if not path.exists():
        return f"{expected}there is none{storage.meant(path)}"
    if path.is_dir() and (path / storage.META).is_file():
        return f"{expected}it is one of the results in a run folder; give the folder that holds it."
    return f"{expected}it has no {RUN}; a dataset is made into one by: datapare record {path}"
