"""Share a subset on the Hugging Face Hub as an index into its source at a revision: no example is uploaded twice."""

import json
import re
import tempfile
from pathlib import Path

from datapare import storage
from datapare.artifacts import Subset
from datapare.data import Dataset, as_dataset
from datapare.data.dataset import name_column
from datapare.errors import InputError, MismatchError
from datapare.numerics.checked_calls import checked_call
from datapare.reporting.dataset_card import dataset_card

INDEX, SOURCE = "index.parquet", "source.json"
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@checked_call
def push_to_hub(
    data: object,  # a Dataset, or whatever open_dataset reads
    subset: Subset,
    repo_id: str,
    *,
    source: str | None = None,
    revision: str | None = None,
    private: bool = True,
    endpoint: str | None = None,
) -> str:
    """Upload a subset as a dataset repository that names positions in its source, and the revision of that.

    The token is that of `hf auth login` or the environment's HF_TOKEN.

    Args:
        data: The dataset that the subset was selected from, or what `open_dataset` opens.
        subset: The examples to keep.
        repo_id: The new repository, as ORG/NAME.
        source: Repository of the source, as ORG/NAME; None where it is not on the Hub.
        revision: Commit of the source; None asks the Hub for the latest.
        private: Whether a repository that is created is private.
        endpoint: Address of the Hub; None for the usual one.

    Returns:
        The address of the commit.

    Raises:
        InputError: When a name is no ORG/NAME, or the Hub refuses the upload.
        MismatchError: When the subset is of another dataset.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    for name in (repo_id, source):
        if name is not None and not REPOSITORY.fullmatch(name):
            raise InputError(f"expected a repository as ORG/NAME, got {name!r}.")
    api = HfApi(endpoint=endpoint)
    try:
        if source is not None and revision is None:
            revision = api.dataset_info(source).sha
        with tempfile.TemporaryDirectory() as folder:
            write_hub_folder(as_dataset(data), subset, Path(folder), repo_id=repo_id, source=source, revision=revision)
            api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
            message = f"{len(subset):,} of {subset.total:,} examples"
            done = api.upload_folder(repo_id=repo_id, folder_path=folder, repo_type="dataset", commit_message=message)
    except Exception as error:
        if not isinstance(
            error, (HfHubHTTPError.__mro__[1], ConnectionError)
        ):  # also of the client below, without a net
            raise
        raise InputError(f"the Hub did not take {repo_id}: {str(error).splitlines()[0]}") from error
    return str(done.commit_url)


def write_hub_folder(
    data: Dataset, subset: Subset, folder: Path, *, repo_id: str, source: str | None = None, revision: str | None = None
) -> None:
    """Write what `push_to_hub` uploads: the index, its source, the provenance, and a card that says how to load it.

    Args:
        data: The dataset that the subset was selected from.
        subset: The examples to keep.
        folder: An empty folder.
        repo_id: The repository that the card speaks of.
        source: Repository of the source.
        revision: Commit of the source.

    Raises:
        MismatchError: When the subset is of another dataset.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if subset.total != len(data):
        raise MismatchError(f"expected a subset of {len(data):,} examples, got one of {subset.total:,}.")
    table = pa.table(
        {
            "row": pa.array(data.row[subset.index]),
            "key": pa.array(data.key[subset.index]),
            "name": name_column(data, subset.index),
            "class": pa.array(data.classes, pa.string()).take(pa.array(data.label[subset.index])),
        }
    )
    pq.write_table(table, folder / INDEX)
    facts = {
        "source": source, "revision": revision, "split": data.split, "digest": data.digest, "examples": len(data),
        "kept": len(subset),
    }  # fmt: skip
    (folder / SOURCE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    storage.save(subset, folder / "subset")
    (folder / "README.md").write_text(_card(data, subset, repo_id, source, revision), encoding="utf-8")


def _card(data: Dataset, subset: Subset, repo_id: str, source: str | None, revision: str | None) -> str:
    """The card of the subset, with the index as its data and how to load the examples."""
    config = ["configs:", "- config_name: default", "  data_files:", "  - split: train", f"    path: {INDEX}"]
    if source is not None:
        config += ["source_datasets:", f"- {source}"]
    front, rest = dataset_card(data, subset, written=False).removeprefix("---\n").split("\n---\n", 1)
    opened = f'load_dataset("{source or "SOURCE"}", split="{data.split}", revision="{revision or "REVISION"}")'
    code = (
        "from datasets import load_dataset\n\n"
        f'index = load_dataset("{repo_id}", split="train")["row"]\n'
        f"smaller = {opened}.select(index)"
    )
    head, made, tail = rest.partition("## How it was made")
    listed = (
        "`examples.parquet` lists every example of the source with its score and why it was kept or dropped; "
        "`report.html` shows them."
    )
    tail = tail.replace(listed, f"`{INDEX}` lists the kept rows of the source; `subset/` holds them for datapare.")
    front = "\n".join([front, *config])
    return f"---\n{front}\n---\n{head}## Load it\n\n```python\n{code}\n```\n\n{made}{tail}"
