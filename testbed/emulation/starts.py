"""The starts of a network's own clocks: each host's bond, each member's carrier, each switch port.

    h1  bond0 --------- h1-eth0 ================ s1-eth1
        driver's work   carrier: the host's      port in use: the switch's
        every 104 ms    LACPDUs start            LACPDUs start

The two ends of a link start their LACP at independent instants. To the host the link comes up with its member; the
switch's port is dormant meanwhile (its link mode, Documentation/networking/operstates.rst): it has carrier, but is not
up for Open vSwitch. LACP starts its periodic timer anew whenever the partner asks for another rate (IEEE 802.1AX-2014,
6.4.13). So the end that waits is left alone for long enough that it sends at its final rate when the other one starts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from testbed.schemes import Scheme
from testbed.spec import Host, Link, Topology
from testbed.theory.clocks import bond_period_s, lacpdu_period_s, look_period_s

#: A drawn part of a period: the seconds from its beginning to the start of the clock of that name.
Draw = Callable[[str, float], float]

#: How long before the second end of a link the first one starts, at least, when it is to send fast or slowly. An end
#: that receives nothing sends fast for Short_Timeout_Time, 3 s, and from then on at the slow rate.
_FAST_LEAD_S, _SLOW_LEAD_S = 0.2, 3.6


@dataclass(frozen=True)
class Start:
    """A clock that is started ``at_s`` after the first ones may: of a ``bond`` (``place``: the host), of a host's
    ``member`` or of a switch ``port`` (``place``: the interface). ``period_s`` is what its instant was drawn over."""

    kind: str
    place: str
    period_s: float
    at_s: float

    @property
    def name(self) -> str:
        """The clock's name in clocks.json."""
        return f"{self.kind} {self.place}"


@dataclass(frozen=True)
class _End:
    """An end of a link that sends LACPDUs: the interface, its host (None: a switch), and its period."""

    interface: str
    host: Host | None
    period_s: float

    @property
    def lead_s(self) -> float:
        """How long it has to be alone before the other end starts: until its driver knows of the carrier, and more."""
        bond = self.host.bond if self.host else None
        known_s = look_period_s(bond) + bond.updelay_ms / 1e3 if bond else 0.0
        return known_s + (_FAST_LEAD_S if self.period_s < _SLOW_LEAD_S else _SLOW_LEAD_S)


def planned(topology: Topology, scheme: Scheme, draw: Draw) -> tuple[Start, ...]:
    """Every start of the network's clocks, in order of time.

    First the bonds of the bonding driver, then what LACP needs. A bond whose partner is a bond that comes before it in
    the topology stands for the second end of their links: it starts after the carrier.
    """
    rates = _rates(topology, scheme)
    hosts = {host.name: host for host in topology.hosts}
    links = [ends for link in topology.links if (ends := _ends(link, rates, hosts))]
    second = {ends[1].host.name: ends[1].period_s for ends in links if len(ends) == 2 and ends[1].host}
    driven = [host for host in topology.hosts if host.bond is not None and host.bond.driver == "bonding"]
    periods = {host.name: bond_period_s(host.bond) for host in driven if host.bond is not None}
    found = [_drawn(draw, "bond", host, periods[host], 0.0) for host in periods if host not in second]
    booted_s = max((start.period_s for start in found), default=0.0)
    base_s = booted_s + max((ends[0].lead_s + ends[0].period_s for ends in links if len(ends) == 2), default=0.0)
    late = {
        host: _drawn(draw, "bond", host, max(period_s, periods[host]), base_s)
        for host, period_s in second.items()
        if host in periods
    }
    found += late.values()
    for first, *others in links:
        if not others:
            found.append(_drawn(draw, _kind(first), first.interface, first.period_s, booted_s))
            continue
        (last,) = others
        partner = late.get(last.host.name if last.host else "")
        if partner is None:
            partner = _drawn(draw, _kind(last), last.interface, last.period_s, base_s)
            found.append(partner)
        begin_s = partner.at_s - first.lead_s - first.period_s
        found.append(_drawn(draw, _kind(first), first.interface, first.period_s, begin_s))
    return tuple(sorted(found, key=lambda start: (start.at_s, start.name)))


def _drawn(draw: Draw, kind: str, place: str, period_s: float, base_s: float) -> Start:
    return Start(kind, place, period_s, base_s + draw(f"{kind} {place}", period_s))


def _kind(end: _End) -> str:
    return "member" if end.host else "port"


def _rates(topology: Topology, scheme: Scheme) -> dict[str, str]:
    """The rate at which each interface that speaks LACP asks for LACPDUs."""
    lags = scheme.lags(topology).lags if scheme.side.negotiates else ()
    rates = {port: lag.rate for lag in lags if lag.lacp != "off" for port in lag.ports}
    for host in topology.hosts:
        if host.bond is not None and host.bond.mode == "802.3ad":
            rates |= dict.fromkeys(topology.interfaces(host.name), host.bond.lacp_rate)
    return rates


def _ends(link: Link, rates: Mapping[str, str], hosts: Mapping[str, Host]) -> list[_End]:
    """The ends of a link that speak LACP; of a host and a switch the host's first."""
    found = []
    for (node, interface), (_, far) in itertools.permutations(link.ends):
        if interface in rates:
            host = hosts.get(node)
            driver = host is not None and host.bond is not None and host.bond.driver == "bonding"
            # A partner gets LACPDUs at the rate that it asks for; where none answers, the period has no effect.
            found.append(_End(interface, host, lacpdu_period_s(rates.get(far, "fast"), driver=driver)))
    return sorted(found, key=lambda end: end.host is None)
