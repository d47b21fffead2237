"""One number about a whole dataset, by the method files in `metric/`."""

from datapare.artifacts import Dynamics
from datapare.methods.binding import bind
from datapare.methods.registry import check_params, find
from datapare.methods.spec import ParamValue
from datapare.numerics.checked_calls import checked_call
from datapare.numerics.threads import fixed_threads


@fixed_threads()
@checked_call
def measure(dynamics: Dynamics, method: str = "spread", **params: ParamValue) -> float:
    """Measure one number about the dataset of a record; only `label` and `arrays` of it are read.

    Args:
        dynamics: The record, or Dynamics({}, label, arrays={…}).
        method: Name of the metric.
        **params: Parameters of the metric.

    Returns:
        The number.

    Raises:
        MissingChannelError: If the record lacks what the metric reads.
        InputError: For unknown methods and parameters.

    >>> d = Dynamics({}, [0, 0, 1, 1], {"embedding": [[0.0], [1.0], [8.0], [11.0]]})
    >>> measure(d, "spread", shots=1)
    -2.0
    """
    found = find("metric", method)
    values = check_params(found, params)
    return float(found.function(*(bind(name, found, dynamics).whole() for name in found.reads), **values))
