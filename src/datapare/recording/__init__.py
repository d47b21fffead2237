"""Record what a model believes about each example while it trains."""

from datapare.recording.arguments import ARRAYS
from datapare.recording.logit_signals import CHANNELS
from datapare.recording.recorder import Recorder

__all__ = ["ARRAYS", "CHANNELS", "Recorder"]
