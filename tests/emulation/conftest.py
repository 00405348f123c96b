"""Fixtures of the tests that boot guests: runs that several tests read, each made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.backends import guest, kernel
from testbed.results.result import Run
from tests.emulation.support import run

#: The smallest runs that hold everything: real bonds, switches, LACP, TCP and the probe.
FAILOVER = ("failover", "--repetitions", "1", "--seed", "7")
AGGREGATION = (
    *("aggregation", "--repetitions", "1", "--seed", "7", "--set", "mode=802.3ad", "--set", "members=2"),
    *("--set", "placement=even", "--set", "flows=4", "--set", "duration_s=1", "--set", "omit_s=0"),
)


@pytest.fixture(scope="session", autouse=True)
def _ready() -> None:
    """Without a guest nothing here can be tested: end with an error, not with a pass."""
    if kernel.find() is None:
        pytest.exit("the guest kernel is not built; type: testbed kernel build", returncode=3)
    if lacking := guest.missing():
        pytest.exit(f"the guest needs packages that are not installed: {', '.join(lacking)}", returncode=3)


@pytest.fixture(scope="session")
def lone_failover(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One carrier loss in each of both modes, nothing else running."""
    return run(tmp_path_factory.mktemp("lone") / "failover", *FAILOVER)


@pytest.fixture(scope="session")
def lone_aggregation(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four flows over two members, nothing else running."""
    return run(tmp_path_factory.mktemp("lone") / "aggregation", *AGGREGATION)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory for a run, not there yet."""
    return tmp_path / "run"
