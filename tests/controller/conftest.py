"""The application as a fixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.controller.config import to_yaml
from topologies.mlag import mlag


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application as os-ken would make it, with the topology mlag and no switch connected."""
    pytest.importorskip("os_ken")
    config = tmp_path / "controller.yaml"
    config.write_text(to_yaml(mlag()))
    monkeypatch.setenv("TESTBED_CONTROLLER", str(config))
    monkeypatch.delenv("TESTBED_CONTROLLER_STATE", raising=False)
    from testbed.controller.app import Controller

    return Controller()
