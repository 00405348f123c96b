"""A service at several sites, as a value: how their health is asked for, and how clients are led from one that fails.

anycast   a check beside each server's BGP speaker: a server that fails withdraws the address that all sites have
dns       a name server checks them all: it answers with the nearest one that passes, for the TTL of its answer
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
#: The range of the TTL: 0 forbids caching (RFC 1035, 3.2.1), and a cache may hold answers for no more than a day here.
TTL_S = (1, 86_400)


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """What is configured of a service at several sites.

    ``by``: how clients are led. A server is asked for its health every ``check_ms``, and gets ``timeout_ms`` to answer;
    ``fall`` failures in a row take it out of service, ``rise`` successes put it back. ``ttl_s``: how long a resolver
    keeps what the name server answered.
    """

    by: str = field(default=BY[0], metadata={"setting": "sites_by"})
    check_ms: int = field(default=2000, metadata={"setting": "site_check_ms"})
    timeout_ms: int = field(default=1000, metadata={"setting": "site_timeout_ms"})
    fall: int = field(default=3, metadata={"setting": "site_fall"})
    rise: int = field(default=2, metadata={"setting": "site_rise"})
    ttl_s: int = field(default=5, metadata={"setting": "dns_ttl_s"})

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
                f"Type: --set site_timeout_ms={self.check_ms // 2}, or less",
            )
        validation.at_least("dns_ttl_s", self.ttl_s, TTL_S[0])
        validation.at_most("dns_ttl_s", self.ttl_s, TTL_S[1])
        if self.by == "dns":
            self._check_seconds()
        elif self.ttl_s != 5:
            raise SpecError("dns_ttl_s has no effect with sites_by=anycast", "For example: --set sites_by=dns")

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

    def anycast(self, servers: tuple[str, ...]) -> Sites:
        """These servers, each with a check beside its BGP speaker."""
        return Sites(servers, "", (), self.check_ms, self.timeout_ms, self.fall, self.rise, 0)

    def named(self, servers: tuple[str, ...], name_server: str, near: tuple[str, ...] = ()) -> Sites:
        """These servers, by the answers of a name server; ``near`` is as in `Sites`."""
        return Sites(servers, name_server, near, self.check_ms, self.timeout_ms, self.fall, self.rise, self.ttl_s)


@dataclass(frozen=True)
class Sites:
    """The sites of one service, by the ``servers`` there, in the order in which one stands in for another.

    ``name_server``: the host whose answers lead clients to them; empty: they share an anycast address, which each
    withdraws by itself. ``near``: a subnet for each server, for whose clients it comes first; none given: all clients
    take them in order. The other fields are those of `SiteOptions`; ``ttl_s`` is 0 without a name server.
    """

    servers: tuple[str, ...]
    name_server: str
    near: tuple[str, ...]
    check_ms: int
    timeout_ms: int
    fall: int
    rise: int
    ttl_s: int

    def __post_init__(self) -> None:
        validation.unique("servers of sites", self.servers)
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
        if bool(self.name_server) != bool(self.ttl_s):
            raise SpecError("answers of a name server have a TTL, and nothing else has: ttl_s goes with name_server")

    @property
    def by(self) -> str:
        """How clients are led to them, one of `BY`."""
        return "dns" if self.name_server else "anycast"

    def order(self, client: str) -> tuple[str, ...]:
        """The servers as a client of that address takes them, the nearest first."""
        own = ipaddress.ip_address(client)
        fit = [ipaddress.ip_network(subnet) for subnet in self.near if own in ipaddress.ip_network(subnet)]
        if not fit:
            return self.servers
        first = self.servers[self.near.index(str(max(fit, key=lambda each: each.prefixlen)))]
        return (first, *(each for each in self.servers if each != first))
