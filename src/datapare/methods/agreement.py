"""Several scores of the same examples: by every method, how far they agree, and their mean over runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Dynamics, Provenance, Scores, check_same_dataset
from datapare.errors import InputError
from datapare.methods.registry import find, names
from datapare.methods.scoring import score, versions


def score_all(dynamics: Dynamics, **params: Any) -> tuple[dict[str, Scores], dict[str, str]]:
    """Score a record by every method that it can feed; the others come back by name with the reason why not.

    Knobs go to every method that has them, such as a window.

    >>> d = Dynamics(channels={"target_prob": [[0.0, 1.0], [1.0, 1.0]]}, label=[0, 1])
    >>> scored, refused = score_all(d)
    >>> "confidence" in scored, "aum" in refused
    (True, True)
    """
    scored: dict[str, Scores] = {}
    refused: dict[str, str] = {}
    for name in names("score"):
        try:
            known = find("score", name).params
            scored[name] = score(dynamics, name, **{param: value for param, value in params.items() if param in known})
        except InputError as error:
            refused[name] = str(error)
    return scored, refused


def rank_correlation(scored: Mapping[str, Scores]) -> tuple[list[str], NDArray[np.float64]]:
    """Spearman correlation (M, M) between scores of the same examples; constant scores are left out.

    Only examples that every method scored count; ties share their mean rank.

    >>> rank_correlation({"a": Scores([1.0, 2.0, 3.0]), "b": Scores([9.0, 5.0, 1.0])})[1].round(2).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    from scipy.stats import rankdata

    known: NDArray[np.bool_] = np.all([~np.isnan(scores.score) for scores in scored.values()], axis=0)
    rank = {name: rankdata(scores.score[known]) for name, scores in scored.items()}
    varied = [name for name, values in rank.items() if np.ptp(values) > 0]
    return varied, np.atleast_2d(np.corrcoef([rank[name] for name in varied]))


def average_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of one method's scores over several runs, such as seeds; an example counts in the runs that scored it.

    One run ranks by chance too: the authors of EL2N and GraNd average ten. Raises InputError for scores of different
    methods or knobs, whose mean says nothing, and MismatchError for those of different datasets.

    >>> average_scores([Scores([1.0, 2.0]), Scores([3.0, float("nan")])]).score.tolist()
    [2.0, 2.0]
    """
    if not scores:
        raise InputError("an average needs the scores of one run or more, but none were given.")
    first, *others = scores
    for other in others:
        if (other.provenance.method, other.provenance.params) != (first.provenance.method, first.provenance.params):
            raise InputError(
                f"scores of different methods or knobs have no common mean: {_told(first)} and {_told(other)}; "
                "score every run alike."
            )
    check_same_dataset(*scores)
    each = np.stack([one.score for one in scores], dtype=np.float64)
    known = ~np.isnan(each)
    with np.errstate(invalid="ignore"):  # 0 / 0 where no run scored it
        mean = np.where(known, each, 0).sum(axis=0) / known.sum(axis=0)
    provenance = first.provenance
    made_from = tuple(one.provenance for one in scores)
    stamp = Provenance(
        "average_scores", provenance.method, {"runs": len(scores)}, None, provenance.dataset, versions(), made_from
    )
    return Scores(mean, key=first.key, provenance=stamp)


def _told(scores: Scores) -> str:
    params = ", ".join(f"{name}={value}" for name, value in scores.provenance.params.items())
    return f"{scores.provenance.method} ({params})" if params else scores.provenance.method
