"""The import contracts in pyproject.toml: each can fail, and every outside dependency has one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("testbed", "topologies", "experiments")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

#: A line that is added to a file, and how the contract begins that it breaks.
BROKEN = {
    "upward": ("testbed/spec/host.py", "import testbed.lab.lab", "A package imports only those below it"),
    "upward, for types only": (
        "testbed/theory/tcp.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from testbed.run import execute",
        "A package imports only those below it",
    ),
    "upward, in a function": (
        "testbed/errors.py",
        "def late() -> None:\n    from testbed import stats",
        "A package imports only those below it",
    ),
    "a loop inside a package": ("testbed/lacp/pdu.py", "import testbed.lacp.system", "No loop of imports"),
    "an outside library elsewhere": ("testbed/run/execute.py", "import mininet.net", "Mininet"),
}


def lint(place: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(place)}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", BROKEN)
def test_a_wrong_import_is_found(tmp_path: Path, kind: str) -> None:
    name, line, contract = BROKEN[kind]
    for package in OURS:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / name).open("a") as file:
        file.write(f"\n\n{line}\n")
    found = lint(tmp_path)
    broken = [text for text in found.stdout.splitlines() if text.endswith("BROKEN")]
    assert found.returncode == 1
    assert any(text.startswith(contract) for text in broken), found.stdout


def test_every_outside_dependency_has_a_wall() -> None:
    graph = grimp.build_graph(*OURS, include_external_packages=True, cache_dir=None)
    outside = {
        module
        for module in graph.modules
        if module.partition(".")[0] not in OURS and module.partition(".")[0] not in sys.stdlib_module_names
    }
    walls = {
        name for contract in CONTRACTS if contract["type"] == "protected" for name in contract["protected_modules"]
    }
    assert outside == walls
