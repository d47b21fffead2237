"""Describe the machine in a few lines that help to understand a slow or failing run."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OPTIONAL = {
    "transformers": "pretrained backbones",
    "lightning": "recording in Lightning",
    "keras": "recording in Keras",
    "polars": "polars data frames",
    "ray": "Ray clusters",
}
MISSING = "not installed"
MATRIX_UNITS = ("amx_bf16", "avx512_bf16")


def doctor() -> dict[str, str]:
    """Return versions, cores, devices and optional libraries, as `datapare doctor` prints them.

    Returns:
        What was found, as text, by name.

    >>> "torch" in doctor()
    True
    """
    import torch

    found = {
        name: _version(name) for name in ("datapare", "numpy", "torch", "datasets", "pyarrow", "faiss-cpu", "pillow")
    }
    found["python"] = platform.python_version()
    found["cores"] = str(os.cpu_count())
    found["bf16 units"] = ", ".join(_units()) or "none: training runs in fp32"
    found["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    for name, purpose in OPTIONAL.items():
        have = _version(name)
        missing = f"not installed; for {purpose}: pip install 'datapare[{name}]'"
        found[name] = missing if have == MISSING else f"{have} ({purpose})"
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


def _units() -> list[str]:
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8") if cpu.is_file() else ""
    return [unit for unit in MATRIX_UNITS if unit in flags]
