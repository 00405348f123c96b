"""Settings of all tests: which boot a guest, and how Hypothesis searches."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

_EMULATION = Path(__file__).resolve().parent / "emulation"

# No time limit for one example: the load of the machine would decide the test.
settings.register_profile("testbed", deadline=None)
settings.load_profile("testbed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what boots a guest, so that ``-m "not emulation"`` leaves it out."""
    for item in items:
        if item.path.is_relative_to(_EMULATION):
            item.add_marker(pytest.mark.emulation)
