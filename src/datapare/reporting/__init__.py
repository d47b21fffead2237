"""The HTML report."""

from datapare.reporting.document import Report
from datapare.reporting.render import report

__all__ = ["Report", "report"]
