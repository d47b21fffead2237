"""Record what a model predicts for each example while it trains, in any training loop.

recorder.py       Recorder: what a training loop calls
losses.py         a loss per example, for tasks without one class per example
indexed_loader.py data loaders whose batches begin with the positions of their examples
epoch_buffer.py   the running epoch, on the device; logit_signals.py has its formulas
record_files.py   the folder of an unfinished record; record_writer.py writes and finishes it
logit_tables.py   what one epoch passes to the next
process_group.py  the processes of a distributed training
adapters/         Lightning, Hugging Face Trainer, Keras
"""

from datapare.recording.arguments import ARRAYS
from datapare.recording.logit_signals import CHANNELS
from datapare.recording.losses import per_example_loss
from datapare.recording.recorder import Recorder

__all__ = ["ARRAYS", "CHANNELS", "Recorder", "per_example_loss"]
