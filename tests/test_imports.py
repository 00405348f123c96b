"""Imports point one way: a room knows only the rooms below it, and an outside part has one room that knows it.

    cli --> runner --> backends - - (another process) - -> trial --> emulation, measure --> spec
              result <-- figures, report --> stats, theory       controller --> lacp, spec

Imports that only a type checker sees (``if TYPE_CHECKING:``) are free.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("testbed", "topologies", "experiments")

#: What a room may import of ours, besides itself. A room that is not here may import any but the command line.
MAY_IMPORT: dict[str, set[str]] = {
    "testbed.errors": set(),
    "testbed.lacp": set(),
    "testbed.stats": {"testbed.errors"},
    "testbed.checks": {"testbed.errors"},
    "testbed.bond": {"testbed.checks", "testbed.errors"},
    "testbed.lag": {"testbed.bond", "testbed.checks", "testbed.errors"},
    "testbed.host": {"testbed.bond", "testbed.checks", "testbed.errors"},
    "testbed.spec": {"testbed.bond", "testbed.checks", "testbed.errors", "testbed.host", "testbed.lag"},
    "testbed.faults": {"testbed.errors", "testbed.spec"},
    "testbed.schedule": {"testbed.errors", "testbed.faults", "testbed.spec"},
    "testbed.theory": {"testbed.bond", "testbed.errors", "testbed.faults", "testbed.spec"},
    "testbed.experiment": {"testbed.errors", "testbed.spec"},
    "testbed.result": {"testbed.errors"},
    "testbed.figures": {"testbed.errors", "testbed.result", "testbed.stats", "testbed.theory"},
    "testbed.inventory": {"testbed.result"},
    "testbed.beside": set(),
    "testbed.fidelity": {"testbed.beside"},
    "testbed.precision": {"testbed.experiment", "testbed.result", "testbed.stats"},
    "testbed.judgement": {"testbed.result", "testbed.stats"},
    "testbed.compare": {"testbed.errors", "testbed.judgement", "testbed.result"},
    "testbed.export": {"testbed.errors", "testbed.result"},
    "testbed.report": {
        "testbed.errors",
        "testbed.figures",
        "testbed.inventory",
        "testbed.result",
        "testbed.stats",
        "testbed.theory",
    },
    "testbed.backends": {"testbed.errors"},
    "testbed.controller": {"testbed.errors", "testbed.lacp", "testbed.spec"},
    # The network starts the controller, so it writes the controller's configuration file.
    "testbed.emulation": {
        "testbed.batches",
        "testbed.beside",
        "testbed.bond",
        "testbed.controller.config",
        "testbed.controller.show",
        "testbed.errors",
        "testbed.experiment",
        "testbed.lacp",
        "testbed.measure.probe",
        "testbed.spec",
        "testbed.theory",
        "testbed.faults",
        "testbed.schedule",
    },
    "testbed.measure": {
        "testbed.batches",
        "testbed.beside",
        "testbed.errors",
        "testbed.experiment",
        "testbed.faults",
        "testbed.spec",
        "testbed.stats",
        "testbed.theory",
        "testbed.oracle",
    },
    "testbed.wiring": {"testbed.checks", "testbed.errors", "testbed.spec"},
    "testbed.elements": {"testbed.errors", "testbed.faults", "testbed.spec"},
    "testbed.oracle": {"testbed.elements", "testbed.errors", "testbed.faults", "testbed.spec", "testbed.theory"},
    "testbed.drawing": {"testbed.errors", "testbed.spec"},
    "topologies": {"testbed.errors", "testbed.spec", "testbed.wiring"},
}
#: The only room that may import an outside part.
ONLY_IMPORTER = {
    "ryu": "testbed.controller",
    "os_ken": "testbed.controller",
    "mininet": "testbed.emulation",
    "pyroute2": "testbed.emulation",
    "ovs": "testbed.emulation",
}


def is_within(name: str, room: str) -> bool:
    """Whether a dotted name is a room, or something in it."""
    return name == room or name.startswith(f"{room}.")


def module_of(path: str) -> str:
    """The dotted name of the module in a file, such as ``testbed/lacp/__init__.py``."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(source: str, package: str) -> Iterator[str]:
    """The dotted names that a module imports when it runs; ``from a import b`` gives ``a.b``."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        else:
            waiting += ast.iter_child_nodes(node)


def violation(module: str, name: str) -> str | None:
    """What is wrong with a module importing a name; None if nothing is."""
    top = name.split(".")[0]
    keeper = ONLY_IMPORTER.get(top)
    if keeper and not is_within(module, keeper):
        return f"{module} imports {name}: only {keeper} may"
    if is_within(module, "testbed.lacp") and top not in OURS and top not in sys.stdlib_module_names:
        return f"{module} imports {name}: only the standard library may be used there"
    if is_within(name, "testbed.cli") and module != "testbed.__main__" and not is_within(module, "testbed.cli"):
        return f"{module} imports {name}: nothing may"
    room = next((room for room in MAY_IMPORT if is_within(module, room)), None)
    if room is None or top not in OURS or name in ("testbed", "testbed.__version__"):
        return None
    allowed = {room, *MAY_IMPORT[room]}
    if any(is_within(name, other) for other in allowed):
        return None
    return f"{module} imports {name}: {room} may import only {', '.join(sorted(allowed))} of ours"


def violations(sources: Mapping[str, str]) -> list[str]:
    """What is wrong with the imports of files, given as their text by their path."""
    found = []
    for path, source in sorted(sources.items()):
        module = module_of(path)
        package = module if path.endswith("/__init__.py") else module.rpartition(".")[0]
        found += [wrong for name in imports(source, package) if (wrong := violation(module, name))]
    return found


def test_imports_point_one_way() -> None:
    files = [file for room in OURS for file in (ROOT / room).rglob("*.py")]
    sources = {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}
    assert {"testbed/spec.py", "testbed/lacp/__init__.py", "testbed/emulation/network.py"} <= set(sources)
    assert violations(sources) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("testbed/lacp/port.py", "import testbed.spec"),
        ("testbed/lacp/port.py", "from testbed import errors"),
        ("testbed/lacp/port.py", "import numpy"),
        ("testbed/lacp/port.py", "from .. import spec"),
        ("testbed/lacp/__init__.py", "from ..spec import Lag"),
        ("testbed/runner.py", "from os_ken.base import app_manager"),
        ("testbed/emulation/lab.py", "import ryu.lib"),
        ("testbed/runner.py", "def run():\n    from mininet.net import Mininet"),
        ("testbed/measure/counters.py", "try:\n    import pyroute2\nexcept ImportError:\n    pass"),
        ("testbed/runner.py", "from testbed import cli"),
        ("testbed/__init__.py", "from .cli import main"),
        ("experiments/failover.py", "import testbed.cli"),
        ("testbed/figures.py", "from testbed.runner import run"),
        ("testbed/figures.py", "from testbed import report"),
        ("testbed/report.py", "from testbed import emulation"),
        ("testbed/spec.py", "from testbed.experiment import Trial"),
        ("testbed/experiment.py", "from testbed import theory"),
        ("testbed/experiment.py", "if not TYPE_CHECKING:\n    from testbed.emulation.lab import Lab"),
        ("testbed/experiment.py", "if TYPE_CHECKING:\n    pass\nelse:\n    from testbed.emulation.lab import Lab"),
        ("testbed/theory.py", "from testbed.result import Record"),
        ("testbed/emulation/lab.py", "from testbed.controller.app import Application"),
        ("testbed/emulation/lab.py", "from testbed.controller import configuration"),
        ("testbed/backends/native.py", "from testbed.emulation import lab"),
        ("testbed/controller/app.py", "from testbed.emulation import lab"),
        ("topologies/ring.py", "from testbed.emulation import lab"),
    ],
)
def test_an_import_against_the_direction_is_found(path: str, source: str) -> None:
    found = violations({path: source})
    assert len(found) == 1
    assert found[0].startswith(f"{module_of(path)} imports ")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("testbed/lacp/port.py", "import struct\nfrom collections import deque\nfrom testbed.lacp.pdu import State"),
        ("testbed/lacp/__init__.py", "from .pdu import State\nfrom . import rules"),
        ("testbed/__main__.py", "from testbed.cli import main"),
        ("testbed/experiment.py", "if TYPE_CHECKING:\n    from testbed.emulation.lab import Lab"),
        ("testbed/emulation/lab.py", "from testbed.controller.config import to_yaml\nimport mininet.net"),
        ("testbed/result.py", "import testbed\nfrom testbed import __version__"),
        ("testbed/cli/run.py", "from testbed import figures, runner\nfrom testbed.backends import kernel"),
    ],
)
def test_an_import_along_the_direction_is_not(path: str, source: str) -> None:
    assert violations({path: source}) == []


def test_the_text_names_who_what_and_what_would_be_right() -> None:
    assert violations({"testbed/spec.py": "from testbed.runner import run", "testbed/runner.py": "import mininet"}) == [
        "testbed.runner imports mininet: only testbed.emulation may",
        "testbed.spec imports testbed.runner.run:"
        " testbed.spec may import only testbed.bond, testbed.checks, testbed.errors, testbed.host,"
        " testbed.lag, testbed.spec of ours",
    ]
