"""A service at several sites, as a value: how their health is asked for, and how clients are led from one that fails.

anycast   a check beside each server's BGP speaker: a server that fails withdraws the address that all sites have
dns       name servers check them all: they answer with the nearest one that passes, for the TTL of the answer
by hand   nothing is checked: the first site serves until an operator switches over to the second one
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from testbed.errors import SpecError
from testbed.spec import validation

BY = ("anycast", "dns")
#: The name of a service that is found by DNS, and the zone that it is in (RFC 2606, 3: names for examples).
NAME, ZONE = "www", "service.example"
#: The range of an interval between checks, and of how many make a difference.
CHECK_MS, COUNTS = (100, 3_600_000), (1, 100)
#: gdnsd counts in whole seconds, the interval from 2 on (gdnsd.config(5); src/plugins/mon.c).
_SECOND_MS, _DNS_CHECK_MS = 1000, 2000
#: What the numbers of the checks need: where an operator decides nothing is checked.
_CHECKED = ("sites!=by_hand",)
#: Two name servers show what a second one is for.
MOST_NAME_SERVERS = 2
#: How long after a failure an operator may switch over, in seconds: disaster recovery takes minutes, or longer.
SWITCHOVER_S = (0.1, 3600.0)
#: How long a resolver waits for an answer before it asks the next name server (resolv.conf(5), timeout:1).
RESOLVER_WAITS_S = 1.0
#: The range of the TTL: 0 forbids caching (RFC 1035, 3.2.1), and a cache may hold answers for no more than a day here.
TTL_S = (1, 86_400)


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """What is configured of a service at several sites.

    ``by``: how clients are led. A server is asked for its health every ``check_ms``, and gets ``timeout_ms`` to answer;
    ``fall`` failures in a row take it out of service, ``rise`` successes put it back. ``ttl_s``: how long a resolver
    keeps what one of ``name_servers`` name servers answered. ``switchover_s``: so long after a failure an operator
    switches over to the second site, where that is done by hand.
    """

    by: str = field(default=BY[0], metadata={"setting": "sites_by"})
    check_ms: int = field(default=2000, metadata={"setting": "site_check_ms", "needs": _CHECKED})
    timeout_ms: int = field(default=1000, metadata={"setting": "site_timeout_ms", "needs": _CHECKED})
    fall: int = field(default=3, metadata={"setting": "site_fall", "needs": _CHECKED})
    rise: int = field(default=2, metadata={"setting": "site_rise", "needs": _CHECKED})
    ttl_s: int = field(default=5, metadata={"setting": "dns_ttl_s", "needs": ("sites_by=dns",)})
    name_servers: int = field(default=1, metadata={"setting": "name_servers", "needs": ("sites_by=dns",)})
    switchover_s: float = field(default=30.0, metadata={"setting": "switchover_s", "needs": ("sites=by_hand",)})

    def __post_init__(self) -> None:
        validation.choice("sites_by", self.by, BY)
        for name, found in (("check_ms", self.check_ms), ("timeout_ms", self.timeout_ms)):
            validation.at_least(f"site_{name}", found, CHECK_MS[0])
            validation.at_most(f"site_{name}", found, CHECK_MS[1])
        for name, found in (("fall", self.fall), ("rise", self.rise)):
            validation.at_least(f"site_{name}", found, COUNTS[0])
            validation.at_most(f"site_{name}", found, COUNTS[1])
        if self.timeout_ms >= self.check_ms:
            raise SpecError(
                f"site_timeout_ms is {self.timeout_ms}, and site_check_ms {self.check_ms}: the next check would be due"
                " before the time-out of this one",
                self._shorter(),
            )
        validation.at_least("name_servers", self.name_servers, 1)
        validation.at_most("name_servers", self.name_servers, MOST_NAME_SERVERS)
        validation.at_least("switchover_s", self.switchover_s, SWITCHOVER_S[0])
        validation.at_most("switchover_s", self.switchover_s, SWITCHOVER_S[1])
        validation.at_least("dns_ttl_s", self.ttl_s, TTL_S[0])
        validation.at_most("dns_ttl_s", self.ttl_s, TTL_S[1])
        if self.by == "dns":
            self._check_seconds()
        elif self.ttl_s != 5 or self.name_servers != 1:
            name = "dns_ttl_s" if self.ttl_s != 5 else "name_servers"
            raise SpecError(f"{name} has no effect with sites_by=anycast", "For example: --set sites_by=dns")

    def _shorter(self) -> str:
        """What to type where the time-out is not shorter than the interval."""
        if self.by != "dns":
            least_ms, timeout_ms = 2 * CHECK_MS[0], self.check_ms // 2
        else:
            least_ms, timeout_ms = _DNS_CHECK_MS, max(_SECOND_MS, self.check_ms // 2 // _SECOND_MS * _SECOND_MS)
        if self.check_ms < least_ms:
            return f"Type: --set site_check_ms={least_ms} --set site_timeout_ms={least_ms // 2}, or more"
        return f"Type: --set site_timeout_ms={timeout_ms}, or less"

    def _check_seconds(self) -> None:
        for name, found, least in (
            ("site_check_ms", self.check_ms, _DNS_CHECK_MS),
            ("site_timeout_ms", self.timeout_ms, _SECOND_MS),
        ):
            if found % _SECOND_MS or found < least:
                raise SpecError(
                    f"{name} is {found}; wanted whole seconds, {least} or more, with sites_by=dns"
                    " (gdnsd.config(5): interval, timeout)",
                    f"For example: --set {name}={least}, or --set sites_by=anycast",
                )

    def anycast(self, servers: tuple[str, ...], places: Places = (), *, by_hand: bool = False) -> Sites:
        """These servers, each with a check beside its BGP speaker, or switched over by hand; ``places`` is as in
        `Sites`. Errors: SpecError for an option that has no effect then."""
        return Sites(servers, (), (), *self._checks(by_hand), 0, places)

    def named(
        self,
        servers: tuple[str, ...],
        name_servers: tuple[str, ...],
        near: tuple[str, ...] = (),
        places: Places = (),
        *,
        by_hand: bool = False,
    ) -> Sites:
        """These servers, by the answers of name servers; ``near`` and ``places`` are as in `Sites`. Errors: as of
        `anycast`."""
        return Sites(servers, name_servers, near, *self._checks(by_hand), self.ttl_s, places)

    def _checks(self, by_hand: bool) -> tuple[int, int, int, int, float]:
        """The numbers of the checks, and the operator's time: either has an effect."""
        default = SiteOptions(by=self.by)
        if not by_hand:
            if self.switchover_s != default.switchover_s:
                raise SpecError("switchover_s has no effect unless sites=by_hand", "Type: --set sites=by_hand")
            return self.check_ms, self.timeout_ms, self.fall, self.rise, 0.0
        for name in ("check_ms", "timeout_ms", "fall", "rise"):
            if getattr(self, name) != getattr(default, name):
                raise SpecError(
                    f"site_{name} has no effect with sites=by_hand: nothing checks the servers there",
                    f"Leave site_{name} out, or type: --set sites=standby",
                )
        return 0, 0, 0, 0, self.switchover_s


#: The machines of each site, which fail together when the site is lost.
Places = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Sites:
    """The sites of one service, by the ``servers`` there, in the order in which one stands in for another.

    ``name_servers``: the hosts whose answers lead clients to them, in the order in which resolvers ask; none: they
    share an anycast address, which each withdraws by itself. ``near``: a subnet for each server, for whose clients it
    comes first; none given: all clients take them in order. ``places``: the machines of each site, its server among
    them; none given: no site can be lost as a whole. The other fields are those of `SiteOptions`; ``ttl_s`` is 0
    without a name server. ``switchover_s`` is 0 unless sites are switched over by hand; nothing is checked then.
    """

    servers: tuple[str, ...]
    name_servers: tuple[str, ...]
    near: tuple[str, ...]
    check_ms: int
    timeout_ms: int
    fall: int
    rise: int
    switchover_s: float
    ttl_s: int
    places: Places = ()

    def __post_init__(self) -> None:
        validation.unique("servers of sites", self.servers)
        validation.unique("name servers of sites", self.name_servers)
        if not self.servers:
            raise SpecError("a service at several sites has no server; wanted one at each")
        if self.near and len(self.near) != len(self.servers):
            raise SpecError(
                f"{len(self.servers)} servers of sites have {len(self.near)} subnets near to them; wanted one each"
            )
        validation.unique("subnets near to servers of sites", self.near)
        for subnet in self.near:
            try:
                ipaddress.IPv4Network(subnet)
            except ValueError:
                raise SpecError(
                    f"{subnet!r} near to a server of sites is no IPv4 prefix, such as 10.0.0.0/24"
                ) from None
        if bool(self.name_servers) != bool(self.ttl_s):
            raise SpecError("answers of a name server have a TTL, and nothing else has: ttl_s goes with name_servers")
        if self.by_hand == bool(self.check_ms):
            raise SpecError("sites are checked, or switched over by hand: one of check_ms and switchover_s is 0")
        if self.by_hand and (len(self.servers) != 2 or self.near):
            raise SpecError("an operator switches over between two sites, the first of which serves all clients")
        if self.places and not (
            len(self.places) == len(self.servers)
            and all(name in own for own, name in zip(self.places, self.servers, strict=True))
        ):
            raise SpecError("places are the machines of each site, in the order of the servers, its server among them")
        validation.unique("machines of sites", [name for own in self.places for name in own])

    @property
    def by(self) -> str:
        """How clients are led to them, one of `BY`."""
        return "dns" if self.name_servers else "anycast"

    @property
    def by_hand(self) -> bool:
        """Whether an operator switches over, ``switchover_s`` after a failure."""
        return self.switchover_s > 0

    @property
    def whole(self) -> tuple[str, ...]:
        """The sites as elements that may be lost: the names of their machines, joined by '+'."""
        return tuple("+".join(own) for own in self.places)

    def order(self, client: str) -> tuple[str, ...]:
        """The servers as a client of that address takes them, the nearest first."""
        own = ipaddress.ip_address(client)
        fit = [ipaddress.ip_network(subnet) for subnet in self.near if own in ipaddress.ip_network(subnet)]
        if not fit:
            return self.servers
        first = self.servers[self.near.index(str(max(fit, key=lambda each: each.prefixlen)))]
        return (first, *(each for each in self.servers if each != first))
