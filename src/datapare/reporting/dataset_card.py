"""What describes a smaller dataset to others: a Hugging Face dataset card and Croissant metadata with its provenance.

Source      Croissant 1.1, http://mlcommons.org/croissant/1.1; provenance in the terms of W3C PROV-O.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from datapare.artifacts import Provenance, Subset, library_versions
from datapare.reporting.tables import plain_params
from datapare.reporting.text import lineage, percent, visible

if TYPE_CHECKING:
    from datapare.data import Dataset

SINGLE_FILES = (".csv", ".parquet", ".jsonl", ".json")  # that `datasets` loads
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "recordSet": "cr:recordSet",
    "field": "cr:field",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "source": "cr:source",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "extract": "cr:extract",
    "column": "cr:column",
    "includes": "cr:includes",
    "key": "cr:key",
}
COLUMNS = {  # of the table of examples
    "name": ("sc:Text", "Name of the example in the source."),
    "label": ("sc:Integer", "Class number."),
    "class": ("sc:Text", "Class name."),
    "score": ("sc:Float", "Score; a larger one is kept first."),
    "mean_prob": ("sc:Float", "Mean probability of the label over the recorded epochs."),
    "kept": ("sc:Boolean", "Whether the example is in this dataset."),
    "why": ("sc:Text", "Why it was kept or dropped."),
}


def dataset_card(data: "Dataset", subset: Subset, *, written: bool = True) -> str:
    """Return a Hugging Face dataset card (README.md) for the folder that holds the pruned dataset.

    Args:
        data: The source.
        subset: The examples that are kept.
        written: Whether the kept examples are in the folder `dataset` there, not only their names.
    """
    size = next((name for limit, name in SIZES if len(subset) < limit), "n>1M")
    front = [f"pretty_name: {json.dumps(_title(data, subset))}", "tags:", "- datapare", "- dataset-pruning"]
    front += ["size_categories:", f"- {size}"]
    front += _configuration(data) if written else []
    steps = "\n".join(f"{i}. {_step(step)}" for i, step in enumerate(lineage(subset.provenance), 1))
    return (
        "---\n" + "\n".join(front) + "\n---\n\n"
        f"# {_title(data, subset)}\n\n{_description(data, subset)}\n\n"
        f"## How it was made\n\n{steps}\n\nDigest of the source: `{data.digest}`. "
        f"Versions: {', '.join(f'{name} {number}' for name, number in library_versions().items())}.\n\n"
        "`examples.parquet` lists every example of the source with its score and why it was kept or dropped; "
        "`report.html` shows them.\n\n"
        "## Limits\n\nThe choice depends on the network that was recorded and on the labels as they are. The "
        "licence of the source applies.\n"
    )


def croissant(data: "Dataset", subset: Subset, folder: Path) -> dict[str, object]:
    """Return Croissant 1.1 metadata of a folder that holds the pruned `dataset` and `examples.parquet`."""
    examples = "examples.parquet"
    fields = [
        {
            "@type": "cr:Field", "@id": f"examples/{name}", "name": name, "description": text, "dataType": kind,
            "source": {"fileObject": {"@id": examples}, "extract": {"column": name}},
        }
        for name, (kind, text) in COLUMNS.items()
    ]  # fmt: skip
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": visible(_name(data)),
        "description": _description(data, subset),
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "prov:wasDerivedFrom": {
            "@id": f"urn:datapare:dataset:{data.digest}", "@type": "prov:Entity", "name": visible(_name(data)),
            "description": f"{subset.total:,} examples, {data.format}",
        },
        "prov:wasGeneratedBy": [_activity(step) for step in lineage(subset.provenance)],
        "distribution": [
            {
                "@type": "cr:FileObject", "@id": examples, "name": examples, "contentUrl": examples,
                "encodingFormat": "application/x-parquet",
                "sha256": hashlib.sha256((folder / examples).read_bytes()).hexdigest(),
            },
            {
                "@type": "cr:FileSet", "@id": "dataset", "name": "dataset", "includes": "dataset/**",
                "encodingFormat": "application/octet-stream", "description": f"The kept examples, as {data.format}.",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet", "@id": "examples", "name": "examples", "field": fields,
                "description": "Every example of the source, and what became of it.",
            }
        ],
    }  # fmt: skip


def _configuration(data: "Dataset") -> list[str]:
    """Return the lines that let `datasets` load the examples; none where it does not read the format."""
    if data.format == "image_folder":
        return ["configs:", "- config_name: default", "  data_dir: dataset"]
    if data.path is None or data.path.suffix.lower() not in SINGLE_FILES:
        return []
    file = json.dumps(f"dataset/*{data.path.suffix}")
    return ["configs:", "- config_name: default", "  data_files:", "  - split: train", f"    path: {file}"]


def _activity(step: Provenance) -> dict[str, object]:
    name = visible(f"{step.step} {step.method}".strip())
    return {"@type": "prov:Activity", "name": name, "description": _details(step)}


def _step(step: Provenance) -> str:
    details = _details(step)
    return f"`{visible(f'{step.step} {step.method}'.strip())}`" + (f": {details}" if details else "")


def _details(step: Provenance) -> str:
    seed = [] if step.seed is None else [("seed", str(step.seed))]
    return ", ".join(f"{visible(name)} {visible(value)}" for name, value in [*plain_params(step.params), *seed])


def _name(data: "Dataset") -> str:
    return "dataset" if data.path is None else data.path.name


def _title(data: "Dataset", subset: Subset) -> str:
    return f"{visible(_name(data))}, pruned to {percent(subset.keep)}"


def _description(data: "Dataset", subset: Subset) -> str:
    return (
        f"{len(subset):,} of the {subset.total:,} examples of {visible(_name(data))} ({percent(subset.keep)}), chosen "
        f"by datapare from a record of training; {len(data.classes):,} classes."
    )
