"""The HTML report."""

from datapare.reporting.render import report

__all__ = ["report"]
