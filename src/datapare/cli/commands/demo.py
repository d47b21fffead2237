"""`datapare demo`."""

from pathlib import Path
from typing import Annotated

from datapare.cli.console import say, show_result
from datapare.cli.flags import Flag
from datapare.cli.next_command import say_next
from datapare.cli.progress import TrainingProgress


def demo(
    *,
    out: Annotated[Path, Flag(help="Folder for the digits and the results.")] = Path("datapare-demo"),
    keep: Annotated[str, Flag(help="Fraction of the digits to keep.")] = "0.3",
) -> None:
    """Prune scikit-learn's handwritten digits.

    Nothing is downloaded; it takes seconds to a minute.
    """
    from datapare.numerics.sampling import parse_keep
    from datapare.pipeline.demo import demo, write_digits

    with TrainingProgress() as progress:
        result = demo(out, keep=parse_keep(keep), on_message=say, progress=progress)
    run, (_, test) = result.folder.parent, write_digits(out)
    say(f"dataset   {result.dataset}\nexamples  {result.examples}\nreport    {result.report}")
    say_next("compare", run, "--keep", keep, "--test", test)
    show_result(
        run=run, kept=len(result.subset), total=result.subset.total, dataset=result.dataset, examples=result.examples,
        report=result.report, held_out=test,
    )  # fmt: skip
