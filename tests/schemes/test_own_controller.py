"""A user's own controller: what its file must be, what it is told, what of it a run keeps. No guest is booted here."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from testbed.controller.config import load
from testbed.errors import MachineError, SpecError
from testbed.run import own_controllers
from testbed.run.prepare import Request, prepare
from testbed.schemes import FACTOR, chosen, own_controller, requirements
from testbed.spec import SwitchSide, Topology
from testbed.theory import reachability
from topologies.single_switch import single_switch

EXAMPLE = re.search(r"```python\n(.*?)```", (requirements.PROJECT / "docs" / "controllers.md").read_text(), re.DOTALL)
OS_KEN = "from os_ken.base.app_manager import OSKenApp\n"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The documentation's example as a file."""
    assert EXAMPLE is not None
    path = tmp_path / "learning.py"
    path.write_text(EXAMPLE[1])
    return path


@pytest.fixture(autouse=True)
def no_copies() -> None:
    own_controller.read_copies(None)


def test_the_documented_example_is_taken(example: Path) -> None:
    assert FACTOR.parse(str(example)) == str(example)
    scheme = chosen({"controller": str(example)})
    scheme.check(single_switch())
    assert scheme.side == SwitchSide(lags=False, negotiates=False, groups=False, port_status=True)
    assert scheme.openflow == "OpenFlow13"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "controller app.py cannot be read: No such file or directory"),
        ("def f(:\n", "app.py, line 1: SyntaxError: "),
        ("\0", "app.py: SyntaxError: source code string cannot contain null bytes"),
        (b"\xff\xfe", "app.py is not Python: 'utf-8' codec can't decode"),
        ("", "app.py has no application class; wanted a class derived from os_ken.base.app_manager.OSKenApp"),
        ("class App: pass\n", "app.py has no application class"),
        (OS_KEN, "app.py has no application class"),
        (OS_KEN + "class App(object): pass\n", "app.py has no application class"),
        ("class App(OSKenApp): pass\n", "app.py has no application class"),
        (OS_KEN + "import ryu.base\nclass App(OSKenApp): pass\n", "app.py imports os_ken and ryu; wanted one of them"),
        (OS_KEN + "class App(OSKenApp): pass\nSIDE = f()\n", "SIDE in app.py, line 3 is not plain"),
        (OS_KEN + "class App(OSKenApp): pass\nSIDE = {'lags': 1}\n", "SIDE in app.py, line 3 is not plain"),
        (OS_KEN + "class App(OSKenApp): pass\nSIDE = {'lag': True}\n", "unknown fact of SIDE in app.py, line 3: 'lag'"),
    ],
)
def test_what_is_no_controller_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes | None, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("app.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as caught:
        FACTOR.parse("app.py")
    assert message in caught.value.message
    assert caught.value.hint or "unknown" in message


@pytest.mark.parametrize(
    "text",
    [
        "from os_ken.base import app_manager\nclass App(app_manager.OSKenApp): pass\n",
        "import os_ken.base.app_manager as m\nclass App(m.OSKenApp): pass\n",
        OS_KEN + "class Base(OSKenApp): pass\nclass App(Base): pass\n",
        "from os_ken.app.simple_switch_13 import SimpleSwitch13\nclass App(SimpleSwitch13): pass\n",
    ],
)
def test_an_application_class_is_found_by_its_bases(tmp_path: Path, text: str) -> None:
    path = tmp_path / "app.py"
    path.write_text(text + "open('/nowhere')\n")  # it is not executed
    assert own_controller.read(path).framework == "os_ken"
    assert not chosen({"controller": str(path)}).side.known


def test_an_application_for_ryu_runs_on_ryu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.py"
    path.write_text("from ryu.base import app_manager\nclass App(app_manager.RyuApp): pass\n")
    scheme = chosen({"controller": str(path)})
    monkeypatch.setattr(requirements, "RYU_PYTHON", requirements.PROJECT / "no-ryu" / "python")
    with pytest.raises(MachineError, match="Ryu is not installed"):
        scheme.check(single_switch())
    python = tmp_path / "python"
    python.touch()
    monkeypatch.setattr(requirements, "RYU_PYTHON", python)
    process = scheme.process(single_switch(), {}, tmp_path)
    assert process is not None
    assert process.command[0] == str(python)


def test_the_process_gets_the_network_in_two_files(example: Path, tmp_path: Path) -> None:
    topology = single_switch()
    process = chosen({"controller": str(example)}).process(topology, {}, tmp_path)
    assert process is not None
    assert process.command[1:] == ("-m", "testbed.controller.own", str(example), "6653")
    assert Topology.from_json(Path(process.environment["TESTBED_TOPOLOGY"]).read_text()) == topology
    assert load(Path(process.environment["TESTBED_CONTROLLER"])).switches == topology.switches


def test_theory_says_nothing_of_an_unknown_controller() -> None:
    found = reachability.expected(single_switch(), ["s1"], side=SwitchSide(known=False))
    assert {(each.connected, each.bound) for each in found.values()} == {(None, None)}


def test_a_run_keeps_the_files_that_the_controller_needs_and_reads_its_copy(example: Path, tmp_path: Path) -> None:
    (example.parent / "helper.py").write_text("import other\n")
    (example.parent / "other.py").write_text("")
    (example.parent / "unrelated.py").write_text("")
    example.write_text("import helper\n" + example.read_text())
    own_controller.read_copies(None)
    names = own_controllers.named({"controller": ("testbed", str(example)), "mode": ("active-backup",)})
    found = own_controllers.digests(names)
    assert found == {
        str(example): {
            name: hashlib.sha256((example.parent / name).read_bytes()).hexdigest()
            for name in ("helper.py", "learning.py", "other.py")
        }
    }
    own_controllers.keep(names, tmp_path / "run")
    kept = tmp_path / "run" / "user_code" / "controllers" / "learning"
    assert {path.name for path in kept.iterdir()} == {"helper.py", "learning.py", "other.py"}
    example.unlink()
    assert chosen({"controller": str(example)}).side.port_status, "read from the copy"
    assert own_controllers.digests([]) is None


def test_two_controllers_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError, match=r"the controllers a/app.py and b/app.py have one name"):
        own_controllers.named({"controller": ("a/app.py", "b/app.py")})


def test_a_run_with_an_own_controller_is_planned(example: Path) -> None:
    request = Request(
        "failover", None, {"controller": f"testbed,{example}", "mode": "active-backup"}, 1, 1, False, "auto", "virtual"
    )
    trials = prepare(request, []).planned(1)
    assert {trial.case["controller"] for trial in trials} == {"testbed", str(example)}
    assert json.loads(trials[0].to_json())


def test_an_unknown_controller_is_named_with_the_known_ones() -> None:
    with pytest.raises(SpecError) as caught:
        FACTOR.parse("testbd")
    assert "FILE.py, fast-failover, none, ovs, rstp, ryu-example, static, stp, testbed" in caught.value.message
    assert caught.value.hint == "Did you mean 'testbed'?"
