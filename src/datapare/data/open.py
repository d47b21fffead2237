"""Open any dataset as labelled examples with keys; what cannot be used is refused with one sentence."""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from os.path import isfile
from pathlib import Path
from typing import Literal, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from datapare import storage
from datapare.artifacts import Artifact, Kind, Perturbation, Provenance
from datapare.data import keys
from datapare.data.columns import answers, find_inputs, find_label, measured_notes, one_hot_columns
from datapare.data.dataset import BadExample, Dataset, Identity, RowNames, column, names_at
from datapare.data.example_checks import CheckOptions, check_examples, refuse
from datapare.data.foreign_paths import with_local_images
from datapare.data.foreign_types import Rows
from datapare.data.formats.arrays import as_inputs
from datapare.data.formats.detect import read
from datapare.data.groups import read_groups
from datapare.data.ids import Ids, find_ids
from datapare.data.image_io import MAX_PIXELS
from datapare.data.label_copies import LabelCopies, find_label_copies, other_labels, refuse_second_label
from datapare.data.labels import check_classes, outer_spaces, read_labels, similar_names
from datapare.data.nested_arrays import number_depth, stacked
from datapare.data.source import MAX_GIB, OpenRequest, RawTable
from datapare.data.split_columns import SplitRows, rows_of_split
from datapare.errors import InputError
from datapare.options import OpenOptions, validated

OnBad = Literal["fail", "skip"]


@validated(OpenOptions)
def open_dataset(
    source: object,
    *,
    label: str | None = None,
    input: str | Sequence[str] | None = None,  # noqa: A002 (the word a person uses)
    id: str | None = None,  # noqa: A002
    kind: Kind | None = None,
    split: str = "train",
    on_bad_example: OnBad = "fail",
    classes: Sequence[str] | None = None,
    group: str | None = None,
    follow_links: bool = False,
    trust_images: bool = False,
    stream: bool = False,
    max_pixels: int = MAX_PIXELS,
    max_gib: float = MAX_GIB,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Open a labelled dataset; the source is only read.

    The keywords are those of `datapare.options.OpenOptions`, which other functions take as `open_options`.

    Args:
        source: A path, a glob, a hub name, a `datasets.Dataset`, a pair (X, y) or a dict of arrays.
        label: Column of the labels; None finds it by its usual names. In a folder of images `folder` makes the deepest
            folders the classes, and `prefix` what the names of the files begin with.
        input: Column, or several, that a model reads; None finds them by their usual names.
        id: Column that identifies an example; None takes its file name or its content.
        kind: What the examples are: image, text, table or embedding; None infers it.
        split: Split of a dataset that has several.
        on_bad_example: Refuse unreadable examples (fail), or leave them out and list them in `bad` (skip).
        classes: Class names of the training data, for held-out data: its labels are numbered like those, and it may
            lack classes. None takes the classes of the source.
        group: Column that says which examples belong together, such as the frames of a video: held-out examples are
            then never of a group that is trained on, and `whole_groups` keeps groups whole. None for no groups.
        follow_links: Follow links and paths in the data that lead out of its folder.
        trust_images: Open images without decoding each of them once, which alone proves that it can be read.
        stream: Decode images whenever they are needed instead of once: for data that neither memory nor the disk holds
            decoded. Shards of WebDataset at a URL are then copied a few at a time. Nothing changes for other kinds.
        max_pixels: Images with more pixels are not decoded.
        max_gib: Files that unpack to more GiB are not read.
        progress: Called with (images checked, images).

    Returns:
        The dataset of N examples, in the order of the source.

    Raises:
        InputError: For what cannot be found, read or used.

    >>> data = open_dataset((np.eye(4), [0, 1, 0, 1]))
    >>> data.kind, len(data), data.classes
    ('embedding', 4, ('0', '1'))
    """
    if on_bad_example not in get_args(OnBad) or kind not in (None, *get_args(Kind)):
        raise InputError(f"on_bad_example is fail or skip, and kind one of {', '.join(get_args(Kind))}.")
    if isinstance(source, str | Path):
        check_no_run(source)
    if isinstance(source, Artifact):
        raise InputError(f"expected a dataset, got a {type(source).__name__}; give the data that it was made from.")
    named = (input,) if isinstance(input, str) else None if input is None else tuple(input)
    ask = OpenRequest(split, label, named, kind, id, follow_links, max_gib, stream)
    try:
        found = read(source, ask)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}.") from error
    if not len(found.rows):
        raise InputError(f"{found.path or 'the dataset'} has no examples.")
    whole = _described(found, ask, id, classes)
    if group is not None:
        inputs = tuple(name for name in whole.inputs if name != group) or whole.inputs
        whole = replace(whole, group=read_groups(whole.rows, group), inputs=inputs)
    options = CheckOptions(max_pixels, trust_images, progress)
    checked = check_examples(replace(found, rows=whole.rows, array=whole.array), whole.kind, whole.inputs, options)
    unreadable = sorted(checked.bad)
    bad = tuple(_bad(whole, at, checked.bad[at]) for at in unreadable)
    refuse(bad, len(whole), on_bad_example)
    data = _without(replace(whole, array=checked.array, decoding=checked.decoding), unreadable, bad)
    if stream and data.kind == "image" and whole.array is None and data.inputs[0] in data.rows.column_names:
        data = replace(data, stream=True, array=None)
    if classes is None:
        check_classes(data.label, data.classes)
    if found.perturbation is not None:
        return with_perturbation(data, found.perturbation.at(data.row))
    return data


def as_dataset(source: object, **options: Unpack[OpenOptions]) -> Dataset:
    """Return a dataset as it is, and whatever else `open_dataset` reads as a dataset.

    Every public function that takes a dataset calls this first, so each takes paths, arrays, data frames, `datasets`
    and torch datasets too.

    Args:
        source: A `Dataset`, or what `open_dataset` reads.
        options: How the latter is opened.

    Raises:
        InputError: As `open_dataset`.

    >>> len(as_dataset((np.eye(4), [0, 1, 0, 1])))
    4
    """
    return source if isinstance(source, Dataset) else open_dataset(source, **options)


def check_no_run(path: str | Path) -> None:
    """Raise InputError when a run folder was given where a dataset is expected."""
    described = Path(path) / storage.RUN
    run = storage.read_json(described) if isfile(described) else None  # noqa: PTH113 - False for what is no path at all
    if isinstance(run, dict) and {"datapare", "digest"} <= run.keys():
        raise InputError(
            f"{path} is a run folder, not a dataset; work on with it by: datapare select {path} --keep 0.3, "
            f"or give its dataset: {run.get('path')}."
        )


def with_perturbation(data: Dataset, perturbation: Perturbation) -> Dataset:
    """The dataset with what was done to it: touched examples are no longer who they were, whatever their id says."""
    key = data.key.copy()
    key[perturbation.touched] = keys.mix(_provenance_key(perturbation.provenance), key[perturbation.touched])
    return replace(data, identity=Identity(key, data.label), perturbation=perturbation)


def _provenance_key(provenance: Provenance) -> NDArray[np.uint64]:
    """One key of how a dataset was changed, from the names of the first stored format: digests stay what they were."""
    return keys.text_keys([json.dumps(_format_1(provenance), sort_keys=True)])


def _format_1(provenance: Provenance) -> dict[str, object]:
    names = {"step": "verb", "params": "knobs"}
    values = {names.get(one.name, one.name): getattr(provenance, one.name) for one in fields(provenance)}
    return {**values, "parents": [_format_1(parent) for parent in provenance.parents]}


def _described(found: RawTable, ask: OpenRequest, id_: str | None, held_out: Sequence[str] | None) -> Dataset:
    """All rows with their labels, kind, keys and names; nothing of them has been decoded."""
    label = found.label or _label_of(found.rows, ask.label)
    apart, total = _split_rows(found, label, ask), len(found.rows)
    if apart.row is not None:
        found = replace(found, rows=found.rows.select(apart.row))
    rows = found.rows
    number, classes = read_labels(rows, label, held_out, found.class_names.get(label))
    copies = LabelCopies() if found.inputs or ask.inputs else find_label_copies(rows, label, number)
    kind, inputs = _inputs(found, label, ask, (copies, apart.columns))
    if ask.label is None:
        refuse_second_label(kind, label, copies, rows.column_names)
    if kind == "image" and found.kind is None and found.path is not None:
        root = found.path if found.path.is_dir() else found.files[0].parent
        rows, said = with_local_images(rows, inputs[0], root, follow_links=ask.follow_links, split=ask.split)
        found = replace(found, rows=rows, notes=(*found.notes, *said))
    if kind == "image" and found.array is None and number_depth(rows.data.schema.field(inputs[0]).type) > 1:
        found = replace(found, array=as_inputs(stacked(rows, inputs[0]), inputs[0])[1])
    ids = find_ids(rows, label, inputs, id_) if id_ or found.identity is None else None
    if kind == "table" and ids is not None:
        inputs = tuple(one for one in inputs if one != ids.column)
    key = _keys(found, ids, inputs, (number, classes))
    row = np.arange(total) if apart.row is None else apart.row
    notes = (*apart.notes, *_notes(found, ask, (label, *inputs), copies), *similar_names(classes))
    notes = (*notes, *outer_spaces([label], classes))
    name = found.name or (RowNames(row) if ids is None else ids.name)
    place = (found.format, found.path, (), row, found.array, found.files, found.origin, ask.split)
    return Dataset(
        rows, kind, inputs, label, number, classes, Identity(key, number), name, *place,
        id_column=None if ids is None else ids.column, address=found.address, notes=(*found.notes, *notes),
        elsewhere=np.arange(0) if apart.row is None else np.setdiff1d(np.arange(total), row),
    )  # fmt: skip


def _split_rows(found: RawTable, label: str, ask: OpenRequest) -> SplitRows:
    """The rows of the split by a column, where the format leaves it to the columns what the rows are."""
    if found.kind is not None or found.identity is not None or found.array is not None:
        return SplitRows()
    known = {label, ask.id, *(ask.inputs or ())}
    return rows_of_split(found.rows.column_names, partial(column, found.rows), ask.split, known)


def _label_of(rows: Rows, named: str | None) -> str:
    try:
        return find_label(rows.column_names, named)
    except InputError as error:
        spread = one_hot_columns(rows) if named is None else []
        if not spread:
            raise
        shown = ", ".join(spread[:5]) + (", …" if len(spread) > 5 else "")
        raise InputError(
            f"{str(error).removesuffix('.')}. The columns {shown} look like one label that is spread over a column for "
            "each class; write it as one column first, such as with idxmax(axis=1) of pandas."
        ) from None


def _notes(found: RawTable, ask: OpenRequest, columns: tuple[str, ...], copies: LabelCopies) -> list[str]:
    """What is worth saying about the columns: the label, and those of the inputs."""
    label, *inputs = columns
    rows = found.rows
    measured = measured_notes(rows, inputs) if found.array is None else []
    others = other_labels(rows.column_names, label, inputs, copies) if ask.label is None else []
    return [*answers(rows), *measured, *copies.notes(inputs, label), *others]


def _inputs(
    found: RawTable, label: str, ask: OpenRequest, beside: tuple[LabelCopies, tuple[str, ...]]
) -> tuple[Kind, tuple[str, ...]]:
    """The kind and the inputs; `beside` are what is not read unless it is named: copies of the label, and splits."""
    copies, splits = beside
    if found.kind is None or found.inputs is None:
        named = found.inputs or ask.inputs
        try:
            return find_inputs(found.rows, label, named, ask.kind, {*copies.columns, *splits})
        except InputError:
            if not copies.same:
                raise
        return find_inputs(
            found.rows, label, named, ask.kind, {*copies.named, *splits}
        )  # what says the label is all there is
    if ask.kind not in (None, found.kind):
        raise InputError(f"kind= says {ask.kind}, but this is a dataset of the kind {found.kind}; leave kind= out.")
    return found.kind, found.inputs


def _keys(
    found: RawTable, ids: Ids | None, inputs: Sequence[str], labels: tuple[NDArray[np.int64], Sequence[str]]
) -> NDArray[np.uint64] | Callable[[], NDArray[np.uint64]]:
    """A key of each row: of its id, of what its format knows it by, or of its content and class, made when asked for.

    Objects in memory may change after they were opened, so their keys are made at once.
    """
    if ids is not None:
        return ids.key
    if found.identity is not None:
        return keys.unique_keys(keys.text_keys(found.identity))
    label, class_keys = labels[0], keys.text_keys(labels[1])
    if found.array is not None:
        return keys.unique_keys(keys.mix(np.uint64(0), keys.array_keys(found.array) ^ class_keys[label]))
    make = partial(_content_keys, found.rows, inputs, class_keys, label)
    return make if found.files else make()


def _content_keys(
    rows: Rows, inputs: Sequence[str], class_keys: NDArray[np.uint64], label: NDArray[np.int64]
) -> NDArray[np.uint64]:
    return keys.unique_keys(keys.content_keys(rows, inputs, class_keys, label))


def _bad(whole: Dataset, at: int, reason: str) -> BadExample:
    return BadExample(int(whole.row[at]), whole.name[at], reason, int(whole.key[at]), int(whole.label[at]))


def _without(whole: Dataset, unreadable: Sequence[int], bad: tuple[BadExample, ...]) -> Dataset:
    """Only the good rows; the pixels that `examine` found are of those already, other arrays of all rows."""
    if not bad:
        return whole
    keep = np.setdiff1d(np.arange(len(whole)), unreadable)
    name = names_at(whole.name, keep)
    array = whole.array
    if array is not None and len(array) == len(whole):
        array = array[keep]
    rows, label = whole.rows.select(keep), whole.label[keep]
    identity = Identity(whole.key[keep], label)
    group = None if whole.group is None else whole.group[keep]
    return replace(
        whole,
        rows=rows,
        label=label,
        identity=identity,
        name=name,
        row=whole.row[keep],
        array=array,
        bad=bad,
        group=group,
    )
