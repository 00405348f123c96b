"""What theory says of a trial with one fault: whether the flows must go on, within which time, and if not, why."""

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
from testbed.theory.reachability import agrees

__all__ = ["Foretold", "agrees", "foretell", "loses"]

#: A flow that loses a packet in this last part of a fault has not been healed, in seconds before the repair; what is
#: still on its way then is left out.
_LAST_S, _ON_THE_WAY_S = 0.5, 0.1


@dataclass(frozen=True)
class Foretold:
    """The longest outage by theory, or None and why; whether h1 and h2 must still talk, None if nothing says."""

    bound: OutageBound | None
    why: str
    connected: bool | None


def foretell(trial: Trial, begin: Mapping[str, Any], end: Mapping[str, Any], *, answered: bool) -> Foretold:
    """What theory says of a fault, given by the timeline's events of its ``begin`` and ``end``.

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
        bound = theory.failover_bound(bond, name, lacp=answered, lasts_s=lasts_s, parameters=parameters)
        why = theory.why_unbounded(bond, name, lacp=answered, lasts_s=lasts_s, parameters=parameters)
    down = catalogue.failed(topology, name, element, parameters)
    if down is None:
        return Foretold(bound, why, None)
    left = reachability.expected(topology, down.down, silent=down.silent, side=side, controller_down_s=lasts_s)
    said = reachability.between(left, client, server)
    if said.connected is False:
        return Foretold(None, why or f"with {element} gone no path is left", False)
    if name in ("peer_link_loss", "uplink_loss"):
        return Foretold(said.bound, "" if said.bound else why, said.connected)
    return Foretold(bound, why, said.connected)


def loses(flow: ProbeFlow, end_s: float) -> bool:
    """Whether packets that were sent shortly before the repair at ``end_s`` are lost."""
    last = (flow.sent_s >= end_s - _LAST_S - _ON_THE_WAY_S) & (flow.sent_s < end_s - _ON_THE_WAY_S)
    return bool(np.isnan(flow.received_s[last]).any())
