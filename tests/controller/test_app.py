"""The application: how often it takes the state, and how it starts from a state file."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from testbed.controller.checkpoint import save
from testbed.controller.config import Configuration, parse, to_yaml
from testbed.controller.core import Core
from testbed.controller.store import Store
from testbed.controller.web import server
from testbed.lacp import System
from tests.controller.rig import Rig
from topologies.mlag import mlag


@pytest.fixture
def snapshots(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry each time the state is taken: mlag has one LACP system, which is asked for its snapshot."""
    found: list[str] = []
    snapshot = System.snapshot

    def counted(system: System) -> dict[str, object]:
        found.append(system.system_id.system)
        return snapshot(system)

    monkeypatch.setattr(System, "snapshot", counted)
    return found


@pytest.fixture
def base(application: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the application's web server; events are handled as they are sent."""
    monkeypatch.setattr(application, "send_event", lambda _name, event: application.on_state_request(event))
    web = server(0, application.request_state)
    thread = Thread(target=web.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{web.server_address[1]}"
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


@pytest.mark.parametrize("page", ["/state", "/metrics"])
def test_each_request_takes_the_state_once(snapshots: list[str], base: str, page: str) -> None:
    snapshots.clear()
    for count in (1, 2):
        with urllib.request.urlopen(base + page) as answer:
            assert answer.status == 200
        assert len(snapshots) == count


def test_a_page_that_does_not_exist_takes_no_state(snapshots: list[str], base: str) -> None:
    snapshots.clear()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{base}/else")
    assert snapshots == []


def test_the_start_takes_the_state_once(snapshots: list[str], application: Any) -> None:
    """It is the answer to a first request that comes while the application is busy."""
    assert len(snapshots) == 1
    assert application._state["switches"]["1"]["connected"] is False


@pytest.fixture(scope="module")
def before() -> Rig:
    """The controller of mlag 4 s after its start; all members carry traffic."""
    rig = Rig(mlag())
    rig.answer()
    rig.run(4.0)
    return rig


def restarted(state: dict[str, Any] | None, path: Path) -> tuple[Core, list[dict[str, Any]]]:
    """The core that starts from this state, 1.5 s later, and what it logs."""
    pytest.importorskip("os_ken")
    from testbed.controller.app import make_core

    configuration: Configuration = parse(yaml.safe_load(to_yaml(mlag())), "file")
    store = Store(path, configuration)
    if state is not None:
        store.write(state, 4.0)
    lines: list[dict[str, Any]] = []
    core = make_core(configuration, store, lambda source, event, **more: lines.append({"event": event, **more}), 5.5)
    return core, lines


def test_a_state_file_is_resumed(before: Rig, tmp_path: Path) -> None:
    core, lines = restarted(save(before.core), tmp_path / "state")
    assert lines[0] == {"event": "resumed", "age_s": 1.5}
    assert set(core.fabric.lags["lag-h1"].distributing) == {(1, 1), (2, 1)}


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        (None, None, "there is none"),
        ("systems", {}, "the saved state is damaged: ValueError"),
        ("isolated", [[1]], "the saved state is damaged: ValueError"),
        ("fabric", {}, "the saved state is damaged: KeyError"),
        ("systems", {"core": None}, "the saved state is damaged: AttributeError"),
        ("transitions", None, "the saved state is damaged: AttributeError"),
    ],
)
def test_without_a_usable_state_file_the_controller_starts_from_nothing(
    before: Rig, tmp_path: Path, part: str | None, value: Any, reason: str
) -> None:
    """No half of a state is kept: the fabric is restored before the LACP systems."""
    core, lines = restarted(None if part is None else {**save(before.core), part: value}, tmp_path / "state")
    (line,) = [line for line in lines if line["event"] == "begins_anew"]
    assert line["reason"].startswith(reason)
    assert save(core) == save(before.fresh_core())
