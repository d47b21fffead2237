"""The page as an object: save it, show it, or let a notebook show it."""

import tempfile
import webbrowser
from html import escape
from pathlib import Path

from datapare.errors import InputError
from datapare.numerics.checked_calls import checked_call
from datapare.storage import write_text


class Report(str):
    """A self-contained HTML page: the text itself, which can be saved and shown."""

    __slots__ = ()

    @property
    def html(self) -> str:
        """The page as plain text."""
        return str(self)

    def __str__(self) -> str:
        return str.__str__(self)

    def __repr__(self) -> str:
        return f"Report of {len(self):,} characters; .save(path) writes it, .show() opens it"

    def _repr_html_(self) -> str:
        # in a frame of its own, so that its styles and scripts do not meet those of the notebook
        return (
            f'<iframe srcdoc="{escape(self.html)}" style="width:100%;height:80vh;border:1px solid #ddd"'
            ' title="datapare report"></iframe>'
        )

    @checked_call
    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the page to a file, whole or not at all.

        Args:
            path: Where to, such as "report.html".
            overwrite: Whether a file that exists is replaced.

        Returns:
            The path.

        Raises:
            InputError: The file exists and is not to be replaced, or cannot be written.
        """
        path = Path(path)
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists already; pass overwrite=True to replace it, or give another name.")
        write_text(path, self.html)
        return path

    def show(self) -> Path:
        """Open the page in the web browser; returns the temporary file it was written to."""
        with tempfile.NamedTemporaryFile("w", suffix=".html", delete=False, encoding="utf-8") as file:
            file.write(self.html)
        webbrowser.open(Path(file.name).as_uri())
        return Path(file.name)
