"""Copies to an accelerator for which the host does not wait."""

import torch
from torch import Tensor


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """Return the values on a device; a copy from the host to CUDA is queued there, and is not waited for.

    >>> on_device(torch.tensor([1, 2]), torch.device("cpu")).tolist()
    [1, 2]
    """
    if values.device == device:
        return values
    if values.device.type == "cpu" and device.type == "cuda":
        values = values.pin_memory()  # a copy from pageable memory would wait for the device
    # A copy towards the host must be waited for: what has not arrived yet would be read.
    return values.to(device, non_blocking=device.type != "cpu")
