"""The controller's state, and its metrics in Prometheus' text format."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request

import pytest

from testbed.controller.state import metrics
from testbed.controller.web import server
from tests.controller.rig import Rig
from topologies.mlag import mlag


@pytest.fixture(scope="module")
def rig() -> Rig:
    rig = Rig(mlag())
    rig.answer()
    rig.run(4.0)
    return rig


def test_the_state_is_json_and_holds_the_forwarders(rig: Rig) -> None:
    state = json.loads(json.dumps(rig.state()))
    assert state["lags"]["lag-h1"]["distributing"] == ["1:1", "2:1"]
    assert state["lags"]["lag-h1"]["forwarders"] == ["1"]
    assert state["links"] == [{"a": "1:3", "b": "2:3", "live": True, "tree": True}]
    assert state["switches"]["1"]["ports"] == {"1": True, "2": True, "3": True, "4": True}
    assert state["systems"]["core"]["lags"]["lag-h2"]["ports"][1]["port"] == [2, 2]
    # The LAGs' groups are numbered from 0x10000; h1's members on s1 are its port 1.
    assert state["switches"]["1"]["groups"][str(0x10000)] == {"kind": "select", "buckets": [{"port": 1}]}


def test_every_line_of_the_metrics_has_prometheus_format(rig: Rig) -> None:
    """The format: https://prometheus.io/docs/instrumenting/exposition_formats/"""
    text = metrics(rig.state())
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"# TYPE (\w+) (counter|gauge)", line):
            kinds[found[1]] = found[2]
            continue
        if line.startswith("# HELP "):
            continue
        found = re.fullmatch(r'(\w+)\{(\w+="[^"]*"(,\w+="[^"]*")*)\} \d+', line)
        assert found, line
        assert found[1] in kinds, f"{line} comes before its type"
        assert found[1].endswith("_total") == (kinds[found[1]] == "counter")


def test_the_metrics_count(rig: Rig) -> None:
    lines = metrics(rig.state()).splitlines()
    assert 'testbed_lag_members_distributing{lag="lag-h1"} 2' in lines
    assert 'testbed_port_distributing{system="core",lag="lag-h1",port="2:1"} 1' in lines
    assert 'testbed_switch_connected{dpid="2"} 1' in lines
    sent = next(line for line in lines if line.startswith("testbed_lacpdus_sent_total{"))
    assert (
        int(sent.split()[-1])
        == rig.core.systems["core"].snapshot()["lags"]["lag-h1"]["ports"][0]["counters"]["lacpdus_sent"]
    )  # type: ignore[index,call-overload]


def test_both_pages_are_served_and_no_other(rig: Rig) -> None:
    web = server(0, rig.state)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    try:
        base = f"http://127.0.0.1:{web.server_address[1]}"
        with urllib.request.urlopen(f"{base}/state") as answer:
            assert json.load(answer)["lags"].keys() == {"lag-h1", "lag-h2"}
        with urllib.request.urlopen(f"{base}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert b"testbed_transitions_total" in answer.read()
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{base}/else")
        assert error.value.code == 404
        assert error.value.read() == b"no page /else; there are /state and /metrics\n"
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
