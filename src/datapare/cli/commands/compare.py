"""`datapare compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from datapare.cli.console import say, show_comparison, show_result
from datapare.cli.flags import Flag, Gate, OwnData, Run, subset_name
from datapare.cli.next_command import say_next, subset_words
from datapare.cli.opening import open_run, open_shown
from datapare.cli.progress import JobProgress
from datapare.numerics.sampling import parse_keep
from datapare.options import OpenOptions, RetrainOptions

if TYPE_CHECKING:
    from datapare.artifacts import Comparison, Dynamics
    from datapare.data import Dataset
    from datapare.evaluation.goals import GoalAdvice
    from datapare.evaluation.verdicts import Verdict
    from datapare.pipeline.run_folder import RunFolder

OPTIONS = {"retraining": RetrainOptions}


def compare(
    run: Run,
    *,
    keep: Annotated[list[str] | None, Flag(help="Kept fraction; repeat for several.")] = None,
    test: Annotated[
        str | None,
        Flag(help="Held-out dataset that chose nothing.  [default: a split of the training data]", metavar="PATH"),
    ] = None,
    name: Annotated[list[str] | None, Flag(help="Name of a subset given to select; repeat for several.")] = None,
    data: OwnData = None,
    gate: Gate = False,
    retraining: RetrainOptions,
) -> None:
    """Retrain on subsets, random examples and everything.

    It prints the accuracy and the cost of each, and of other strategies.

    Unless --strategy names others, the baselines are trained too: the subset and random examples with soft labels
    (where the record holds logit_mean), random examples redrawn in each epoch, and everything for fewer epochs, all
    with as many updates as the subset. Each costs as much as a training on the subset; --strategy none leaves them out.
    """
    from datapare import storage
    from datapare.errors import InputError
    from datapare.evaluation.comparison import arm_name, compare
    from datapare.evaluation.goals import advise_goals
    from datapare.evaluation.record_summary import least_coverage
    from datapare.evaluation.verdicts import check_gate, verdict
    from datapare.pipeline.steps import select_into
    from datapare.training.networks.factory import check_model
    from datapare.training.run_log import check_log

    check_model(retraining.get("model"))
    check_log(retraining.get("log"))
    if gate and test is None:
        raise InputError("--gate asks for proof, which needs data that chose nothing: give them with --test.")
    folder = open_run(run, data)
    examples, dynamics = folder.dataset, folder.dynamics
    named = [*map(parse_keep, keep or ()), *(subset_name("1", one) for one in name or ())]
    if not named:
        raise InputError(f"name at least one subset, with --keep or --name{_held(folder)}.")
    subsets = {arm_name(subset): subset for subset in (select_into(folder, one, say) for one in named)}
    held_out = _open_held_out(test, {**folder.open_options, "classes": examples.classes, "split": "test"})
    with storage.folder_lock(run, "working"), JobProgress("retraining") as progress:
        options: RetrainOptions = {
            **retraining, "training": folder.training_config, "image_size": folder.image_size,
            "folder": folder.trainings_path, "progress": progress,
        }  # fmt: skip
        scores = list(folder.all_scores().values())
        comparison = compare(examples, subsets, test=held_out, dynamics=dynamics, scores=scores, **options)
        storage.save(comparison, folder.comparison_path)
    verdicts = [verdict(comparison, name, dynamics=dynamics) for name in subsets]
    goals = advise_goals(comparison, margin=float(comparison.provenance.params["margin"]))
    _show(comparison, dynamics, verdicts, goals, folder.comparison_path)
    if gate:
        check_gate(verdicts, least_coverage(dynamics))
    for found in verdicts:
        say("\n".join([f"{found.arm}:", *(f"  {sentence}" for sentence in found.sentences)]))
    for goal in goals:
        say(goal.text)
    say_next("report", run, *(subset_words(keep[0]) if keep else subset_words(0.3, str(named[0]))))


def _held(folder: "RunFolder") -> str:
    """Return the sizes and names of the subsets that are there, as text."""
    held = [place.parent.name.removeprefix("keep-") for place in sorted(folder.path.glob("keep-*/subset"))]
    return f"; {folder.path} holds {', '.join(held)}" if held else ""


def _open_held_out(test: str | None, options: OpenOptions) -> "Dataset | None":
    if test is None:
        say(
            "no --test: accuracy is measured on a fifth of the training data, which the scoring run has seen; "
            "this proves nothing"
        )
        return None
    return open_shown(test, **options)


def _show(
    comparison: "Comparison",
    dynamics: "Dynamics | None",
    verdicts: "list[Verdict]",
    goals: "list[GoalAdvice]",
    place: Path,
) -> None:
    from datapare.evaluation.arms import arms
    from datapare.evaluation.costs import duration, scoring_cost, total_cost
    from datapare.evaluation.frontier import TRAININGS

    show_comparison(comparison)
    once = scoring_cost(dynamics, None)
    say(f"scoring took {once.epochs:.3g} epochs, {duration(once.seconds)}")
    say(f"equal {comparison.budget}; {place}")
    show_result(
        comparison=place, arms=arms(comparison), verdicts=verdicts, goals=goals, scoring=once,
        trainings={n: [total_cost(comparison, i, n) for i in range(len(comparison))] for n in TRAININGS},
        seeds=comparison.seeds, budget=comparison.budget,
    )  # fmt: skip
