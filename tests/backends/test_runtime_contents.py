"""What the runtime image holds, where the programs that a trial runs are installed."""

from __future__ import annotations

import ast
import importlib.metadata
import shutil
import sys
from pathlib import Path

import pytest

from testbed.backends import environment
from testbed.backends.runtime import contents, distributions
from testbed.errors import SpecError

ROOT = Path(__file__).resolve().parents[2]
SITE = f"opt/testbed/venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

pytestmark = pytest.mark.skipif(
    not all(shutil.which(name, path=environment.SEARCH) for name in ("ovs-vswitchd", "mnexec")),
    reason="Open vSwitch or Mininet's mnexec is not installed",
)


@pytest.fixture(scope="module")
def base() -> set[str]:
    """The paths of the base, with one distribution and one program more than trials need."""
    return {entry.path for entry in contents.base(("click",), ("gzip",)).entries}


def test_the_base_has_python_packages_programs_and_libraries(base: set[str]) -> None:
    assert {"opt/testbed/venv/bin/python", f"{SITE}/mininet/net.py", "usr/bin/ovs-vswitchd", "usr/bin/ip"} <= base
    assert any(path.startswith("usr/lib") and path.endswith("/libc.so.6") for path in base)
    assert {"etc/passwd", "usr/share/openvswitch/vswitch.ovsschema"} <= base


def test_what_an_experiment_asks_for_is_added_and_nothing_else_of_the_environment(base: set[str]) -> None:
    assert {f"{SITE}/click/__init__.py", "usr/bin/gzip"} <= base
    usual = {entry.path for entry in contents.base((), ()).entries}
    assert f"{SITE}/click/__init__.py" not in usual and "usr/bin/gzip" not in usual
    others = {path.split("/")[6] for path in usual if path.startswith(f"{SITE}/")}
    assert not others & {"pytest", "mypy", "scipy", "matplotlib", "pandas", "pip"}


def test_nothing_depends_on_where_things_are_installed(base: set[str]) -> None:
    assert not [path for path in base if path.endswith((".pyc", "/RECORD", "/direct_url.json", "customize.py"))]
    texts = [entry.text for entry in contents.base((), ()).entries if entry.text]
    for place in (ROOT, sys.prefix, sys.base_prefix, Path.home()):
        assert not [text for text in texts if str(place) in text and str(place) != "/root"]


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(SpecError) as error:
        contents.base((), ("no-such-program",))
    assert error.value.message == "the program 'no-such-program' is not installed"


def test_what_only_reads_results_is_not_in_the_project() -> None:
    paths = {entry.path for entry in contents.project(ROOT).entries}
    assert {"testbed/run/inside.py", "testbed/emulation/pause.c", "experiments/failover.py"} <= paths
    assert {path.split("/")[1] for path in paths if path.startswith("testbed/")}.isdisjoint(contents.READERS)


def test_every_package_that_a_trials_code_imports_is_in_the_base() -> None:
    ours = {"testbed", "topologies", "experiments"}
    known = distributions.modules(distributions.closure(contents.PACKAGES)) | set(sys.stdlib_module_names) | ours
    # Ryu has an environment of its own; the others are imported outside only.
    outside = {"ryu", "scipy", "packaging"}
    for entry in contents.project(ROOT).entries:
        if entry.source is None or entry.source.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(entry.source.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            missing = {name.partition(".")[0] for name in names} - known - outside
            assert not missing, f"{entry.path} imports {missing}"


def test_the_packages_are_requirements_of_the_testbed() -> None:
    setup = (ROOT / "setup.py").read_text()
    assert [name for name in contents.PACKAGES if f'"{name.split(";")[0]}' not in setup] == []
    assert importlib.metadata.version("packaging")
