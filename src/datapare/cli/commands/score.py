"""`datapare score`."""

from pathlib import Path
from typing import Annotated

from datapare.artifacts import Params
from datapare.cli.console import say, show_correlation, show_result
from datapare.cli.flags import Flag, Preset, Run, Score
from datapare.cli.method_flags import MethodParams

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
    from datapare import storage
    from datapare.methods import scoring
    from datapare.methods.binding import holdings, recorded_pass_note
    from datapare.methods.registry import find
    from datapare.pipeline.run_folder import RunFolder
    from datapare.pipeline.steps import write_score_table

    folder = RunFolder.open(run)
    dynamics = folder.dynamics
    if all_:
        usual = find("score", score).params
        given = {param: value for param, value in score_params.items() if value != usual[param].default}
        scored, refused = scoring.score_all(dynamics, **given)
        for name, scores in scored.items():
            storage.save(scores, folder.scores_path(name))
        held = f"the record holds: {holdings(dynamics)}"
        say(held)  # once, not in every reason
        for name, reason in refused.items():
            say(f"left out  {name:20} {reason.removeprefix(f'{name} ').replace(f' ({held})', '')}")
        show_correlation(*scoring.rank_correlation(scored))
        table = write_score_table(folder, scored)
        say(table)
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
    say(f"next: datapare select {run} --score {score} --keep 0.3")
    show_result(scores={score: place}, params=scores.provenance.params)
