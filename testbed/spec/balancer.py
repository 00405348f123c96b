"""Two or more machines that are a load balancer together, as a value.

client ---> 10.0.0.254:80, of the balancer that is master by VRRP ---> one of the servers that pass their health checks

layer 4, dr     a packet goes to a server as it is, which has the address on its loopback interface and answers itself
layer 4, nat    a packet's destination becomes a server's; answers come back by the balancer, the server's gateway
layer 7         the balancer ends the client's connection, reads the request, and sends it to a server on one of its own
"""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.errors import SpecError
from testbed.spec import validation
from testbed.spec.server import MOST_PORTS

LAYERS = (4, 7)
#: How a packet gets to a server at layer 4 (ipvsadm(8): gatewaying, masquerading).
KINDS = ("dr", "nat")
#: Who gets the next connection, or request: each in turn, the one with the fewest connections, by a hash of the
#: client's address, or by Maglev hashing of it (ipvsadm(8), --scheduler).
SCHEDULERS = ("rr", "wlc", "sh", "mh")
#: How often a balancer of layer 7 asks the HAProxy on it whether it lives, and how long it waits, in seconds
#: (keepalived.conf(5), vrrp_script, counts whole ones).
ALIVE_S, ALIVE_WAITS_S = 1, 0.5
#: The range of an interval between checks, and of how many make a difference.
CHECK_MS, COUNTS = (10, 3_600_000), (1, 100)


@dataclass(frozen=True, kw_only=True)
class BalancerOptions:
    """What is configured of a group of balancers.

    ``layer``: 4 places connections (IPVS), 7 places requests (HAProxy). ``kind`` and ``sync`` are of layer 4: how a
    packet gets to a server, and whether the master tells the others of its connections. ``redispatch`` is of layer 7:
    a request whose server cannot be connected to goes to another one. Each server is asked every ``check_ms`` for its
    health, and gets ``timeout_ms`` to answer; ``fall`` failures in a row take it out, ``rise`` successes put it back.
    """

    layer: int = field(default=LAYERS[0], metadata={"setting": "balancer_layer"})
    kind: str = field(default=KINDS[0], metadata={"setting": "balancer_kind", "needs": ("balancer_layer=4",)})
    scheduler: str = field(default=SCHEDULERS[0], metadata={"setting": "balancer_scheduler"})
    check_ms: int = field(default=1000, metadata={"setting": "balancer_check_ms"})
    timeout_ms: int = field(default=500, metadata={"setting": "balancer_timeout_ms"})
    fall: int = field(default=3, metadata={"setting": "balancer_fall"})
    rise: int = field(default=1, metadata={"setting": "balancer_rise"})
    sync: bool = field(
        default=True, metadata={"setting": "balancer_sync", "needs": ("balancer_layer=4", "balancer=pair")}
    )
    redispatch: bool = field(default=True, metadata={"setting": "balancer_redispatch", "needs": ("balancer_layer=7",)})

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            raise SpecError(f"balancer_layer is {self.layer}; wanted 4 or 7", "Type: --set balancer_layer=7")
        validation.choice("balancer_kind", self.kind, KINDS)
        validation.choice("balancer_scheduler", self.scheduler, SCHEDULERS)
        for name, found in (("check_ms", self.check_ms), ("timeout_ms", self.timeout_ms)):
            validation.at_least(f"balancer_{name}", found, CHECK_MS[0])
            validation.at_most(f"balancer_{name}", found, CHECK_MS[1])
        for name, found in (("fall", self.fall), ("rise", self.rise)):
            validation.at_least(f"balancer_{name}", found, COUNTS[0])
            validation.at_most(f"balancer_{name}", found, COUNTS[1])
        if self.timeout_ms > self.check_ms:
            raise SpecError(
                f"balancer_timeout_ms is {self.timeout_ms}, and balancer_check_ms {self.check_ms}: the next check would"
                " be due before the time-out of this one",
                f"Type: --set balancer_timeout_ms={self.check_ms}, or less",
            )
        for name, found, only in (
            ("kind", self.kind != KINDS[0], 4),
            ("sync", not self.sync, 4),
            ("redispatch", not self.redispatch, 7),
        ):
            if found and self.layer != only:
                raise SpecError(
                    f"balancer_{name} has no effect at layer {self.layer}: it is of layer {only}",
                    f"Leave it out, or type: --set balancer_layer={only}",
                )
        if self.layer == 4 and self.rise != 1:
            raise SpecError(
                f"balancer_rise is {self.rise}; wanted 1 at layer 4: keepalived puts a server back after one success"
                " (keepalived.conf(5), HTTP_GET)",
                "Leave it out, or type: --set balancer_layer=7",
            )
        if self.layer == 7 and self.scheduler == "mh":
            raise SpecError(
                "balancer_scheduler=mh: HAProxy has no Maglev hashing",
                "Type: --set balancer_scheduler=sh, or --set balancer_layer=4",
            )

    def over(self, machines: tuple[str, ...], address: str, port: int, servers: tuple[str, ...]) -> Balancer:
        """The group of these machines, with the service's address (without prefix length), port and servers."""
        four = self.layer == 4
        return Balancer(
            machines,
            address,
            port,
            servers,
            self.layer,
            self.kind if four else "",
            self.scheduler,
            self.check_ms,
            self.timeout_ms,
            self.fall,
            self.rise,
            four and self.sync,
            not four and self.redispatch,
        )


@dataclass(frozen=True)
class Balancer:
    """Machines, of one VRRP group, that share the ``address`` of a service and give what comes to one of ``servers``.

    The fields are those of `BalancerOptions`; ``kind`` is empty at layer 7. ``servers`` are hosts with a `Server` each.
    """

    machines: tuple[str, ...]
    address: str
    port: int
    servers: tuple[str, ...]
    layer: int
    kind: str
    scheduler: str
    check_ms: int
    timeout_ms: int
    fall: int
    rise: int
    sync: bool
    redispatch: bool

    def __post_init__(self) -> None:
        validation.unique("balancers of a group", self.machines)
        validation.unique("servers of a balancer", self.servers)
        if not self.machines or not self.servers:
            lacks = "servers" if self.machines else "machines"
            raise SpecError(f"a group of balancers for {self.address} has no {lacks}; wanted one or more")
        validation.at_least(f"port of the balanced service {self.address}", self.port, 1)
        validation.at_most(f"port of the balanced service {self.address}", self.port, MOST_PORTS)
        BalancerOptions(  # it refuses what cannot be configured
            layer=self.layer,
            kind=self.kind or KINDS[0],
            scheduler=self.scheduler,
            check_ms=self.check_ms,
            timeout_ms=self.timeout_ms,
            fall=self.fall,
            rise=self.rise,
        )
