"""`datapare extrapolate`."""

from typing import Annotated

from datapare.artifacts import Params
from datapare.cli.console import say, show_result
from datapare.cli.flags import Flag, Run
from datapare.cli.method_flags import MethodParams
from datapare.cli.next_command import say_next, select_words
from datapare.cli.opening import open_run, read_scores

METHOD_PARAMS: dict[str, MethodParams] = {"extrapolate_params": ("extrapolate", "--method", "knn")}


def extrapolate(
    run: Run,
    *,
    score: Annotated[str, Flag(help="Which scores to complete.")] = "dual",
    method: Annotated[str, Flag(help="knn or gnn; see datapare methods.")] = "knn",
    seed: Annotated[int, Flag(help="Seed of the network and of what is held out.", min=0)] = 0,
    extrapolate_params: Params,
) -> None:
    """Predict the scores of examples that were not scored.

    It reports how reliable the predictions are.
    """
    from datapare.methods.extrapolation import check_missing, describe_reliability
    from datapare.pipeline.steps import PruneOptions, extrapolate_into

    folder = open_run(run)
    scores = read_scores(folder, score)
    check_missing(scores)
    options = PruneOptions(score=score, seed=seed, extrapolate=method, extrapolate_params=extrapolate_params)
    completed = extrapolate_into(folder, scores, options, say)
    say(describe_reliability(completed.provenance))
    place = folder.scores_path(f"{score}+{method}")
    say(place)
    say_next(*select_words(folder, f"{score}+{method}"))
    show_result(scores={f"{score}+{method}": place}, params=completed.provenance.params)
