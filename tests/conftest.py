"""What every test may ask for."""

import os
from pathlib import Path

import forked
import pytest
from hypothesis import HealthCheck, settings

# no test fails because the machine is busy
settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("timeless")
os.environ.setdefault("KERAS_BACKEND", "torch")  # the adapter of Keras is imported when doctests are collected


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files with slow tests first, so that the last tests of several processes end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Fork the server of the programs that tests run, now that all that tests import is imported."""
    forked.start()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real datasets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("DATAPARE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real datasets here; set DATAPARE_DATA to their folder")
    return folder
