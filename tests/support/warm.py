"""Import what commands import when they first need it, before a process forks for many of them."""

from importlib import import_module
from pkgutil import walk_packages

import datasets  # noqa: F401
import pandas as pd  # noqa: F401
import PIL.Image  # noqa: F401
import pyarrow.parquet  # noqa: F401
import scipy.special  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch  # noqa: F401

import datapare

OPTIONAL = ("adapters", "__main__")  # they import what few commands need, for seconds

for module in walk_packages(datapare.__path__, "datapare."):
    if not {*module.name.split(".")} & {*OPTIONAL}:
        import_module(module.name)
