"""One number about a whole dataset: find the metric, gather the arrays it reads, run it."""

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from datapare.artifacts import Dynamics, Params
from datapare.methods.dataset_metrics import measure
from datapare.methods.registry import check_params, find
from datapare.pipeline.run_folder import RunFolder
from datapare.pipeline.stored_run import RUN

if TYPE_CHECKING:
    from datapare.data import Dataset
    from datapare.training import TrainingConfig

PROBED = "ntk_feature"  # the one array that takes a network


class ModelOptions(TypedDict, total=False):
    """Which network is linearised; as `RecordOptions`."""

    preset: str | None
    model: str | None


def measure_source(
    source: "RunFolder | Dataset",
    method: str,
    params: Params,
    *,
    train_options: ModelOptions,
    examples: int = 100,
) -> tuple[float, list[str]]:
    """Measure a dataset or a run folder, and return the number, and lines that describe it and its conditions.

    `train_options` (preset, model) are passed to training.settings, for a dataset; `examples` are linearised where the
    method reads gradients. Raises InputError as they do.
    """
    found = find("metric", method)
    params = check_params(found, params)
    if PROBED in found.reads:
        return _predicted(source, method, params, train_options, examples)
    dynamics = source.dynamics if isinstance(source, RunFolder) else _own_vectors(source)
    value = measure(dynamics, method, **params)
    width = dynamics.arrays["embedding"].shape[1]
    return value, [
        f"{method} {value:.6g}: {found.title}",
        f"from embeddings of {width:,} numbers of {len(dynamics):,} examples",
    ]


def _own_vectors(data: "Dataset") -> Dynamics:
    """A dataset's own vectors in place of a record."""
    from datapare.data import encode

    vectors = {"embedding": encode(data).array} if data.kind in ("embedding", "table") else {}
    return Dynamics({}, data.label, vectors, key=data.key)


def _predicted(
    source: "RunFolder | Dataset",
    method: str,
    params: Params,
    train_options: ModelOptions,
    examples: int,
) -> tuple[float, list[str]]:
    from datapare.data import encode
    from datapare.training import settings
    from datapare.training.linearization import linearise
    from datapare.training.networks.factory import backbone

    run = source if isinstance(source, RunFolder) else None
    data = source.dataset if isinstance(source, RunFolder) else source
    recorded = None if run is None else run.training_config
    words = backbone(train_options.get("model") if recorded is None else recorded.model)
    size = None if run is None else run.image_size
    inputs = encode(data, image_size=size, tokenizer=words if data.kind == "text" else None)
    training = settings(inputs, len(data.classes), **train_options) if recorded is None else recorded
    dynamics = linearise(inputs, data.label, len(data.classes), training, examples=examples, seed=params["seed"])
    updates = measure(dynamics, method, **params)
    per_epoch = max(1, round(len(data) / training.batch_size))
    lines = [
        f"{method} {updates:,.0f} updates: {updates / per_epoch:,.1f} epochs at batches of {training.batch_size}",
        f"by linearising {training.model} on {len(dynamics):,} of {len(data):,} examples",
    ]
    return updates, [*lines, *_limits(dynamics, params, training)]


def is_run(place: str) -> bool:
    """Return whether a path is a run folder."""
    return (Path(place) / RUN).is_file()


def _limits(dynamics: Dynamics, params: Params, training: "TrainingConfig") -> list[str]:
    """Where the prediction is about another training than the recipe's, or about none that exists."""
    from datapare.methods.metric.training_time import stable_rate

    limits = []
    if (training.optimizer, training.lr, training.momentum) != ("sgd", params["lr"], params["momentum"]):
        limits.append(
            f"the recipe itself trains by {training.optimizer} with lr {training.lr:g} and momentum "
            f"{training.momentum:g}; this is about gradient descent with lr {params['lr']:g} and momentum "
            f"{params['momentum']:g}"
        )
    stable = stable_rate(dynamics.arrays["ntk_feature"], dynamics.arrays["logit"], dynamics.label)
    if params["lr"] / (1 - params["momentum"]) > stable:
        limits.append(
            f"at this rate updates overshoot: the training takes longer than predicted; the linear model holds up to "
            f"lr {stable * (1 - params['momentum']):.2g} with this momentum"
        )
    return limits
