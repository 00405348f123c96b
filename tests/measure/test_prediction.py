"""What theory predicts for a trial with one fault, and whether its flows still lost packets at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from testbed.design.trial import Trial
from testbed.measure.outage import ProbeFlow
from testbed.measure.prediction import Prediction, loses, predict
from testbed.spec import BondOptions, Topology
from topologies.mlag import mlag
from topologies.single_switch import single_switch
from topologies.unprotected import unprotected


def predicted(topology: Topology, fault: str, element: str, lasts_s: float = 4.0, **parameters: Any) -> Prediction:
    begin = {"t_s": 1.0, "fault": fault, "element": element, "parameters": parameters}
    trial = Trial(1, "failover", {"controller": "testbed", "fault": fault}, 0, 1, topology)
    return predict(trial, begin, {"t_s": 1.0 + lasts_s}, answered=True)


def bound_s(found: Prediction) -> float | None:
    return None if found.bound is None else found.bound.bound_s


def test_a_cut_member_leaves_a_path_and_a_crashed_lone_switch_does_not() -> None:
    assert predicted(single_switch(), "carrier_loss", "s1-eth1").connected is True
    found = predicted(single_switch(), "switch_crash", "s1")
    assert (found.bound, found.connected) == (None, False)
    assert found.why == "with s1 gone no path is left"


def test_a_crashed_switch_of_two_is_a_lost_carrier() -> None:
    found = predicted(mlag(), "switch_crash", "s2")
    assert (bound_s(found), found.connected, found.why) == (0, True, "")  # the carrier event


def test_the_silent_loss_of_the_active_member_leaves_no_path_without_lacp() -> None:
    backup = single_switch(bonding=BondOptions(mode="active-backup"))
    found = predicted(backup, "silent_loss", "s1-eth1")
    assert (found.bound, found.connected) == (None, False)
    assert found.why == "the MII monitor cannot detect a silent loss"
    assert predicted(single_switch(), "silent_loss", "s1-eth1").connected is True


def test_a_controller_may_be_away_until_lacp_times_out() -> None:
    short, long = (predicted(single_switch(), "controller_crash", "c0", lasts_s) for lasts_s in (1.5, 9.0))
    assert (bound_s(short), short.connected) == (0, True)
    assert (long.bound, long.connected) == (None, False)
    assert "no LACPDU is sent" in long.why


def test_where_theory_predicts_nothing_it_is_not_known() -> None:
    assert predicted(single_switch(), "lossy", "s1-eth1").connected is None
    assert predicted(single_switch(), "silent_loss", "s1-eth1", direction="to_host").connected is None
    copies = single_switch(bonding=BondOptions(mode="broadcast"))
    assert predicted(copies, "silent_loss", "s1-eth1").connected is None


def test_a_host_without_a_bond_has_no_bound() -> None:
    topology = unprotected()
    element = topology.interfaces("h1")[0]
    found = predicted(topology, "carrier_loss", element)
    assert (found.bound, found.connected, found.why) == (None, False, "h1 has one link only")


def test_a_flow_that_loses_packets_shortly_before_the_repair_has_not_recovered() -> None:
    sent = np.arange(0.0, 3.0, 0.001)
    received = sent + 0.0001
    recovered = ProbeFlow("h1>h2", sent, received.copy(), 0)
    recovered.received_s[(sent > 1.0) & (sent < 1.2)] = np.nan
    assert not loses(recovered, 2.0)
    half = ProbeFlow("h1>h2", sent, received.copy(), 0)
    half.received_s[1000::2] = np.nan
    assert loses(half, 2.0)
    on_the_way = ProbeFlow("h1>h2", sent, received.copy(), 0)
    on_the_way.received_s[(sent > 1.95) & (sent < 2.0)] = np.nan
    assert not loses(on_the_way, 2.0)
