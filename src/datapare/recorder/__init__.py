"""Record what a model believes about each example while it trains."""

from datapare.recorder.arguments import ARRAYS
from datapare.recorder.channels import CHANNELS
from datapare.recorder.recorder import Recorder

__all__ = ["ARRAYS", "CHANNELS", "Recorder"]
