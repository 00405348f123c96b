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
    Also of layer 7 are ``fastinter_ms``: the interval of checks while their results change, 0: as always; ``stick``: a
    client, by its address, is sent to the server that it had before; and ``peers``: the balancers tell each other of
    these.
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
    fastinter_ms: int = field(default=0, metadata={"setting": "balancer_fastinter_ms", "needs": ("balancer_layer=7",)})
    stick: bool = field(default=False, metadata={"setting": "balancer_stick", "needs": ("balancer_layer=7",)})
    peers: bool = field(
        default=False,
        metadata={
            "setting": "balancer_peers",
            "needs": ("balancer_layer=7", "balancer_stick=true", "balancer=pair"),
        },
    )

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
            ("fastinter_ms", bool(self.fastinter_ms), 7),
            ("stick", self.stick, 7),
            ("peers", self.peers, 7),
        ):
            if found and self.layer != only:
                raise SpecError(
                    f"balancer_{name} has no effect at layer {self.layer}: it is of layer {only}",
                    f"Leave it out, or type: --set balancer_layer={only}",
                )
        if self.peers and not self.stick:
            raise SpecError(
                "balancer_peers has no effect without balancer_stick: there is nothing that balancers tell each other",
                "Type: --set balancer_stick=true",
            )
        if self.stick and self.scheduler == "sh":
            raise SpecError(
                "balancer_stick has no effect with balancer_scheduler=sh: the hash of a client's address leads it to"
                " one server anyway",
                "Leave one of both out.",
            )
        self._check_fastinter()
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

    def _check_fastinter(self) -> None:
        """HAProxy's manual, 5.2: it is for a server that is going up or down."""
        if not self.fastinter_ms:
            return
        validation.at_least("balancer_fastinter_ms", self.fastinter_ms, CHECK_MS[0])
        if self.fastinter_ms >= self.check_ms:
            raise SpecError(
                f"balancer_fastinter_ms is {self.fastinter_ms}, and balancer_check_ms {self.check_ms}; wanted less,"
                " or 0 for one interval"
            )
        if self.fall == 1 and self.rise == 1:
            raise SpecError(
                "balancer_fastinter_ms has no effect where one check takes a server out, and one puts it back",
                "For example: --set balancer_fall=3",
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
            self.fastinter_ms,
            self.stick,
            self.peers,
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
    fastinter_ms: int = 0
    stick: bool = False
    peers: bool = False

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
            fastinter_ms=self.fastinter_ms,
            stick=self.stick,
            peers=self.peers,
        )
