"""Goodput and losses from the output of iperf3 3.12 for two flows over loopback, against iperf3's own totals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import TrialError
from testbed.measure import iperf3

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "iperf3-3.12.json"


def changed(tmp_path: Path, change: Any) -> Path:
    """The sample with its second flow changed."""
    data = json.loads(SAMPLE.read_text())
    change(data["flows"][1])
    path = tmp_path / "iperf3.json"
    path.write_text(json.dumps(data))
    return path


def test_the_goodput_is_iperf3s_total_of_what_was_received() -> None:
    flows = json.loads(SAMPLE.read_text())["flows"]
    totals = [flow["client"]["end"]["sum_received"]["bits_per_second"] / 1e6 for flow in flows]
    received = iperf3.load(SAMPLE)
    # iperf3's own total also holds what was queued when the clients had ended: less than 1 % of a second's.
    assert received.goodput_mbps == pytest.approx(sum(totals), rel=0.01)
    assert received.retransmits == sum(flow["client"]["end"]["sum_sent"]["retransmits"] for flow in flows)


def test_omitted_seconds_do_not_count(tmp_path: Path) -> None:
    def more_in_the_omitted_second(flow: dict[str, Any]) -> None:
        (omitted,) = (part["sum"] for part in flow["server"]["intervals"] if part["sum"]["omitted"])
        omitted["bytes"] *= 10

    assert iperf3.load(changed(tmp_path, more_in_the_omitted_second)) == iperf3.load(SAMPLE)


def test_a_failed_client_names_its_flow_and_its_error(tmp_path: Path) -> None:
    def refused(flow: dict[str, Any]) -> None:
        flow["client"]["error"] = "unable to connect to server: Connection refused"

    with pytest.raises(TrialError) as error:
        iperf3.load(changed(tmp_path, refused))
    text = "iperf3 client of the flow from port 50003: unable to connect to server: Connection refused"
    assert str(error.value) == text


def test_a_failed_server_names_its_flow(tmp_path: Path) -> None:
    def busy(flow: dict[str, Any]) -> None:
        flow["server"] = {"error": "the server is busy running a test. try again later"}

    with pytest.raises(TrialError, match=r"iperf3 server of the flow from port 50003: the server is busy"):
        iperf3.load(changed(tmp_path, busy))


def test_a_flow_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    def short(flow: dict[str, Any]) -> None:
        flow["server"]["intervals"] = [part for part in flow["server"]["intervals"] if part["sum"]["omitted"]]

    with pytest.raises(TrialError, match=r"from port 50003 reports 0.000 s of 1 s"):
        iperf3.load(changed(tmp_path, short))


def test_a_damaged_file_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "iperf3.json"
    path.write_text(SAMPLE.read_text()[:5000])
    with pytest.raises(TrialError, match=r"raw file iperf3.json is damaged: "):
        iperf3.load(path)


def test_datagrams_are_counted_as_received_and_as_lost(tmp_path: Path) -> None:
    data = json.loads(SAMPLE.read_text())
    for flow, lost in zip(data["flows"], (3, 4), strict=True):
        flow["client"]["start"]["test_start"]["protocol"] = "UDP"
        del flow["client"]["end"]["sum_sent"]["retransmits"]
        flow["client"]["end"]["sum"] = {"lost_packets": lost}
    path = tmp_path / "iperf3.json"
    path.write_text(json.dumps(data))
    received = iperf3.load(path)
    assert (received.lost, received.retransmits) == (7, None)
    assert received.goodput_mbps == iperf3.load(SAMPLE).goodput_mbps


def test_the_load_of_processors_is_summed_over_flows() -> None:
    ends = [flow["client"]["end"]["cpu_utilization_percent"] for flow in json.loads(SAMPLE.read_text())["flows"]]
    sending, receiving = iperf3.load(SAMPLE).cpu_percent
    assert sending == pytest.approx(sum(end["host_total"] for end in ends))
    assert receiving == pytest.approx(sum(end["remote_total"] for end in ends))
