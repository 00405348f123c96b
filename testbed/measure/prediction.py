"""What theory predicts for a trial with one fault: whether the flows recover, within which time, and if not, why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from testbed import schemes, theory
from testbed.design.trial import Trial
from testbed.faults import catalogue
from testbed.measure.exposure import failing_links
from testbed.measure.outage import ProbeFlow
from testbed.spec import Topology
from testbed.spec.bond import DRIVER_MODES
from testbed.theory import OutageBound, reachability, routed, separate, ways

#: Whether a flow has recovered is judged by its last part before the repair, of this length; it ends this long before
#: the repair, because later packets may still be on their way then; both in seconds.
_LAST_S, _ON_THE_WAY_S = 0.5, 0.1
#: The share of a flow's packets that a fault takes for good is that of one member, 1/k where k members carry the flow's
#: packets in turn (bonding.rst, balance-rr), or of more. At most this share is assumed.
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Prediction:
    """``bound`` of the outage, or None and ``why``; whether h1 and h2 still reach each other, None if not known.

    ``doubt``: why theory cannot say that of the network, whatever the bonds do about the fault.
    """

    bound: OutageBound | None
    why: str
    connected: bool | None
    doubt: str = ""

    def held(self, *, resumed: bool) -> OutageBound | None:
        """The bound that a trial must keep: none where traffic did not resume and theory does not say that it must."""
        return None if self.doubt and not resumed else self.bound


def predict(
    trial: Trial,
    begin: Mapping[str, Any],
    end: Mapping[str, Any],
    *,
    answered: bool,
    senders: Collection[str] | None = None,
) -> Prediction:
    """What theory predicts for a fault, which is given by its ``begin`` and ``end`` events in the timeline.

    ``answered`` is whether the bonds' LACP has a partner; ``senders`` are the hosts whose flows the fault hit, None:
    both.
    """
    name, element, parameters = str(begin["fault"]), str(begin["element"]), begin.get("parameters", {})
    lasts_s = float(end["t_s"]) - float(begin["t_s"])
    topology, side = trial.topology, schemes.chosen(trial.case).side
    if topology.switches and not side.known:
        return Prediction(None, "what the controller does is not known", None)
    client, server = topology.pair
    between = ways.outage(topology, side, name, element, parameters, topology.pair, senders)
    if between is not None:
        return _between_switches(trial, begin, between)
    host = _hit(topology, name, element)
    bond = topology.host(host).bond
    if bond is None:
        bound, why = None, f"{host} has one link only"
    else:
        lag = topology.ports[topology.far(bond.members[0]).interface].lag
        bound = theory.failover_bound(
            bond,
            name,
            lacp=answered,
            lag_rate=lag.rate if lag else "",
            lags=side.lags and lag is not None,
            early_collecting=side.groups and lag is not None and lag.early_collecting,
            lasts_s=lasts_s,
            parameters=parameters,
        )
        by_lacp = side.negotiates and not side.controller and name in ("silent_loss", "lacp_loss")
        stays = bond.mode in DRIVER_MODES  # each address stays at its port, so no switch has anything to learn
        if bound is not None and not stays and (by_lacp or not side.lags):
            bound = bound.learned()
        spread = side.lags and lag is not None and len({topology.owner(port) for port in lag.ports}) > 1
        if bound is not None and spread and name in ("carrier_loss", "switch_crash", "flapping"):
            bound = bound.rerouted()
        why = theory.why_unbounded(bond, name, lacp=answered, lasts_s=lasts_s, parameters=parameters)
    searching = bond is not None and bound is not None and separate.searches(topology, bond)
    if searching:
        bound, why = None, separate.SEARCHING
    down = catalogue.failed(topology, name, element, parameters)
    if down is None:
        return Prediction(bound, why, None)
    left = reachability.expected(topology, down.down, silent=down.silent, side=side, controller_down_s=lasts_s)
    expected = reachability.between(left, client, server)
    if expected.connected is False:
        return Prediction(None, expected.why or why or f"with {element} gone no path is left", False)
    if expected.why:
        return Prediction(None, expected.why, expected.connected)
    if name in ("peer_link_loss", "uplink_loss") or not _is_own(topology, name, element):
        if expected.connected is None:
            return Prediction(None, expected.doubt, None, expected.doubt)
        if not searching:
            bound, why = expected.bound, "" if expected.bound else why
    return Prediction(bound, why or expected.doubt, expected.connected, expected.doubt)


def _between_switches(trial: Trial, begin: Mapping[str, Any], found: OutageBound | str) -> Prediction:
    """What theory predicts where a protocol of the switches has to act, and ``found`` is what it says of the outage."""
    topology, side = trial.topology, schemes.chosen(trial.case).side
    name, element, parameters = str(begin["fault"]), str(begin["element"]), begin.get("parameters", {})
    bound, why = (found, "") if isinstance(found, OutageBound) else (None, found)
    down = catalogue.failed(topology, name, element, parameters)
    if down is None:
        return Prediction(bound, why, None)
    left = reachability.expected(topology, down.down, silent=down.silent, side=side)
    expected = reachability.between(left, *topology.pair)
    if expected.connected is False:
        return Prediction(None, expected.why or f"with {element} gone no path is left", False)
    bond = topology.host(topology.client).bond
    if bound is not None and not routed.watched(bond) and down.down & {switch.name for switch in topology.switches}:
        bound = expected.bound  # the hosts' bonds may have to act as well
    return Prediction(bound, why, expected.connected)


def _hit(topology: Topology, fault: str, element: str) -> str:
    """The host of the measured pair whose bond has to detect a fault: the server if the fault is on its links alone."""
    client, server = topology.pair
    links = {link.name for link in failing_links(topology, fault, element) or ()}
    near, far = ({topology.link_of(i).name for i in topology.members(host)} for host in (client, server))
    return server if links & far and not links & near else client


def _is_own(topology: Topology, fault: str, element: str) -> bool:
    """Whether a fault is on links of the measured pair, or not a matter of links."""
    links = failing_links(topology, fault, element)
    own = {topology.link_of(i).name for host in topology.pair for i in topology.members(host)}
    return links is None or not own.isdisjoint(link.name for link in links)


def lasting_share(trial: Trial, begin: Mapping[str, Any]) -> float:
    """The least share of a flow's packets that the fault of a trial takes for as long as nothing avoids it.

    One member's share of the widest bond of the measured pair; where the fault itself takes a part only (lossy), that
    part of it.
    """
    hosts = (trial.topology.host(name) for name in trial.topology.pair)
    widest = max(len(host.bond.members) if host.bond else 1 for host in hosts)
    part = 1.0
    if begin["fault"] == "lossy":
        part = float(catalogue.valued("lossy", begin.get("parameters", {}))["loss_percent"]) / 100
    return min(_LEAST_SHARE, part / widest)


def loses(flow: ProbeFlow, begin_s: float, end_s: float, share: float = _LEAST_SHARE) -> bool:
    """Whether the flow still lost packets for good when the fault, which began at ``begin_s``, was repaired.

    A flow has recovered if it lost less than half of ``share`` of the packets that were sent in the last half second
    before the repair, where ``share`` is what the fault takes for as long as nothing avoids it (`lasting_share`). One
    gap after which packets arrived again is not counted: that is an outage which is over (RFC 6414, 3.6).
    """
    last = (flow.sent_s >= max(begin_s, end_s - _LAST_S - _ON_THE_WAY_S)) & (flow.sent_s < end_s - _ON_THE_WAY_S)
    lost = np.isnan(flow.received_s[last])
    edges = np.diff(np.concatenate(([0], lost.astype(int), [0])))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    over = ends < len(lost)
    longest = int((ends - begins)[over].max(initial=0))
    left = int(lost.sum()) - longest
    return left > 0 and left >= share / 2 * len(lost)
