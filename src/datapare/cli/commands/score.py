"""`datapare score`."""

from pathlib import Path
from typing import Annotated

from datapare.artifacts import Params
from datapare.cli.console import say, show_correlation, show_result
from datapare.cli.flags import Flag, Preset, Run, Score
from datapare.cli.method_flags import MethodParams
from datapare.cli.next_command import say_next, select_words
from datapare.cli.opening import open_run

METHOD_PARAMS: dict[str, MethodParams] = {"score_params": ("score", "--score", "dual")}


def score(
    run: Run,
    *,
    score: Score = "dual",
    all_: Annotated[bool, Flag("--all", help="Score by every method that the record can feed.")] = False,
    average_with: Annotated[
        list[Path] | None, Flag(help="Average with the scores of this run, such as another seed's; repeat for more.")
    ] = None,
    preset: Preset = None,  # noqa: ARG001 - becomes the parameters' defaults
    score_params: Params,
) -> None:
    """Turn the record into one score per example.

    Larger scores are kept first.
    """
    import numpy as np

    from datapare import storage
    from datapare.methods import scoring
    from datapare.methods.binding import holdings, recorded_pass_note
    from datapare.methods.registry import find
    from datapare.pipeline.run_folder import RunFolder
    from datapare.pipeline.steps import write_score_table

    folder = open_run(run)
    dynamics = folder.dynamics
    if all_:
        usual = find("score", score).params
        given = {param: value for param, value in score_params.items() if value != usual[param].default}
        scored, refused = scoring.score_all(dynamics, **given)
        for name, scores in scored.items():
            storage.save(scores, folder.scores_path(name))
        held = f" (the record holds: {holdings(dynamics)})"  # said already, of what was read
        for name, reason in refused.items():
            say(f"left out  {name:20} {reason.removeprefix(f'{name} ').replace(held, '')}")
        show_correlation(*scoring.rank_correlation(scored))
        table = write_score_table(folder, scored)
        say(table)
        say_next(*select_words(folder, score if score in scored else min(scored)))
        show_result(scores={name: folder.scores_path(name) for name in scored}, left_out=refused, table=table)
        return
    scores = scoring.score(dynamics, score, **score_params)
    if average_with:
        others = [scoring.score(RunFolder.open(other).dynamics, score, **score_params) for other in average_with]
        scores = scoring.average_scores([scores, *others])
    if note := recorded_pass_note(dynamics, score):
        say(note)
    place = storage.save(scores, folder.scores_path(score))
    say(place)
    partly = bool(np.isnan(scores.score).any())  # of a record of a fraction
    say_next(*(["extrapolate", run, "--score", score] if partly else select_words(folder, score)))
    show_result(scores={score: place}, params=scores.provenance.params)
