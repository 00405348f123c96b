"""Outages of synthetic probes: every expectation follows from the definitions of RFC 6414 and RFC 4737."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.errors import TrialError
from testbed.measure.outage import (
    BIN_PACKETS,
    ProbeFlow,
    delay,
    late_sends,
    load_probe,
    outage,
    reordered,
    reordering_extent,
)

MS = 1e-3
NEVER = float("nan")


def probe(
    count: int = 1000,
    *,
    delay_s: float | Callable[[float], float] = 0.1 * MS,
    lost: Iterable[int] = (),
    pause: tuple[int, float] = (0, 0.0),
) -> ProbeFlow:
    """A probe of one packet a millisecond; ``pause`` delays packet n and all after it."""
    sent = np.arange(count) * MS
    sent[pause[0] :] += pause[1]
    delays = np.array([delay_s(at) if callable(delay_s) else delay_s for at in sent])
    received = sent + delays
    received[list(lost)] = NEVER
    return ProbeFlow("h1>h2", sent, received, 0)


def test_a_run_without_loss_has_no_outage() -> None:
    found = outage(probe(), MS, 0.4, 0.9)
    assert (found.outage_s, found.outage_loss_s, found.lost, found.recovered) == (0, 0, 0, True)


@pytest.mark.parametrize("delay_s", [0.1 * MS, 5 * MS, 50 * MS])
def test_an_outage_is_the_gap_between_the_packets_around_it(delay_s: float) -> None:
    # Packets 500 to 599 are lost: the last before is 499, the first after is 600.
    begin_s = 0.4995 + delay_s / 2  # with a long delay, packets sent before the fault are lost on their way
    found = outage(probe(delay_s=delay_s, lost=range(500, 600)), MS, begin_s, 0.9)
    assert found.outage_s == pytest.approx(101 * MS)
    assert found.outage_loss_s == pytest.approx(100 * MS)
    assert (found.lost, found.recovered) == (100, True)


def test_one_lost_packet_is_an_outage_of_two_intervals() -> None:
    assert outage(probe(lost=[500]), MS, 0.4, 0.9).outage_s == pytest.approx(2 * MS)


def test_every_second_packet_lost_shows_in_the_loss_not_in_the_gap() -> None:
    # One of two members of a round-robin bond has failed, and the bond has not detected it yet.
    found = outage(probe(lost=range(500, 600, 2)), MS, 0.4, 0.9)
    assert found.outage_s == pytest.approx(2 * MS)
    assert found.outage_loss_s == pytest.approx(50 * MS)


@pytest.mark.parametrize("delay_s", [0.1 * MS, 20 * MS])
def test_a_pause_of_the_sender_is_no_outage_but_is_counted(delay_s: float) -> None:
    paused = probe(delay_s=delay_s, pause=(500, 50 * MS))
    assert outage(paused, MS, 0.4, 0.9).outage_s == 0
    count, longest_s = late_sends(paused, MS)
    assert count == 1
    assert longest_s == pytest.approx(51 * MS)


def test_a_pause_within_an_outage_is_subtracted() -> None:
    paused = probe(pause=(501, 50 * MS), lost=[500])
    assert outage(paused, MS, 0.4, 0.9).outage_s == pytest.approx(2 * MS)


def test_packets_held_up_and_delivered_at_once_are_an_outage() -> None:
    held = probe(delay_s=lambda at: max(0.6 - at, 0.1 * MS) if at >= 0.5 else 0.1 * MS)
    found = outage(held, MS, 0.4, 0.9)
    assert found.outage_s == pytest.approx(0.6 - 0.4991)
    assert (found.lost, found.recovered) == (0, True)


def test_packets_stuck_until_the_repair_do_not_hide_the_outage() -> None:
    # 100 packets wait in the dead member's queue and come half a second later; the flow moved on at 600 ms.
    stuck = probe(delay_s=lambda at: 1.1 - at if 0.5 <= at < 0.5995 else 0.1 * MS, count=1500)
    found = outage(stuck, MS, 0.4995, 1.0)
    assert found.outage_s == pytest.approx(101 * MS)
    assert found.lost == 0
    assert outage(stuck, MS, 1.0, 1.5).outage_s == 0
    assert reordered(stuck) == 100


def test_a_longer_path_after_the_failover_is_no_lasting_outage() -> None:
    longer = probe(delay_s=lambda at: 0.1 * MS if at < 0.5 else 30.1 * MS)
    assert outage(longer, MS, 0.4, 0.9).outage_s == pytest.approx(31 * MS)
    assert outage(longer, MS, 0.6, 0.9).outage_s == 0


def test_a_little_reordering_is_no_outage() -> None:
    swapped = probe(delay_s=lambda at: 2.5 * MS if round(at / MS) % 10 == 0 else 0.1 * MS)
    assert outage(swapped, MS, 0.0, 0.9).outage_s == 0
    # Packets 0, 10, ... each arrive after the two that follow them: they alone are reordered.
    assert reordered(swapped) == 100


def test_reordering_by_the_definition_of_rfc_4737() -> None:
    # A packet is reordered if its number is smaller than the next expected one: here 4, 5 and 6.
    arrival = [1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11]
    received = np.empty(11)
    for at, sequence in enumerate(arrival):
        received[sequence - 1] = 1.0 + at * MS
    flow = ProbeFlow("f", np.arange(11) * MS, received, 0)
    assert reordered(flow) == 3
    # Their extents, to where 7 came (4.2.1): 4, 5 and 6.
    assert reordering_extent(flow) == 6
    assert reordering_extent(probe()) == 0
    assert reordering_extent(probe(lost=range(1000))) == 0


def test_the_three_methods_agree_on_an_outage_that_lost_everything() -> None:
    found = outage(probe(lost=range(500, 600)), MS, 0.4995, 0.9)
    assert found.outage_rate_s == pytest.approx(100 * MS, abs=BIN_PACKETS * MS)
    assert found.methods_agree is True
    assert found.begin_s == pytest.approx(0.4991)
    assert outage(probe(), MS, 0.4, 0.9).methods_agree is True
    assert outage(probe(), MS, 0.4, 0.9).outage_rate_s == 0


def test_the_methods_disagree_where_every_second_packet_is_lost() -> None:
    found = outage(probe(lost=range(500, 600, 2)), MS, 0.4995, 0.9)
    assert found.outage_rate_s == pytest.approx(100 * MS, abs=BIN_PACKETS * MS)
    assert found.methods_agree is False


def test_the_methods_disagree_where_packets_are_held_up_and_not_lost() -> None:
    held = probe(delay_s=lambda at: max(0.6 - at, 0.1 * MS) if at >= 0.5 else 0.1 * MS)
    found = outage(held, MS, 0.4, 0.9)
    assert found.outage_loss_s == 0
    assert found.methods_agree is False


def test_the_methods_give_no_result_for_an_outage_that_did_not_end() -> None:
    assert outage(probe(lost=range(500, 950)), MS, 0.4995, 0.9).methods_agree is None


def test_delay_is_that_of_the_packets_sent_in_the_window() -> None:
    flow = probe(delay_s=lambda at: 5 * MS if 0.4 <= at < 0.45 else 1 * MS, lost=[420])
    during = delay(flow, 0.3995, 0.4495)
    assert [during.median_s, during.max_s] == pytest.approx([5 * MS, 5 * MS])
    both = delay(flow, 0.2995, 0.4495)
    assert [both.median_s, both.max_s] == pytest.approx([1 * MS, 5 * MS])
    nothing = delay(probe(lost=range(400, 500)), 0.4, 0.4995)
    assert (nothing.median_s, nothing.max_s) == (None, None)


def test_a_flow_that_does_not_resume_before_the_repair_has_not_recovered() -> None:
    found = outage(probe(lost=range(500, 950)), MS, 0.4995, 0.9)
    assert not found.recovered
    assert found.outage_s == pytest.approx(0.9 - 0.4991)
    after = outage(probe(lost=range(500, 950)), MS, 0.9, 1.0)
    assert (after.outage_s, after.recovered) == (0, True)


def test_a_flow_that_never_resumes_has_not_recovered() -> None:
    found = outage(probe(lost=range(500, 1000)), MS, 0.4995, 0.9)
    assert not found.recovered
    assert found.outage_s == pytest.approx(0.9 - 0.4991)


def test_a_flow_that_never_arrives_has_not_recovered() -> None:
    found = outage(probe(lost=range(1000)), MS, 0.0, 0.9)
    assert not found.recovered
    assert found.outage_s == pytest.approx(0.9)


def test_failure_and_reversion_are_measured_separately() -> None:
    both = probe(lost=[*range(300, 350), *range(700, 720)])
    assert outage(both, MS, 0.2995, 0.6995).outage_s == pytest.approx(51 * MS)
    assert outage(both, MS, 0.6995, 0.999).outage_s == pytest.approx(21 * MS)


def test_a_fault_noted_a_little_late_still_has_its_outage() -> None:
    assert outage(probe(lost=range(500, 503)), MS, 0.505, 0.9).outage_s == pytest.approx(4 * MS)


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(100, 700),
    length=st.integers(1, 200),
    delay_ms=st.floats(0.01, 30),
    seed=st.integers(0, 1000),
)
def test_the_outage_is_that_of_the_lost_packets_whatever_the_delay(
    first: int, length: int, delay_ms: float, seed: int
) -> None:
    base = probe(lost=range(first, first + length))
    jitter_ms = np.random.default_rng(seed).uniform(0, 0.4, 1000)
    flow = ProbeFlow("f", base.sent_s, base.received_s + (delay_ms + jitter_ms) * MS, 0)
    found = outage(flow, MS, first * MS - 0.5 * MS, 2.0)
    assert abs(found.outage_s - (length + 1) * MS) < 0.5 * MS
    assert found.lost == length
    assert found.recovered


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


HEADER = "flow,seq,sent_s,received_s\n"


def test_a_probe_is_read_with_its_losses_and_duplicates(tmp_path: Path) -> None:
    rows = "h1>h2,0,1.0,1.001\nh1>h2,0,1.0,1.002\nh1>h2,1,1.001,\nh2>h1,0,1.0,1.0005\n"
    there, back = load_probe(write(tmp_path / "probe.csv", HEADER + rows))
    assert (there.name, back.name) == ("h1>h2", "h2>h1")
    assert (there.duplicated, there.lost, back.duplicated) == (1, 1, 0)
    assert there.received_s[0] == 1.001
    assert np.isnan(there.received_s[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no header flow,seq,sent_s,received_s"),
        ("flow;seq\n", "has no header flow,seq,sent_s,received_s"),
        (HEADER, "holds no packet"),
        (HEADER + "f,0,1.0,1.1\nf,1,1.0", "is cut off in line 3"),
        (HEADER + "f,0,1.0,1.1\nf,1,1.0\n", "is damaged in line 3: f,1,1.0"),
        (HEADER + "f,0,1.0,1.1\nf,1,x,1.2\n", "is damaged in line 3: f,1,x,1.2"),
        (HEADER + "f,0,1.0,1.1\nf,2,1.0,1.2\n", "line 3: packet 2 of flow f follows packet 0"),
        (HEADER + "f,0,1.0,\ng,0,1.0,\ng,1,1.1,\ng,0,1.2,\nf,2,1.0,\n", "line 5: packet 0 of flow g follows packet 1"),
        (HEADER + "f,1,1.0,1.1\n", "line 2: packet 1 of flow f follows packet -1"),
    ],
)
def test_a_damaged_probe_names_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TrialError) as error:
        load_probe(write(tmp_path / "probe.csv", text))
    assert message in str(error.value)
    assert "probe.csv" in str(error.value)
