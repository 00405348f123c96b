"""Modules that have moved: the imports that documents gave before still work, and give the same module."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import testbed

ROOT = Path(__file__).resolve().parent.parent

#: As documents and experiments gave them, and where they are now.
MOVED = {
    "testbed.wiring": "testbed.spec.wiring",
    "testbed.result": "testbed.results.result",
    "testbed.export": "testbed.results.export",
    "testbed.measure.probe": "testbed.observe.probe",
    "testbed.emulation.arms": "testbed.schemes",
    "testbed.emulation.tally": "testbed.observe.flow_counters",
    "testbed.oracle": "testbed.theory.reachability",
}


def test_these_are_all() -> None:
    assert testbed.FORMER_NAMES == MOVED


@pytest.mark.parametrize(("former", "now"), MOVED.items())
@pytest.mark.parametrize("first", ["former", "now"])
def test_a_former_name_is_the_same_module(former: str, now: str, first: str) -> None:
    """In an interpreter of its own, whichever of the two is imported first."""
    one, other = (former, now) if first == "former" else (now, former)
    package, _, name = former.rpartition(".")
    text = (
        f"import importlib, {one}, {other}\n"
        f"from {package} import {name}\n"
        f"assert {former} is {now} is {name} is importlib.import_module({former!r})\n"
        f"assert {now}.__name__ == {now}.__spec__.name == {now!r}\n"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("module", "name"), [("testbed.spec", "Topology"), ("testbed.experiment", "Experiment")])
def test_names_that_have_not_moved(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", ["testbed.wirings", "testbed.measure.result"])
def test_another_name_is_still_an_error(name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)
