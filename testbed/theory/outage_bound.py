"""What theory says of the length of an outage: its lower and upper limit, and its distribution. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from testbed.design.factor import Level
from testbed.faults.catalogue import FAULTS
from testbed.theory.laws import Law, Sum, mean_s, quantiles_s

#: What a switch may take, in seconds, to leave a port that is down, or to learn a host anew after that. No standard
#: gives it; a kernel datapath and its controller need less here (docs/limits.md).
SWITCH_PAUSE_S = 0.001
#: The same where the port stays up: a switch then learns of a host's move from the host's next frame, and Open vSwitch
#: takes up to 5 ms more until the flows in its cache follow (docs/limits.md). Also what teamd, a process, takes to act.
RELEARN_PAUSE_S = 0.010
#: The same where the switch leaves a port of a LAG: Open vSwitch does not revalidate the flows in its cache again
#: within 5 ms of the last time (udpif_revalidator, ofproto/ofproto-dpif-upcall.c).
LEAVE_PAUSE_S = 0.005
#: The same where another switch has to take the traffic over, as of a LAG on several switches or by another path: the
#: controller hears of the port and programs the others, and then their caches follow.
REROUTE_PAUSE_S = SWITCH_PAUSE_S + LEAVE_PAUSE_S
#: The same for a switch that learns addresses by itself: Open vSwitch's cached flows follow at the next periodic
#: revalidation at the latest (ovs-vswitchd.conf.db(5), max-revalidator: 500 ms).
REVALIDATION_S = 0.5
#: A probe shows an outage longer than it was by less than so many of its intervals.
PROBE_INTERVALS = 2.0


@dataclass(frozen=True)
class OutageBound:
    """An outage lasts from ``low_s`` to ``bound_s``, by the ``law`` if theory knows the distribution.

    ``tolerance_s`` is how much longer it may last for a reason that no formula gives: a pause of the switch, or what a
    standard allows its timers.
    """

    low_s: float
    bound_s: float
    label: str
    law: Law | None = None
    tolerance_s: float = SWITCH_PAUSE_S

    def learned(self) -> OutageBound:
        """The same bound where the switch acts by itself on what it learns from frames: addresses, or LACPDUs."""
        return replace(self, tolerance_s=max(self.tolerance_s, REVALIDATION_S))

    def rerouted(self) -> OutageBound:
        """The same bound where another switch has to take the traffic over."""
        return replace(self, tolerance_s=max(self.tolerance_s, REROUTE_PAUSE_S))

    @property
    def limit_s(self) -> float:
        """The longest outage that agrees with theory, measured exactly."""
        return self.bound_s + self.tolerance_s

    @property
    def expected_s(self) -> float | None:
        """The mean outage, where theory gives its distribution."""
        return None if self.law is None else mean_s(self.law)

    @property
    def quantiles_s(self) -> list[float] | None:
        """The distribution, where theory gives it: every twentieth of it, from 0 to 100 %."""
        return None if self.law is None else quantiles_s(self.law)

    def seen_s(self, interval_s: float) -> float:
        """The longest outage that agrees with theory, as a probe with this interval shows it."""
        return self.limit_s + PROBE_INTERVALS * interval_s

    def holds(self, outage_s: float, interval_s: float, *, low: bool = True) -> bool:
        """Whether an outage agrees with theory that a probe with this interval has shown.

        ``low``: the lower limit applies too; it does where the traffic is known to be hit.
        """
        shortest_s = self.low_s - interval_s if low else 0.0
        return shortest_s <= outage_s <= self.seen_s(interval_s)


def uniform(low_s: float, width_s: float, label: str, tolerance_s: float = SWITCH_PAUSE_S) -> OutageBound:
    """Evenly spread from ``low_s`` over ``width_s``."""
    return of_law(Sum(low_s, (width_s,)), label, tolerance_s)


def of_law(law: Law, label: str, tolerance_s: float = SWITCH_PAUSE_S) -> OutageBound:
    """The bound whose ends are those of the law."""
    return OutageBound(law.low_s, law.high_s, label, law, tolerance_s)


def slowed(parameters: Mapping[str, Level]) -> OutageBound | str:
    """The outage by fault slow where nothing leaves the link for it; text: there is no bound, and why."""
    if parameters.get("rate_mbps"):
        return "at a lower rate the delay is that of the queue, whatever it grows to"
    delay_s = float(parameters.get("delay_ms", FAULTS["slow"].parameters[0].default)) / 1e3
    return OutageBound(0.0, delay_s, f"{delay_s * 1e3:g} ms of added delay")
