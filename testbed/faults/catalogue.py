"""The faults that there are, as values: each with its name, the kind of element that it takes, its parameters. Pure.

testbed.inject carries them out. The element of a fault is a name. A cable's is one of its interfaces or its link; a
switch, a host and the controller ("c0") have one of their own. Of a cable's two ends the *host* end is the one on a
host, and the *switch* end is the other. Where both are on nodes of one kind, the end that the element names (of a link
the first) counts as the host end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from testbed.design.factor import Factor, Level
from testbed.errors import SpecError, unknown
from testbed.faults.cabling import link_named, other_cable, peers
from testbed.spec import Link, Topology

#: The controller's name, as an element.
CONTROLLER = "c0"
#: An element's name before that of a switch: the connection of that switch to the controller.
CONTROL = f"{CONTROLLER}-"
SIDES = ("switch", "host", "both")
DIRECTIONS = ("both", "to_host", "from_host")


@dataclass(frozen=True)
class Parameter:
    """A number or word that a fault takes.

    ``factor`` is its name as a factor of an experiment, which no other has; ``known`` is the closed set of words;
    ``least`` and ``most`` bound a number.
    """

    name: str
    factor: str
    default: Level
    meaning: str
    known: tuple[str, ...] | None = None
    least: float | None = None
    most: float | None = None

    def checked(self, fault: str, value: Level) -> Level:
        """The value in the default's type. Errors: SpecError naming fault, parameter, and what was wanted."""
        place = f"{self.name} of fault {fault}"
        if isinstance(self.default, str):
            if self.known is not None and value not in self.known:
                raise unknown(place, str(value), self.known)
            return str(value)
        whole = isinstance(self.default, int)
        if isinstance(value, str | bool) or not math.isfinite(value) or (whole and value != int(value)):
            raise SpecError(f"{place} is {value!r}; wanted a {'whole ' if whole else ''}number")
        if (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            wanted = f"{self.least:g} or more" if self.most is None else f"{self.least:g} to {self.most:g}"
            raise SpecError(f"{place} is {value:g}; wanted {wanted}")
        return int(value) if whole else float(value)


@dataclass(frozen=True)
class Fault:
    """A kind of failure. ``element`` is what it hits: a ``cable``, a ``switch``, a ``host``, a ``router`` (or a host
    with services), a ``site`` (its machines, joined by '+'), a ``VRRP router``, a ``service`` of a machine
    (``r1:keepalived``), a ``BGP speaker`` (``ia:bird``, ``ia:bgpd``), the ``controller``, the ``controller or switch``,
    or ``any``."""

    name: str
    element: str
    summary: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class CheckedFault:
    """A fault on an element that is in the network and that it can hit, with all its parameters (`checked`)."""

    fault: Fault
    element: str
    parameters: Mapping[str, Level]


def _direction(factor: str) -> Parameter:
    return Parameter("direction", factor, "both", "which frames are hit", DIRECTIONS)


@dataclass(frozen=True)
class Failed:
    """The elements that are down, as their neighbours detect, and the links that lose all frames but keep carrier."""

    down: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


_ALL = (
    Fault(
        "carrier_loss",
        "cable",
        "The cable is pulled: both ends lose carrier.",
        (Parameter("side", "carrier_side", "switch", "which end is set down; the other only loses carrier", SIDES),),
    ),
    Fault(
        "silent_loss",
        "cable",
        "The cable carries no frames; both ends keep their carrier.",
        (_direction("silent_direction"),),
    ),
    Fault("lacp_loss", "cable", "LACPDUs are lost, all other frames pass.", (_direction("lacp_direction"),)),
    Fault(
        "lossy",
        "cable",
        "Frames are lost at random.",
        (
            Parameter(
                "loss_percent", "loss_percent", 10.0, "percentage of the frames that are lost", least=0.0, most=100.0
            ),
            Parameter("seed", "loss_seed", 0, "of the random numbers; 0: drawn from the trial's seed", least=0),
            _direction("loss_direction"),
        ),
    ),
    Fault(
        "slow",
        "cable",
        "Frames take longer, or come at a lower rate.",
        (
            Parameter("delay_ms", "slow_delay_ms", 50.0, "added to each direction's delay", least=0.0, most=60_000.0),
            Parameter("rate_mbps", "slow_rate_mbps", 0.0, "the rate of each direction; 0: as it was", least=0.0),
        ),
    ),
    Fault(
        "flapping",
        "cable",
        "The carrier is lost and comes back periodically.",
        (
            Parameter("period_ms", "flap_period_ms", 400.0, "from one loss of carrier to the next", least=2.0),
            Parameter("duty", "flap_duty", 0.5, "the part of each period without carrier", least=0.01, most=0.99),
            Parameter("count", "flap_count", 0, "how many losses; 0: as long as the fault lasts", least=0),
        ),
    ),
    Fault(
        "miscabling",
        "cable",
        "The cable and one of another LAG are plugged into each other's switch port.",
        (
            Parameter("other", "miscabled_with", "", "the other cable; none: the next LAG's, at the same place"),
            Parameter("unplugged_ms", "miscabled_ms", 200.0, "time without carrier while they are moved", least=0.0),
        ),
    ),
    Fault("switch_crash", "switch", "The switch is gone: no carrier, no bridge; it comes back with empty tables."),
    Fault("switch_software_crash", "switch", "ovs-vswitchd is killed; flows in the kernel's datapath go on."),
    Fault("switch_restart", "switch", "ovs-vswitchd ends in order and starts again at once, with empty tables."),
    Fault("peer_link_loss", "switch", "All links to the switches that it shares hosts with lose carrier."),
    Fault("uplink_loss", "switch", "All its links to other switches lose carrier, except those to its peers."),
    Fault("controller_crash", "controller", "The controller is killed; it starts again when the fault ends."),
    Fault("controller_pause", "controller", "The controller stops responding; its connections stay open."),
    Fault("controller_cut", "controller or switch", "The switch, or every switch, no longer reaches the controller."),
    Fault("host_reboot", "host", "All interfaces of the host and its bond are down, then they come up again."),
    Fault("router_crash", "router", "The machine loses power: its links have no carrier, its daemons are gone."),
    Fault("router_hang", "router", "The machine neither forwards nor answers; its links keep their carrier."),
    Fault("site_loss", "site", "All machines of a site lose power at once, as its routers and servers."),
    Fault(
        "split_brain", "VRRP router", "What the router says by VRRP is lost, all else passes: another is master too."
    ),
    Fault(
        "announcement_loss",
        "VRRP router",
        "The machine loses power, and what others first announce of its addresses is lost (gratuitous ARP).",
        (
            Parameter(
                "lost_ms",
                "announcement_lost_ms",
                5000.0,
                "for so long from the loss of power on",
                least=0.0,
                most=60_000.0,
            ),
        ),
    ),
    Fault("service_stop", "service", "The daemon ends in order (SIGTERM); it starts again when the fault ends."),
    Fault("service_crash", "service", "The daemon is killed (SIGKILL); it starts again when the fault ends."),
    Fault("service_pause", "service", "The daemon is halted (SIGSTOP); it continues when the fault ends."),
    Fault("route_withdrawal", "BGP speaker", "The BGP speaker withdraws all that it announces; its sessions stay."),
    Fault("none", "any", "Nothing happens: what a trial shows then is caused by the testbed itself."),
)
#: Every fault by its name.
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}
#: The faults of cables, switches, hosts and the controller: those that a network without routers may have.
OF_LINKS = tuple(
    fault.name for fault in _ALL if fault.element not in ("router", "site", "VRRP router", "service", "BGP speaker")
)

#: The faults of whole nodes.
_WHOLE = ("switch_crash", "host_reboot", "router_crash", "router_hang", "announcement_loss", "site_loss")


def options_of(names: Iterable[str]) -> tuple[Factor, ...]:
    """Every parameter of these faults as a factor that an experiment may offer."""
    return tuple(
        Factor(
            each.factor,
            (each.default,),
            f"{name}: {each.meaning}",
            known=each.known,
            least=each.least,
            most=None if each.most is None else (each.most, ""),
        )
        for name in dict.fromkeys(names)
        for each in FAULTS[name].parameters
    )


#: Every parameter of every fault.
OPTIONS = options_of(FAULTS)


def named(name: str) -> Fault:
    """The fault of that name. Errors: SpecError naming the known ones."""
    if name not in FAULTS:
        raise unknown("fault", name, FAULTS)
    return FAULTS[name]


def valued(name: str, parameters: Mapping[str, Level]) -> dict[str, Level]:
    """All parameters of a fault, the missing ones by default, in the fault's own order.

    Errors: SpecError for an unknown fault or parameter, or a value out of range.
    """
    known = {parameter.name: parameter for parameter in named(name).parameters}
    for given in parameters:
        if given not in known:
            if not known:
                raise SpecError(f"fault {name} takes no parameters, but {given!r} was given")
            raise unknown(f"parameter of fault {name}:", given, known)
    return {each: known[each].checked(name, parameters.get(each, known[each].default)) for each in known}


def checked(topology: Topology, name: str, element: str, parameters: Mapping[str, Level]) -> CheckedFault:
    """The fault on that element of the network, with all its parameters, the missing ones by default.

    Errors: SpecError for an unknown fault or parameter, a value out of range, or an element that it cannot hit.
    """
    values = valued(name, parameters)
    _check_element(topology, named(name), element)
    if name == "miscabling":
        other_cable(topology, element, str(values["other"]))
    if name in ("peer_link_loss", "uplink_loss"):
        cut_links(topology, name, element)
    if FAULTS[name].element == "cable" and (why := without_effect(values, link_named(topology, element)[:1])):
        raise SpecError(f"fault {name} of {element}: {why}")
    return CheckedFault(named(name), element, values)


def without_effect(parameters: Mapping[str, Level], links: Iterable[Link]) -> str:
    """Why a fault with all these parameters changes nothing of cables of these links; empty if it does."""
    if parameters.get("loss_percent") == 0:
        return "no frame is lost by 0 percent; wanted more than 0"
    if "rate_mbps" not in parameters:
        return ""
    rate_mbps = float(parameters["rate_mbps"])
    if not rate_mbps and not float(parameters["delay_ms"]):
        return "delay and rate are as they were; wanted a delay, or a rate below that of the link"
    rates = [math.inf if link.rate_mbps is None else link.rate_mbps for link in links]
    if rates and rate_mbps >= max(rates):
        return f"a rate of {rate_mbps:g} Mbit/s is not below that of the link, {max(rates):g} Mbit/s; wanted less"
    return ""


def not_taken(name: str, case: Mapping[str, Level]) -> str:
    """Which parameter of a case the fault has not, and another one has; empty if there is none."""
    own = {parameter.factor for parameter in named(name).parameters}
    other = next((option.name for option in OPTIONS if option.name in case and option.name not in own), "")
    return f"{other}: fault {name} has no such parameter" if other else ""


def parameters_of(name: str, case: Mapping[str, Level]) -> dict[str, Level]:
    """The parameters of a fault that a case sets, by its factors (`Parameter.factor`)."""
    return {p.name: case[p.factor] for p in named(name).parameters if p.factor in case}


def cut_links(topology: Topology, name: str, element: str) -> tuple[Link, ...]:
    """The links that a fault takes out of service completely, for computing what is still reachable.

    Errors: SpecError if the fault is of a switch's links and there are none.
    """
    fault = named(name)
    if name in ("carrier_loss", "silent_loss"):
        return (link_named(topology, element)[0],)
    if name in _WHOLE:
        machines = {*element.split("+")}
        return tuple(link for link in topology.links if machines & {link.a, link.b})
    if name not in ("peer_link_loss", "uplink_loss"):
        return ()
    switches, near = {switch.name for switch in topology.switches}, peers(topology, element)
    wanted = near if name == "peer_link_loss" else switches - near
    found = tuple(
        link for link in topology.links if element in (link.a, link.b) and link.beyond(element) in wanted & switches
    )
    if not found:
        what = "peer link" if name == "peer_link_loss" else "uplink"
        raise SpecError(f"{fault.name}: switch {element!r} of topology {topology.name!r} has no {what}")
    return found


def failed(topology: Topology, name: str, element: str, parameters: Mapping[str, Level]) -> Failed | None:
    """What is out of service while the fault lasts, for computing reachability; None if a link still works in part."""
    if name == "none":
        return Failed()
    if name.startswith("controller_"):
        alone = element == CONTROLLER or len(topology.switches) == 1
        return Failed(frozenset({CONTROLLER if alone else CONTROL + element}))
    if name in _WHOLE:
        return Failed(frozenset(element.split("+")))
    if name == "silent_loss" and parameters.get("direction", "both") != "both":
        return None
    links = frozenset(link.name for link in cut_links(topology, name, element))
    if not links:
        return None
    return Failed(silent=links) if name == "silent_loss" else Failed(links)


def _check_element(topology: Topology, fault: Fault, element: str) -> None:
    if fault.element == "any":
        return
    if fault.element == "cable":
        known = [name for link in topology.links for name in (link.name, link.a_interface, link.b_interface)]
        if element not in known:
            raise SpecError(
                f"{fault.name} takes an interface or a link, not {element!r}",
                f"For example: {topology.links[0].b_interface}, or {topology.links[0].name}.",
            )
        return
    known = {
        "switch": [switch.name for switch in topology.switches],
        "host": [host.name for host in topology.hosts],
        "router": list(topology.serving()),
        "site": [name for group in topology.sites for name in group.whole],
        "VRRP router": [name for group in topology.vrrp for name in group.routers],
        "service": list(topology.services()),
        "BGP speaker": [f"{each.machine}:{group.process}" for group in topology.bgp for each in group.speakers],
        "controller": [CONTROLLER],
        "controller or switch": [CONTROLLER, *(switch.name for switch in topology.switches)],
    }[fault.element]
    if element not in known:
        raise SpecError(
            f"{fault.name} takes a {fault.element}, not {element!r}",
            f"Here: {', '.join(known)}." if known else f"Topology {topology.name!r} has none.",
        )
