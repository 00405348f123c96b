"""Networks made from a spec: links keep their rate and their delay, and an error names what does not come up."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from testbed.results import result
from tests.emulation.rates import LINES
from tests.emulation.support import HERE, run, testbed
from tests.emulation.wire import FRAME, TRAIN


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the user's own experiment measured on the user's own topology, both given by path."""
    place = tmp_path_factory.mktemp("network") / "wire"
    found = run(place, str(HERE / "wire.py"), "--topology", str(HERE / "rates.py"))
    (record,) = found.records
    assert record.metrics == {"pairs": len(LINES)}
    lines: list[dict[str, Any]] = json.loads((place / record.raw / "wire.json").read_text())
    return lines


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_packet_takes_the_delay_of_its_links(lines: list[dict[str, Any]], number: int) -> None:
    _, delay_ms = LINES[number]
    assert lines[number]["delay_ns"] / 1e6 == pytest.approx(2 * delay_ms, rel=0.01)


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_link_keeps_its_rate(lines: list[dict[str, Any]], number: int) -> None:
    rate_mbps, _ = LINES[number]
    train_ns = lines[number]["train_ns"]
    assert len(train_ns) == TRAIN
    # The first frames may use a full token bucket; the later ones are paced.
    half = TRAIN // 2
    found_mbps = (TRAIN - half) * FRAME * 8 * 1e3 / (train_ns[-1] - train_ns[half - 1])
    # A guest's timers are no finer than half a microsecond: at 100 Gbit/s frames come four or more at a time.
    assert found_mbps == pytest.approx(rate_mbps, rel=0.01 if rate_mbps <= 10_000 else 0.05)
    gaps_ns = [after - before for before, after in itertools.pairwise(train_ns)]
    assert max(gaps_ns) < 2 * FRAME * 8 * 1e3 / rate_mbps + 3000


@pytest.mark.parametrize("number", range(len(LINES)))
def test_tc_shows_the_rate_and_the_delay(lines: list[dict[str, Any]], number: int) -> None:
    rate_mbps, delay_ms = LINES[number]
    shown = re.search(r"class htb \S+ .* rate (\d+)([MG])bit .*ceil (\d+)([MG])bit ", lines[number]["classes"])
    assert shown is not None, lines[number]["classes"]
    rate, rate_unit, ceiling, ceiling_unit = shown.groups()
    unit = {"M": 1, "G": 1000}
    assert int(rate) * unit[rate_unit] == int(ceiling) * unit[ceiling_unit] == rate_mbps
    shown = re.search(r"qdisc netem \S+ .* delay (\d+)(us|ms)", lines[number]["qdiscs"])
    assert shown is not None, lines[number]["qdiscs"]
    found_ms = int(shown[1]) / {"ms": 1, "us": 1000}[shown[2]]
    assert found_ms == pytest.approx(delay_ms, rel=0.01)  # tc truncates to a microsecond


def test_a_bond_that_does_not_come_up_is_named_with_what_it_lacks(place: Path) -> None:
    words = ("failover", "--topology", str(HERE / "mismatched.py"), "--set", "mode=802.3ad", "--repetitions", "1")
    answer = testbed("run", *words, "--out", str(place))
    assert answer.returncode == 0, "a network that is cut off is a result"
    (record,) = result.load(place).records
    # Each bond uses one member (bonding.rst, "802.3ad"), and the static LAG sends by both: a hash decides.
    assert record.status == "censored"
    assert record.reason.startswith("h1>h2, h2>h1 did not get through before the fault")
    assert (record.metrics["connected"], record.metrics["within_bound"]) == (False, None)
    for member in ("h1-eth0", "h1-eth1", "h2-eth0", "h2-eth1"):
        assert f"{member} has LACP state" in " ".join(record.warnings)
    # It is printed on the terminal as well, and the trial's files are kept.
    assert "did not get through" in answer.stdout + answer.stderr
    assert (place / record.raw / "controller.log").exists()


def test_a_users_experiment_may_be_anywhere(tmp_path: Path) -> None:
    """Also below the temporary directory, which a guest has as its own."""
    own = tmp_path / "idle.py"
    own.write_text(
        "from testbed.experiment.experiment import Experiment, Factor, Measured\n"
        "def procedure(lab):\n    lab.write('seen.json', sorted(h.name for h in lab.topology.hosts))\n"
        "def read(raw, trial):\n    return Measured({'hosts': (raw / 'seen.json').read_text().split()})\n"
        "def idle():\n"
        "    return Experiment('idle', 'Idle', 'Does it run?', 'dual_switch',\n"
        "                      (Factor('n', (1,), 'nothing'),), procedure, read, ())\n"
    )
    found = run(tmp_path / "run", str(own))
    assert [record.status for record in found.records] == ["ok"], found.records
