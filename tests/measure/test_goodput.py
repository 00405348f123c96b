"""Goodput over one window: against counts made by hand, and a link that is exactly full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed import theory
from testbed.errors import TrialError
from testbed.measure import tcp_stall
from testbed.measure.goodput import carried_mbps, common_window, link_mbps, tcp_mbps
from testbed.spec.addressing import Addressing
from topologies.single_switch import single_switch


def events(first_s: float, last_s: float) -> list[dict[str, Any]]:
    return [
        {"t_s": first_s, "source": "iperf3", "event": "begin"},
        {"t_s": last_s, "source": "iperf3", "event": "started"},
    ]


def test_the_window_is_common_to_the_first_and_the_last_flow() -> None:
    assert common_window(events(5.0, 5.25), 2.0, 1.0) == (6.25, 8.0)
    with pytest.raises(TrialError, match=r"started 2.500 s after the first: no window"):
        common_window(events(5.0, 7.5), 2.0, 1.0)


def test_flows_that_take_turns_on_a_full_link_never_get_more_than_it_carries(tmp_path: Path) -> None:
    """Two flows share 1000 octets a tenth of a second, in turns: any window has that, whoever sent when."""
    path, lines, delivered = tmp_path / "progress.csv", [], [0, 0]
    for step in range(60):
        delivered[step // 7 % 2] += 1000
        lines += [f"{step / 10:.1f},{50001 + flow},{octets}" for flow, octets in enumerate(delivered) if octets]
    kept = list(dict.fromkeys(lines))
    seen: dict[str, str] = {}
    grown = []
    for line in kept:  # a sample is written only if the flow has delivered more
        _, port, octets = line.split(",")
        if seen.get(port) != octets:
            grown.append(line)
        seen[port] = octets
    path.write_text("\n".join(["t_s,client_port,received_bytes", *grown]) + "\n")
    flows = tcp_stall.load(path)
    for window in ((1.0, 3.0), (1.04, 3.37), (0.72, 4.99)):
        assert tcp_mbps(flows, window, 0.1) == pytest.approx(10_000 * 8 / 1e6)
    with pytest.raises(TrialError, match="no two samples of the flows between"):
        tcp_mbps(flows, (1.01, 1.05), 0.1)


def test_a_stall_at_an_end_of_the_window_counts(tmp_path: Path) -> None:
    """Nothing for half of the window, then 1000 octets a tenth of a second."""
    path = tmp_path / "progress.csv"
    steps = [*range(10), *range(20, 31)]
    rows = [f"{step / 10:.1f},50001,{1000 * (step + 1 - 10 * (step >= 20))}" for step in steps]
    path.write_text("\n".join(["t_s,client_port,received_bytes", "0.05,50001,1", *rows[1:]]) + "\n")
    flows = tcp_stall.load(path)
    assert tcp_mbps(flows, (1.0, 3.0), 0.1) == pytest.approx(11_000 * 8 / 2.0 / 1e6)


@pytest.mark.parametrize("late_s", [0.0, 5e-6, 0.004])
def test_a_sample_that_comes_late_moves_no_end_of_the_window(tmp_path: Path, late_s: float) -> None:
    """1000 octets a tenth of a second, every second count so much late; the window ends right before a sample."""
    path = tmp_path / "progress.csv"
    rows = [f"{step / 10 + late_s * (step % 2):.6f},50001,{1000 * step}" for step in range(31)]
    path.write_text("\n".join(["t_s,client_port,received_bytes", *rows]) + "\n")
    flows = tcp_stall.load(path)
    for window in ((1.0, 2.7), (0.9 + 2e-6, 2.7 + 2e-6)):
        assert tcp_mbps(flows, window, 0.1) == pytest.approx(1000 * 8 / 0.1 / 1e6, rel=late_s / 1.5 + 1e-9)


def test_datagrams_are_counted_by_the_receivers_links(tmp_path: Path) -> None:
    """1000 packets of 1500 octets, 1472 of them payload, a second on each of two links."""
    path = tmp_path / "member_rates.csv"
    rows = [f"{step / 10:.1f},h2-eth{member},0,{step * 100 * 1500}" for step in range(30) for member in range(2)]
    path.write_text("\n".join(["t_s,interface,tx_bytes,rx_bytes", *rows]) + "\n")
    found = carried_mbps(path, single_switch(members=2), (0.55, 2.45), "udp", 1500)
    assert found == pytest.approx(2 * 1000 * 1472 * 8 / 1e6)


@pytest.mark.parametrize(
    ("words", "part"),
    [({}, 1448 / 1538), ({"ip": 6}, 1428 / 1538), ({"vlan": 9}, 1448 / 1542), ({"ip": 6, "vlan": 9}, 1428 / 1542)],
)
def test_a_link_delivers_by_the_headers_of_its_hosts(words: dict[str, int], part: float) -> None:
    topology = single_switch(addressing=Addressing(**words))
    assert link_mbps(topology) == pytest.approx(1000 * part)
    assert theory.ideal_mbps("802.3ad", 1, 1000.0) == pytest.approx(1000 * 1448 / 1538)
