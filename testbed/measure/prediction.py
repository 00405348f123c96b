"""What theory predicts for a trial with one fault: whether the flows recover, within which time, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from testbed import schemes, theory
from testbed.design.trial import Trial
from testbed.faults import catalogue
from testbed.measure.outage import ProbeFlow
from testbed.theory import OutageBound, reachability

#: A flow that loses a packet in the last part of a fault has not recovered. The part has this length, and it ends this
#: long before the repair, because later packets may still be on their way then; both in seconds.
_LAST_S, _ON_THE_WAY_S = 0.5, 0.1


@dataclass(frozen=True)
class Prediction:
    """``bound`` of the outage, or None and ``why``; whether h1 and h2 still reach each other, None if not known."""

    bound: OutageBound | None
    why: str
    connected: bool | None


def predict(trial: Trial, begin: Mapping[str, Any], end: Mapping[str, Any], *, answered: bool) -> Prediction:
    """What theory predicts for a fault, which is given by its ``begin`` and ``end`` events in the timeline.

    ``answered`` is whether the bonds' LACP has a partner.
    """
    name, element, parameters = str(begin["fault"]), str(begin["element"]), begin.get("parameters", {})
    lasts_s = float(end["t_s"]) - float(begin["t_s"])
    topology, side = trial.topology, schemes.chosen(trial.case).side
    client, server = topology.pair
    bond = topology.host(client).bond
    if bond is None:
        bound, why = None, f"{client} has one link only"
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
        if bound is not None and (by_lacp or not side.lags):
            bound = bound.learned()
        why = theory.why_unbounded(bond, name, lacp=answered, lasts_s=lasts_s, parameters=parameters)
    down = catalogue.failed(topology, name, element, parameters)
    if down is None:
        return Prediction(bound, why, None)
    left = reachability.expected(topology, down.down, silent=down.silent, side=side, controller_down_s=lasts_s)
    expected = reachability.between(left, client, server)
    if expected.connected is False:
        return Prediction(None, why or f"with {element} gone no path is left", False)
    if name in ("peer_link_loss", "uplink_loss"):
        return Prediction(expected.bound, "" if expected.bound else why, expected.connected)
    return Prediction(bound, why, expected.connected)


def loses(flow: ProbeFlow, end_s: float) -> bool:
    """Whether the flow lost packets that were sent shortly before the repair at ``end_s``."""
    last = (flow.sent_s >= end_s - _LAST_S - _ON_THE_WAY_S) & (flow.sent_s < end_s - _ON_THE_WAY_S)
    return bool(np.isnan(flow.received_s[last]).any())
