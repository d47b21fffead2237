"""`datapare sweep`."""

from typing import Annotated

from datapare.artifacts import Params
from datapare.cli.console import say, show_comparison, show_result, show_sizes
from datapare.cli.flags import Flag, Rule, Run
from datapare.cli.method_flags import MethodParams
from datapare.cli.next_command import method_words, option_words, say_next, select_words
from datapare.cli.opening import open_run, read_scores
from datapare.cli.progress import JobProgress
from datapare.numerics.sampling import parse_keep
from datapare.options import RetrainOptions, SelectOptions, resolve

OPTIONS = {"selection": SelectOptions, "retraining": RetrainOptions}
METHOD_PARAMS: dict[str, MethodParams] = {"rule_params": ("select", "--rule", "mixed")}


def sweep(
    run: Run,
    keep: Annotated[list[str], Flag(help="Fraction to try; repeat for several.")],
    *,
    within: Annotated[float, Flag(help="Percentage points below full that are still fine.", min=0)] = 1.0,
    score: Annotated[str, Flag(help="Which scores to select by.")] = "dual",
    rule: Rule = "mixed",
    param: Annotated[
        str | None, Flag(help="Try several values of a parameter of the rule and use the best, such as c_d=2,4,6.")
    ] = None,
    selection: SelectOptions,
    retraining: RetrainOptions,
    rule_params: Params,
) -> None:
    """Find the smallest subset that is nearly as good as all.

    It stays within so many points of training on everything; what it saves is printed.
    """
    from datapare import storage
    from datapare.evaluation.advice import advise, sizes
    from datapare.evaluation.costs import scoring_cost
    from datapare.evaluation.goals import advise_goals
    from datapare.evaluation.keep_sweep import parse_param, sweep
    from datapare.training.networks.factory import check_model
    from datapare.training.run_log import check_log

    check_model(retraining.get("model"))
    check_log(retraining.get("log"))
    folder = open_run(run)
    data, dynamics, scores = folder.dataset, folder.dynamics, read_scores(folder, score)
    with storage.folder_lock(run, "working"), JobProgress("retraining") as progress:
        options: RetrainOptions = {
            **retraining, "training": folder.training_config, "image_size": folder.image_size,
            "folder": folder.trainings_path, "progress": progress,
        }  # fmt: skip
        comparison = sweep(
            data, scores, [parse_keep(text) for text in keep], dynamics=dynamics, rule=rule,
            **resolve(SelectOptions, selection), rule_params=rule_params,
            param=None if param is None else parse_param(param), **options,
        )  # fmt: skip
        storage.save(comparison, folder.sweep_path)
    show_comparison(comparison)
    tried = sizes(comparison, scoring_cost(dynamics, scores))
    show_sizes(tried)
    for size, values in comparison.provenance.params["chosen"].items():
        say(f"{size}: {values}")
    advice = advise(comparison, margin=within / 100, dynamics=dynamics, scores=scores)
    say(f"equal {comparison.budget}; {folder.sweep_path}; the report of any --keep shows the figure")
    say(advice.text)
    goals = advise_goals(comparison, margin=within / 100) if "strategy" in comparison.roles else []
    for goal in goals:
        say(goal.text)
    kept = f"{advice.size.keep:.6g}" if advice.size else keep[0]
    chosen = [*option_words(SelectOptions, selection), *method_words("select", rule, rule_params)]
    say_next(*select_words(folder, score, kept, "--rule", rule, *chosen))
    show_result(
        sweep=folder.sweep_path, sizes=tried, chosen=comparison.provenance.params["chosen"], advice=advice,
        goals=goals, seeds=comparison.seeds, budget=comparison.budget,
    )  # fmt: skip
