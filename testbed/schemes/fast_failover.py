"""OpenFlow fast-failover groups, installed beforehand, whose ports BFD watches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from testbed.design.factor import Factor, Level
from testbed.errors import SpecError, TrialError
from testbed.schemes import ovs_shown
from testbed.schemes.scheme import NO_LAGS, Clock, Live, Program, Scheme, no_lags
from testbed.spec import FastFailover, SwitchSide, Topology
from testbed.spec.addressing import detour_address
from testbed.spec.fast_failover import BFD_MULT
from testbed.theory.detours import Choice, detours_of

_DEFAULTS = FastFailover()
OPTIONS = (
    Factor("bfd_ms", (_DEFAULTS.bfd_ms,), "BFD's interval between two switches; 0: by carrier alone", least=0),
    Factor("bfd_mult", (_DEFAULTS.bfd_mult,), "BFD's detection multiplier", least=BFD_MULT[0]),
)
#: The most detours that a mark has room for, and the most hosts: two octets each.
_MOST = 0xFFFF
_HOME, _ONWARD = 200, 100
_BROADCAST = "ff:ff:ff:ff:ff:ff"


class FastFailoverGroups(Scheme):
    """OpenFlow fast-failover groups without a controller: each switch has its detours beforehand, and BFD on its ports.

    Each switch has a group for every host and every port that a frame may come in by. Its buckets are the ports that
    lead on, the cheapest way first, and last the port that the frame came in by; the first that is live counts
    (OpenFlow 1.3, 5.6.1). A port is live if it has carrier and, unless ``bfd_ms`` is 0, its BFD session is up. So the
    switch beside a failure acts alone. Flows go by the hosts' addresses, which are known: ARP requests and neighbour
    solicitations go to the host that they ask for, and nothing is flooded.

    A frame on a detour carries the number of its detours in its destination address, until the last switch writes the
    host's own: so it cannot circulate.
    """

    name = "fast-failover"
    why_no_option = NO_LAGS
    options = OPTIONS
    tables = "OpenFlow13"

    def __init__(self, watch: FastFailover = _DEFAULTS) -> None:
        self.watch = watch
        self.side = SwitchSide(lags=False, negotiates=False, controller=False, groups=False, detour=watch)

    def of(self, case: Mapping[str, Level]) -> Self:
        """With the parameters of a case. Errors: SpecError for values out of range."""
        given = self._given(case)
        return type(self)(FastFailover(**given)) if given else self  # type: ignore[arg-type]

    def check(self, topology: Topology) -> None:
        """Every host has one link, to a switch; every single failure has a detour, if any way is left."""
        super().check(topology)
        if not topology.switches:
            return
        for host in topology.hosts:
            if host.bond is not None:
                raise SpecError(
                    f"host {host.name!r} has a bond, and controller {self.name} knows each host at one port",
                    "Use a topology whose hosts have one link: --topology two_ways --set ends=switches",
                )
        if len(topology.switches) > _MOST or len(topology.hosts) > _MOST:
            raise SpecError(f"controller {self.name} takes {_MOST} switches and hosts at most")

    def starts(self, topology: Topology) -> list[Clock]:
        """BFD on every port to another switch."""
        if not self.watch.bfd_ms:
            return []
        found = []
        detours = detours_of(topology)
        for switch, ports in ((each, detours.between(each)) for each in detours.switches):
            settings = [f"bfd:min_tx={self.watch.bfd_ms}", f"bfd:min_rx={self.watch.bfd_ms}"]
            settings += [f"bfd:mult={self.watch.bfd_mult}", "bfd:enable=true"]
            words = [word for port in ports for word in ("--", "set", "Interface", port, *settings)]
            if words:
                found.append(Clock(f"bfd {switch}", self.watch.bfd_ms / 1e3, tuple(words[1:])))
        return found

    def program(self, topology: Topology, switch: str) -> Program:
        """The groups and flows of a switch, as ovs-ofctl(8) takes them."""
        groups: dict[str, int] = {}
        flows: list[str] = []
        detours = detours_of(topology)
        between = detours.between(switch)
        for place, host in enumerate(topology.hosts, start=1):
            home, port = detours.home(host.name)
            mac, number = topology.host_mac(host.name), topology.ports[port].number if home == switch else 0
            asked = _asked(host.ip, host.ip_version)
            if home == switch:
                marked = f"{detour_address(0, place)}/ff:ff:00:00:ff:ff"
                flows += [f"priority={_HOME},{match},actions=output:{number}" for match in (f"dl_dst={mac}", asked)]
                flows.append(f"priority={_HOME},dl_dst={marked},actions=set_field:{mac}->eth_dst,output:{number}")
                continue
            for came_by in (*between, ""):
                for so_far in range(detours.most + 1 if came_by else 1):
                    choices = detours.choices(switch, home, came_by, so_far)
                    buckets = [_bucket(topology, each, came_by, detour_address(so_far + 1, place)) for each in choices]
                    if not buckets:
                        continue
                    group = groups.setdefault(",".join(buckets), len(groups) + 1)
                    where = f"in_port={topology.ports[came_by].number}," if came_by else ""
                    matches = [f"dl_dst={detour_address(so_far, place)}"] if so_far else [f"dl_dst={mac}", asked]
                    priority = _ONWARD + bool(came_by)
                    flows += [f"priority={priority},{where}{match},actions=group:{group}" for match in matches]
        texts = tuple(f"group_id={number},type=ff,{buckets}" for buckets, number in groups.items())
        return Program(texts, tuple(flows))

    def missing(self, live: Live) -> str:
        """The ports whose BFD session is not up, or has not agreed on its intervals yet (RFC 5880, 6.8.3)."""
        if not self.watch.bfd_ms or not live.topology.switches:
            return ""
        wanted = {
            "Forwarding": "true",
            **dict.fromkeys(("TX Interval", "RX Interval"), f"Approx {self.watch.bfd_ms}ms"),
        }
        sessions, detours = _sessions(live), detours_of(live.topology)
        lacking = []
        for port in (port for each in detours.switches for port in detours.between(each)):
            found = sessions.get(port, {})
            lacking += [f"{port} has {key} {found.get(key)}" for key in wanted if found.get(key) != wanted[key]]
        return ", ".join(lacking)

    def built(self, live: Live) -> dict[str, Any]:
        """No LAG. Every session shows the multiplier that the case has, at both ends."""
        watched = self.watch.bfd_ms and live.topology.switches
        for port, found in _sessions(live).items() if watched else ():
            for key in ("Detect Multiplier", "Remote Detect Multiplier"):
                if found.get(key) != str(self.watch.bfd_mult):
                    raise TrialError(f"BFD of {port} has {key} {found.get(key)}, wanted {self.watch.bfd_mult}")
        return no_lags(live)

    def collect(self, live: Live) -> None:
        """What BFD shows of each port, and the flows of each switch."""
        if not live.topology.switches:
            return
        if self.watch.bfd_ms:
            (live.raw / "bfd_show.txt").write_text(live.ask_switches("bfd/show"))
        flows = [live.ask_switches("bridge/dump-flows", switch.name) for switch in live.topology.switches]
        (live.raw / "bridge_dump-flows.txt").write_text("".join(flows))


def _sessions(live: Live) -> dict[str, dict[str, str]]:
    """What BFD shows of each port."""
    return {port: each.fields for port, each in ovs_shown.sections(live.ask_switches("bfd/show")).items()}


def _asked(ip: str, version: int) -> str:
    """Requests for a host's address: ARP, or neighbour solicitations (RFC 4861, 4.3), to everyone or to a group."""
    if version == 6:
        return f"icmp6,icmp_type=135,dl_dst=33:33:00:00:00:00/ff:ff:00:00:00:00,nd_target={ip}"
    return f"arp,dl_dst={_BROADCAST},arp_tpa={ip}"


def _bucket(topology: Topology, choice: Choice, came_by: str, mark: str) -> str:
    """A bucket: the port that it watches, and what it does. A frame goes back to where it came from by in_port only."""
    number = topology.ports[choice.port].number
    marked = f"set_field:{mark}->eth_dst," if choice.detour else ""
    return f"bucket=watch_port:{number},actions={marked}{'in_port' if choice.port == came_by else f'output:{number}'}"
