"""Stalls and goodput of TCP flows, from synthetic samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure import tcp_stall
from testbed.measure.goodput import tcp_mbps

HEADER = "t_s,client_port,received_bytes\n"


def written(path: Path, *flows: tuple[int, list[tuple[float, int]]]) -> Path:
    rows = sorted((at, port, octets) for port, samples in flows for at, octets in samples)
    path.write_text(HEADER + "".join(f"{at:.9f},{port},{octets}\n" for at, port, octets in rows))
    return path


#: 1 Mbit each 5 ms until 1 s, nothing until 1.235 s, then on until 3 s.
STEPS = [n * 5e-3 for n in range(1, 601) if not 1.0 < n * 5e-3 < 1.235]
STOPPED = [(at, 125_000 * n) for n, at in enumerate(STEPS, 1)]


def test_a_stall_is_the_longest_time_without_progress(tmp_path: Path) -> None:
    flow = tcp_stall.load(written(tmp_path / "progress.csv", (10, STOPPED)))[10]
    found = flow.stall(0.9, 2.0)
    assert (found.begin_s, found.stall_s, found.over) == (pytest.approx(1.0), pytest.approx(0.235), True)


def test_a_stall_before_or_after_the_window_does_not_count(tmp_path: Path) -> None:
    flow = tcp_stall.load(written(tmp_path / "progress.csv", (10, STOPPED)))[10]
    assert flow.stall(0.2, 0.9).stall_s == pytest.approx(0.005)
    assert flow.stall(1.5, 2.0).stall_s == pytest.approx(0.005)


def test_a_stall_that_lasts_into_the_repair_is_not_over(tmp_path: Path) -> None:
    flow = tcp_stall.load(written(tmp_path / "progress.csv", (10, STOPPED)))[10]
    found = flow.stall(0.9, 1.1)
    assert (found.stall_s, found.over) == (pytest.approx(0.235), False)


def test_a_flow_that_never_resumes_stalls_until_the_end_of_the_window(tmp_path: Path) -> None:
    flow = tcp_stall.load(written(tmp_path / "progress.csv", (10, STOPPED[:200])))[10]
    found = flow.stall(0.9, 2.5)
    assert (found.stall_s, found.over) == (pytest.approx(1.5), False)


def test_goodput_counts_what_all_flows_delivered_in_the_time(tmp_path: Path) -> None:
    flows = tcp_stall.load(written(tmp_path / "progress.csv", (10, STOPPED), (11, STOPPED)))
    # 1 Mbit each 5 ms is 200 Mbit/s for each flow.
    assert tcp_mbps(flows, (0.4, 0.9), 0.005) == pytest.approx(400.0, rel=0.01)
    assert tcp_mbps(flows, (1.02, 1.22), 0.005) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is cut off in line 1"),
        ("t,port\n", "has no header t_s,client_port,received_bytes"),
        (HEADER, "holds no sample"),
        (HEADER + "1.0,10,100", "is cut off in line 2"),
        (HEADER + "1.0,10\n", "is damaged in line 2: 1.0,10"),
        (HEADER + "1.0,10,100\n0.9,10,200\n", "line 3: the flow from port 10 went back"),
        (HEADER + "1.0,10,100\n1.1,10,90\n", "line 3: the flow from port 10 went back"),
        (HEADER + "1.0,10,100\n1.0,10,200\n", "line 3: the flow from port 10 went back"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "progress.csv"
    path.write_text(text)
    with pytest.raises(TrialError, match=r"progress\.csv") as error:
        tcp_stall.load(path)
    assert message in error.value.message
