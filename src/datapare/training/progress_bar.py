"""A progress bar where somebody looks: in a terminal or a notebook, and nowhere else."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datapare.training.epoch import Progress


class ProgressBar:
    """A bar that appears with the first update, so that what is refused at once leaves none."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: Any = None  # of tqdm, which has no types

    def update(self, done: int, total: int, text: str) -> None:
        """Draw so many of a total, with a text behind."""
        if self.bar is None:
            if _in_notebook() and find_spec("ipywidgets") is not None:
                from tqdm.notebook import tqdm
            else:
                from tqdm.std import tqdm
            self.bar = tqdm(total=total, desc=self.title, leave=True)
        self.bar.total = max(total, done)
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update(done - self.bar.n)

    def training(self, state: "Progress") -> None:
        """Draw the state of a training."""
        if not state.making:
            done = state.epoch * state.examples_total + state.examples_done
            loss = "–" if math.isnan(state.loss) else f"{state.loss:.3f}"
            self.update(done, state.epochs * state.examples_total, f"loss {loss}")


@contextmanager
def shown(title: str, *, wanted: bool = True) -> Iterator[ProgressBar | None]:
    """Give a bar where it is wanted and standard error is a terminal or the caller a notebook, and None elsewhere."""
    bar = ProgressBar(title) if wanted and (_in_notebook() or sys.stderr.isatty()) else None
    try:
        yield bar
    finally:
        if bar is not None and bar.bar is not None:
            bar.bar.close()


def _in_notebook() -> bool:
    """Whether the code runs in a kernel of Jupyter."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"
