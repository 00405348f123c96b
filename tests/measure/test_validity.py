"""Errors of the tool, injected into the raw files of a probe: each gives a warning, or fails the trial."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from testbed.errors import TrialError
from testbed.measure.outage import ProbeFlow, outage
from testbed.measure.validity import check_clock, check_probe, unseen

MS = 1e-3


def flow(sent_s: list[float] | None = None, delay_s: float = 0.1 * MS) -> ProbeFlow:
    sent = np.arange(1000) * MS if sent_s is None else np.array(sent_s)
    return ProbeFlow("h1>h2", sent, sent + delay_s, 0)


def about(path: Path, **changes: object) -> Path:
    """A probe.json of one punctual flow of a second, with some of it changed."""
    found = {"interval_s": MS, "due_s": 0.0, "ended_s": 1.0, "flows": [{"flow": "h1>h2", "receiver_dropped": 0}]}
    path.write_text(json.dumps({**found, **changes}))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "probe.json"


def test_a_punctual_probe_gives_no_warning(path: Path) -> None:
    check_clock([flow()])
    assert check_probe(about(path), [flow()]) == []


def test_a_sender_that_stalls_gives_a_warning_with_its_lateness_and_makes_no_outage(path: Path) -> None:
    # It pauses for 50 ms, and then sends at once what had become due.
    sent = [n * MS if n < 500 else max(n * MS, 0.55) for n in range(1000)]
    stalled = flow(sent)
    (warning,) = check_probe(about(path), [stalled])
    assert "the probe's sender of h1>h2 paused 1 times, up to 51.0 ms, and was up to 50.0 ms late" in warning
    found = outage(stalled, MS, 0.4, 0.9)
    assert (found.outage_s, found.outage_loss_s, found.outage_rate_s) == (0, 0, 0)


def test_a_sender_that_dies_early_gives_a_warning(path: Path) -> None:
    (warning,) = check_probe(about(path), [flow([n * MS for n in range(900)])])
    assert warning == "the probe's sender of h1>h2 sent nothing in its last 101.0 ms"


def test_packets_that_the_receiver_had_no_room_for_fail_the_trial(path: Path) -> None:
    full = about(path, flows=[{"flow": "h1>h2", "receiver_dropped": 17}])
    with pytest.raises(TrialError, match="the receiver of flow h1>h2 had no room for 17 packets: the probe lost them"):
        check_probe(full, [flow()])


def test_a_probe_json_of_other_flows_fails_the_trial(path: Path) -> None:
    other = about(path, flows=[{"flow": "h2>h1", "receiver_dropped": 0}])
    with pytest.raises(TrialError, match=r"raw file probe.json has the flows h2>h1; the packets are of h1>h2"):
        check_probe(other, [flow()])


@pytest.mark.parametrize("text", ['{"interval_s": 0.001', '{"interval_s": 0.001}', '{"flows": 7}', "[]"])
def test_a_damaged_probe_json_names_itself(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(TrialError, match=r"raw file probe.json is damaged"):
        check_probe(path, [flow()])


def test_a_lost_probe_json_is_no_trial(path: Path) -> None:
    with pytest.raises(FileNotFoundError):  # the runner makes a failed trial of it, with the file's name
        check_probe(path, [flow()])


def test_a_clock_that_went_back_between_two_packets_fails_the_trial() -> None:
    sent = [n * MS - (0.02 if n >= 500 else 0) for n in range(1000)]
    with pytest.raises(TrialError, match=r"packet 500 of flow h1>h2 left 0.019000 s before packet 499"):
        check_clock([flow(sent)])


def test_a_clock_that_went_back_while_a_packet_was_under_way_fails_the_trial() -> None:
    with pytest.raises(TrialError, match=r"packet 1 of flow h1>h2 arrived 0.020000 s before it left"):
        check_clock([flow(delay_s=-0.02)])


def test_frames_that_were_not_seen_give_a_warning() -> None:
    lost = {"t_s": 0.0, "source": "wire", "event": "unseen", "interface": "h1-eth0", "frames": 12}
    other = {"t_s": 0.0, "source": "fault", "event": "begin"}
    assert unseen([lost, other]) == ["12 frames on h1-eth0 were not seen: its events may be incomplete"]
