"""The starts of independent clocks: over many seeds every alignment of any two of them is equally likely.

clock a  --|-----|-----|-----|--      phase of each at one instant, in parts of its period:
clock b  ---|---|---|---|---|---      uniform on the unit square if the clocks are independent
                    ^instant
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import chisquare, kstest, pearsonr

from testbed.emulation.clocks import Clocks, drawn_s
from testbed.emulation.starts import Start, planned
from testbed.schemes import SCHEMES
from testbed.spec import BondOptions, Topology
from testbed.spec.wiring import Wiring
from testbed.theory.clocks import bond_period_s, lacpdu_period_s, noticing_period_s
from topologies.back_to_back import back_to_back
from topologies.mlag import mlag
from topologies.single_switch import single_switch
from topologies.trunk import trunk

#: The probability that independent clocks are refused by chance, for all tests of one network together.
_LEVEL = 0.01
_SEEDS = range(200)
#: The unit square is cut into so many parts by so many: 12.5 of 200 seeds are expected in each.
_PARTS = 4
#: An instant at which everything runs.
_LATER_S = 1000.0

Drawer = Callable[[int, str, float], float]


def _lacp(**options: Any) -> BondOptions:
    return BondOptions(mode="802.3ad", **options)


NETWORKS: dict[str, Topology] = {
    "fast": single_switch(bonding=_lacp()),
    "slow": single_switch(bonding=_lacp(lacp_rate="slow")),
    "monitors": single_switch(bonding=BondOptions(mode="active-backup", miimon_ms=50)),
    "team": single_switch(bonding=_lacp(driver="team")),
    "back to back": back_to_back(bonding=_lacp()),
    "mlag": mlag(bonding=_lacp()),
    "trunk": trunk(bonding=_lacp()),
}


def _phases(topology: Topology, drawer: Drawer, scheme: str = "testbed") -> dict[str, list[float]]:
    """For each clock the parts of its period that have gone by at one instant, one for each seed."""
    found: dict[str, list[float]] = {}
    bond = topology.hosts[0].bond
    others = {"controller": 1.0, "probe": 0.001, "fault": noticing_period_s(bond, "silent_loss", lacp=True)}
    for seed in _SEEDS:
        starts = [
            (start.name, start.period_s, start.at_s)
            for start in planned(topology, SCHEMES[scheme], lambda name, period_s, s=seed: drawer(s, name, period_s))
        ]
        starts += [(name, period_s, drawer(seed, name, period_s)) for name, period_s in others.items()]
        for name, period_s, at_s in starts:
            found.setdefault(name, []).append((_LATER_S - at_s) % period_s / period_s)
    return found


def _refused(phases: Mapping[str, list[float]]) -> list[str]:
    """What is not as with independent clocks: exact or asymptotic tests, at ``_LEVEL`` in all (Bonferroni)."""
    pairs = list(itertools.combinations(sorted(phases), 2))
    level = _LEVEL / (len(phases) + 3 * len(pairs))
    found = [name for name, own in phases.items() if kstest(own, "uniform").pvalue < level]
    for a, b in pairs:
        apart = [(x - y) % 1 for x, y in zip(phases[a], phases[b], strict=True)]
        cells = [0] * _PARTS**2
        for x, y in zip(phases[a], phases[b], strict=True):
            cells[int(x * _PARTS) * _PARTS + int(y * _PARTS)] += 1
        tests = {"alignment": kstest(apart, "uniform").pvalue, "square": chisquare(cells).pvalue}
        if min(max(phases[a]) - min(phases[a]), max(phases[b]) - min(phases[b])) > 0:
            tests["correlation"] = pearsonr(phases[a], phases[b]).pvalue
        found += [f"{what} of {a} and {b}" for what, p in tests.items() if p < level]
    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_every_alignment_of_any_two_clocks_is_equally_likely(network: str) -> None:
    phases = _phases(NETWORKS[network], drawn_s)
    assert all(len(own) == len(_SEEDS) for own in phases.values())
    assert _refused(phases) == []


def _constant(_seed: int, _name: str, period_s: float) -> float:
    return period_s / 3


def _common(seed: int, _name: str, period_s: float) -> float:
    """One draw for all clocks of a trial."""
    return random.Random(seed).random() * period_s


def _half(seed: int, name: str, period_s: float) -> float:
    """Over the first half of the period only."""
    return drawn_s(seed, name, period_s) / 2


def _leaning(seed: int, name: str, period_s: float) -> float:
    """Each uniform, but half of all trials take one draw for all clocks."""
    return _common(seed, name, period_s) if seed % 2 else drawn_s(seed, name, period_s)


@pytest.mark.parametrize("drawer", [_constant, _common, _half, _leaning])
def test_a_drawer_that_ties_clocks_together_is_refused(drawer: Drawer) -> None:
    phases = _phases(NETWORKS["fast"], drawer)
    assert len(_refused(phases)) >= len(phases) - 1


@pytest.mark.parametrize("rates", list(itertools.product(("fast", "slow"), repeat=2)))
def test_the_second_end_of_a_link_does_not_start_the_first_ones_timer_anew(rates: tuple[str, str]) -> None:
    """IEEE 802.1AX-2014, figure 6-19: another rate of the partner starts it anew. Figure 6-18: a port that receives
    nothing is EXPIRED, and sends fast, for Short_Timeout_Time, 3 s (6.4.4); in the driver by its clock, 3.12 s."""
    asked, sent = rates  # by the host, and by the switch: the host sends at the rate that the switch asks for
    net = Wiring(bonding=_lacp(lacp_rate=asked))
    net.bonded("h1", net.switches(1) * 2)
    made = net.topology("one")
    lags = tuple(type(lag)(**{**vars(lag), "rate": sent}) for lag in made.lags)
    topology = Topology(made.name, made.hosts, made.switches, made.links, lags, made.systems)
    for seed in _SEEDS:
        plan = _plan(topology, seed)
        for number in (0, 1):
            first, second = plan[f"member h1-eth{number}"], plan[f"port s1-eth{number + 1}"]
            assert first.period_s == {"fast": 1.04, "slow": 31.2}[sent]
            assert second.period_s == {"fast": 1.0, "slow": 30.0}[asked]
            assert plan["bond h1"].at_s <= first.at_s
            alone_s = second.at_s - first.at_s
            assert 0.104 < alone_s < 3.0 if sent == "fast" else alone_s > 3.12 + 2 * 0.104


def _plan(topology: Topology, seed: int) -> dict[str, Start]:
    found = planned(topology, SCHEMES["testbed"], lambda name, period_s: drawn_s(seed, name, period_s))
    assert [start.at_s for start in found] == sorted(start.at_s for start in found)
    return {start.name: start for start in found}


def test_which_clocks_a_network_has() -> None:
    ends = {f"member {host}-eth{number}" for host in ("h1", "h2") for number in (0, 1)}
    ports = {f"port s1-eth{number}" for number in (1, 2, 3, 4)}
    bonds = {"bond h1", "bond h2"}
    assert set(_plan(NETWORKS["fast"], 1)) == ends | ports | bonds
    assert set(_plan(NETWORKS["monitors"], 1)) == bonds
    assert set(_plan(NETWORKS["team"], 1)) == ends | ports, "teamd starts with the host"
    back = _plan(NETWORKS["back to back"], 1)
    assert set(back) == bonds | {"member h1-eth0", "member h1-eth1"}
    assert all(back["bond h1"].at_s <= back[f"member h1-eth{n}"].at_s < back["bond h2"].at_s for n in (0, 1))
    static = planned(NETWORKS["fast"], SCHEMES["static"], lambda name, period_s: drawn_s(1, name, period_s))
    assert {start.name for start in static} == ends | bonds, "a static LAG has no clock"


def test_the_periods_are_the_kernels() -> None:
    """The timer wheel (kernel/time/timer.c, 1000 Hz): 100 ms are 104, 50 are 51, 520 are 576, LACP's steps 104 ms."""
    assert bond_period_s(_lacp().over(("a",))) == 0.104
    assert bond_period_s(BondOptions(mode="active-backup", miimon_ms=50).over(("a",))) == 0.051
    assert bond_period_s(_lacp(miimon_ms=50).over(("a",))) == pytest.approx(51 * 104 / 1e3)
    arp = BondOptions(mode="active-backup", miimon_ms=0, arp_interval_ms=520, arp_ip_target="peers").over(("a",))
    assert bond_period_s(arp) == noticing_period_s(arp, "silent_loss", lacp=False) == 0.576
    lacp = _lacp(lacp_rate="slow").over(("a",))
    assert noticing_period_s(lacp, "carrier_loss", lacp=True) == 0.104
    assert noticing_period_s(lacp, "silent_loss", lacp=True) == pytest.approx(31.2)
    assert noticing_period_s(lacp, "silent_loss", lacp=False) == 0.104
    assert [lacpdu_period_s(rate, driver=True) for rate in ("fast", "slow")] == pytest.approx([1.04, 31.2])
    assert [lacpdu_period_s(rate, driver=False) for rate in ("fast", "slow")] == [1.0, 30.0]


class _Set:
    """A clock that can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 1000.0
        monkeypatch.setattr("testbed.emulation.clocks.time.time", lambda: self.at)


def test_what_came_before_a_start_does_not_shift_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = _Set(monkeypatch)
    found = set()
    for late_s in (0.0, 0.000001, 0.0123, 0.0899):
        now.at = 1002.305 + late_s
        found.add(Clocks(7, 1000.0).start("probe", 0.001))
    assert len(found) == 1
    (at_s,) = found
    assert 2.5 <= at_s < 2.501


def test_a_start_lies_ahead_and_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = _Set(monkeypatch)
    clocks = Clocks(7, 1000.0)
    now.at = 1000.01
    first = clocks.start("fault", 0.104)
    now.at = 1005.04
    second = clocks.start("fault", 0.104)
    assert first == pytest.approx(0.2 + drawn_s(7, "fault", 0.104))
    assert second == pytest.approx(5.2 + drawn_s(7, "fault 2", 0.104))
    assert clocks.ahead(3.0) == pytest.approx(8.2)
    clocks.write(tmp_path)
    assert json.loads((tmp_path / "clocks.json").read_text()) == [
        {"name": "fault", "period_s": 0.104, "start_s": round(first, 9)},
        {"name": "fault 2", "period_s": 0.104, "start_s": round(second, 9)},
    ]


def test_a_wait_ends_no_earlier_than_its_instant() -> None:
    clocks = Clocks.begun(3)
    assert clocks.origin_s == int(clocks.origin_s)
    assert clocks.now() >= 0
    at_s = clocks.wait("probe", 0.01)
    assert clocks.now() >= at_s
    clocks.wait_until(at_s - 1.0)  # it is past
    assert time.time() >= clocks.origin_s + at_s
