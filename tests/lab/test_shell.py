"""Faults at the prompt of ``testbed shell``: begun once, ended in any order, and a wrong word says what was wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import pytest

from testbed.errors import SpecError
from testbed.faults.catalogue import checked
from testbed.lab.lab import Lab
from testbed.lab.shell import Faults
from topologies.single_switch import single_switch


class Bench:
    """A network in which a fault is only noted."""

    topology = single_switch()

    def __init__(self) -> None:
        self.active: list[str] = []

    @contextlib.contextmanager
    def fault(self, name: str, element: str, **parameters: Any) -> Iterator[None]:
        fault = checked(self.topology, name, element, parameters)
        self.active.append(f"{name} {element} {dict(fault.parameters)}")
        yield
        self.active.remove(f"{name} {element} {dict(fault.parameters)}")


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def faults(bench: Bench) -> Iterator[Faults]:
    with contextlib.ExitStack() as stack:
        yield Faults(cast(Lab, bench), stack)
    assert bench.active == [], "leaving the prompt repairs everything"


def test_a_fault_lasts_until_it_is_repaired(bench: Bench, faults: Faults) -> None:
    faults.fail(["carrier_loss", "h1-eth0"])
    faults.fail(["lossy", "h1-eth1", "loss_percent=5"])
    assert [text.split()[:2] for text in bench.active] == [["carrier_loss", "h1-eth0"], ["lossy", "h1-eth1"]]
    assert "'loss_percent': 5" in bench.active[1]
    assert faults.repair(["carrier_loss", "h1-eth0"]) == "repaired carrier_loss h1-eth0"
    assert len(bench.active) == 1
    assert faults.repair([]) == "repaired lossy h1-eth1"
    assert bench.active == []
    assert faults.repair([]) == "there is nothing to repair"
    faults.fail(["carrier_loss", "h1-eth0"])  # left to the end


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "wanted: fail FAULT ELEMENT"),
        (["carrier_loss"], "wanted: fail FAULT ELEMENT"),
        (["carrier_los", "h1-eth0"], "unknown fault 'carrier_los'"),
        (["carrier_loss", "h9-eth0"], "carrier_loss takes an interface or a link, not 'h9-eth0'"),
        (["lossy", "h1-eth0", "5"], "5 is not NAME=VALUE"),
        (["lossy", "h1-eth0", "percent=5"], "unknown parameter of fault lossy: 'percent'"),
        (["lossy", "h1-eth0", "loss_percent=lots"], "loss_percent"),
    ],
)
def test_a_wrong_fault_says_what_was_wanted(words: list[str], message: str, bench: Bench, faults: Faults) -> None:
    with pytest.raises(SpecError, match=message.replace("(", r"\(")):
        faults.fail(words)
    assert bench.active == []


def test_a_fault_begins_once_and_only_what_was_begun_is_repaired(bench: Bench, faults: Faults) -> None:
    faults.fail(["carrier_loss", "h1-eth0"])
    with pytest.raises(SpecError, match="carrier_loss h1-eth0 is there already"):
        faults.fail(["carrier_loss", "h1-eth0"])
    with pytest.raises(SpecError, match="no fault 'carrier_loss h1-eth1' was begun") as error:
        faults.repair(["carrier_loss", "h1-eth1"])
    assert error.value.hint == "Begun: carrier_loss h1-eth0."
    assert len(bench.active) == 1
