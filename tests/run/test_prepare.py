"""What must be the same when a run is resumed, and what is kept of a user's topology."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import synthetic

from testbed.backends.watchdog import Watchdog
from testbed.design.trial import Trial
from testbed.errors import SpecError
from testbed.results import result
from testbed.run import execute, own_code, prepare

NET = """
from helper import MEMBERS
from testbed.spec import BondOptions, Cable
from testbed.spec.wiring import Wiring

def net(*, bonding=BondOptions()):
    wiring = Wiring(bonding=bonding)
    (switch,) = wiring.switches(1)
    for host in ("web", "db"):
        wiring.bonded(host, [switch] * MEMBERS)
    return wiring.topology("net")
"""


class Able:
    """A backend whose trials succeed at once."""

    name = "native"

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        (directory / "outcome.json").write_text(json.dumps({"status": "failed", "reason": "no", "virtual_s": 1.0}))


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A user's topology file, with a file that it imports and one that it does not."""
    directory = tmp_path / "mine"
    directory.mkdir()
    (directory / "helper.py").write_text("MEMBERS = 2\n")
    (directory / "other.py").write_text("nothing = 1\n")
    (directory / "net.py").write_text(NET)
    return directory / "net.py"


Carry = Callable[..., result.Run]


@pytest.fixture
def carry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Carry:
    """Carry a run out, or resume it, with trials that start nothing."""
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(prepare, "choose_backend", lambda *_: Able())
    place = tmp_path / "run"

    def carried(topology: str | None, repetitions: int, *, resume: bool = False, **more: Any) -> result.Run:
        settings = {"mode": "802.3ad", **more}
        request = prepare.Request("failover", topology, settings, repetitions, 1, False, "auto", "virtual")
        argv = ["testbed", "run", "failover", "--repetitions", str(repetitions), *(["--resume"] if resume else [])]
        prepared = prepare.prepare(request, argv)
        backend = prepare.begin(prepared, place, resume=resume)
        execute.carry_out(prepared, backend, place, jobs=1, planned=lambda _: None, done=lambda _: None)
        return result.load(place)

    return carried


def test_a_finished_run_grows_by_more_repetitions(carry: Carry) -> None:
    few = carry(None, 2)
    many = carry(None, 5, resume=True)
    assert [record.number for record in many.records] == [1, 2, 3, 4, 5]
    assert many.records[:2] == few.records
    assert many.manifest["repetitions"] == 5 and many.planned == 5
    assert many.manifest["argv"] == ["testbed", "run", "failover", "--repetitions", "5"]
    with pytest.raises(SpecError, match="holds a run with other repetitions: 5, not 3"):
        carry(None, 3, resume=True)


def test_a_topology_file_is_kept_with_what_it_imports(net: Path, carry: Carry) -> None:
    run = carry(str(net), 1)
    assert {path.name for path in (run.path / "user_topology").iterdir()} == {"net.py", "helper.py"}
    assert set(run.manifest["user_topology"]) == {"net.py", "helper.py"}
    assert own_code.topology_digests("mlag") is None


@pytest.mark.parametrize(
    ("edited", "text"),
    [("net.py", NET.replace('"db"', '"base"')), ("net.py", NET + "\n# a comment\n"), ("helper.py", "MEMBERS = 4\n")],
)
def test_a_topology_that_was_edited_is_not_resumed(net: Path, carry: Carry, edited: str, text: str) -> None:
    carry(str(net), 1)
    (net.parent / edited).write_text(text)
    with pytest.raises(SpecError) as caught:
        carry(str(net), 2, resume=True)
    assert f"holds a run with another user_topology: {edited} " in caught.value.message
    assert caught.value.hint.startswith("The run has trials with the topology's file as it was")


def test_a_file_that_the_topology_does_not_import_may_change(net: Path, carry: Carry) -> None:
    carry(str(net), 1)
    (net.parent / "other.py").write_text("nothing = 2\n")
    assert len(carry(str(net), 2, resume=True).records) == 2


@pytest.mark.parametrize(("key", "name"), [("code", "provenance.code_digest"), ("tools", "machine.tool_versions")])
def test_other_code_or_tools_are_refused(carry: Carry, monkeypatch: pytest.MonkeyPatch, key: str, name: str) -> None:
    carry(None, 1)
    value = {"iperf3": "0.0"} if key == "tools" else "another"
    monkeypatch.setattr(f"testbed.run.prepare.{name}", lambda *_: value)
    with pytest.raises(SpecError, match=f"holds a run with other {key}: "):
        carry(None, 1, resume=True)


def test_another_level_of_a_factor_is_refused(tmp_path: Path) -> None:
    text = synthetic.manifest("gateway", {"faults": [3]}, [], repetitions=1)
    place = synthetic.write(tmp_path / "run", text, []).path
    wanted = {**result.load(place).manifest, "factors": {"faults": [4]}}
    with pytest.raises(SpecError, match=r"holds a run with other factors: faults \[3\], not \[4\]"):
        prepare._check_same(place, wanted)


def test_networks_that_differ_though_no_file_does_are_refused(
    net: Path, carry: Carry, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = NET.replace("MEMBERS)", "int(__import__('os').environ.get('MEMBERS', 2)))")
    net.write_text(text.replace("from helper import MEMBERS\n", ""))
    carry(str(net), 1)
    monkeypatch.setenv("MEMBERS", "3")
    with pytest.raises(SpecError, match="holds a run with other networks: "):
        carry(str(net), 1, resume=True)
