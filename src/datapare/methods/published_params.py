"""Parameters that authors published for a dataset, from the `SPEC` of the method files."""

from collections.abc import Mapping

from datapare.errors import InputError
from datapare.methods.registry import Method, MethodGroup, find, names
from datapare.methods.spec import ParamValue


def published(method: Method, dataset: str, keep: float | None = None) -> tuple[dict[str, ParamValue], bool]:
    """Return the parameters published for a dataset, and whether they are verified; none where the file holds none.

    Args:
        method: The method.
        dataset: Name of a preset, such as cifar100.
        keep: Fraction kept. Where the parameters depend on it, those of the nearest published fraction are returned.

    Raises:
        InputError: If the parameters depend on the fraction and `keep` is None; the message lists them all.

    >>> published(find("select", "beta"), "cifar100"), published(find("select", "beta"), "cifar10")
    (({'c_d': 4.0}, True), ({'c_d': 5.5}, False))
    >>> published(find("select", "ccs"), "cifar100", 0.12)
    ({'cut': 0.5}, True)
    """
    preset, unverified = method.spec.presets.get(dataset, {}), method.spec.unverified
    fractions = {float(key): params for key, params in preset.items() if isinstance(params, Mapping)}
    if not fractions:
        values = {str(key): value for key, value in preset.items() if not isinstance(value, Mapping)}
        return values, dataset not in unverified
    if keep is None:
        each = "; ".join(
            f"{key:g}: {', '.join(f'{k}={v}' for k, v in params.items())}" for key, params in fractions.items()
        )
        raise InputError(
            f"what is published of {method.name} for {dataset} depends on the fraction kept: give --keep as one, or "
            f"these parameters instead of the preset ({each})."
        )
    nearest = min(fractions, key=lambda fraction: abs(fraction - keep))
    return dict(fractions[nearest]), (dataset, nearest) not in unverified


def datasets_published(group_name: MethodGroup) -> list[str]:
    """List the datasets for which some method of a group has published parameters.

    >>> datasets_published("score")
    ['cifar10', 'cifar100', 'imagenet']
    """
    return sorted({dataset for name in names(group_name) for dataset in find(group_name, name).spec.presets})
