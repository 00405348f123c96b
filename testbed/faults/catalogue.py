"""What can go wrong, as values: each fault's name, the kind of element it takes, its parameters. Pure.

testbed.inject acts; this says what there is to act. A cable's element is one of its interfaces, or the
link by its name; that of a switch, a host or the controller ("c0") is its name. Of a cable's two ends the *host* end is
the one on a host, and the *switch* end the other; where both are on nodes of one kind, the end that the element names
(of a link by its name, the first) counts as the host end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from testbed.design.factor import Level
from testbed.errors import SpecError, unknown
from testbed.spec import Link, Topology

#: The controller's name, as an element.
CONTROLLER = "c0"
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
    """A kind of failure. ``element`` is what it befalls: ``cable``, ``switch``, ``host``, ``controller`` or ``any``."""

    name: str
    element: str
    summary: str
    parameters: tuple[Parameter, ...] = ()


def _direction(factor: str) -> Parameter:
    return Parameter("direction", factor, "both", "which frames are hit", DIRECTIONS)


@dataclass(frozen=True)
class Failed:
    """Elements that are down where their neighbours see it, and links that are silent where nobody is told."""

    down: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


_ALL = (
    Fault(
        "carrier_loss",
        "cable",
        "The cable is pulled: both ends lose carrier.",
        (Parameter("side", "carrier_side", "switch", "whose end is set down; the other only loses carrier", SIDES),),
    ),
    Fault(
        "silent_loss",
        "cable",
        "The cable carries no frame any more, and neither end is told.",
        (_direction("silent_direction"),),
    ),
    Fault("lacp_loss", "cable", "LACPDUs vanish, all other frames pass.", (_direction("lacp_direction"),)),
    Fault(
        "lossy",
        "cable",
        "Frames vanish at random.",
        (
            Parameter("loss_percent", "loss_percent", 10.0, "how many of 100 frames vanish", least=0.0, most=100.0),
            Parameter("seed", "loss_seed", 0, "of the chance; 0: drawn from the trial's", least=0),
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
        "The carrier goes and comes again and again.",
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
            Parameter("other", "miscabled_with", "", "the other cable; none named: the next LAG's, at the same place"),
            Parameter("unplugged_ms", "miscabled_ms", 200.0, "without carrier while they are moved", least=0.0),
        ),
    ),
    Fault("switch_crash", "switch", "The switch is gone: no carrier, no bridge; it comes back with empty tables."),
    Fault("switch_software_crash", "switch", "ovs-vswitchd is killed; what the kernel's datapath knows goes on."),
    Fault("switch_restart", "switch", "ovs-vswitchd ends in order and starts again at once, with empty tables."),
    Fault("peer_link_loss", "switch", "All links to the switches that it shares hosts with lose carrier."),
    Fault("uplink_loss", "switch", "All its links to other switches lose carrier, but those to its peers."),
    Fault("controller_crash", "controller", "The controller is killed; it starts again when the fault ends."),
    Fault("controller_pause", "controller", "The controller does nothing more; its connections stay."),
    Fault("controller_cut", "controller or switch", "The switch, or every one, reaches the controller no more."),
    Fault("host_reboot", "host", "All the host's interfaces are down, its bond too; then they come up again."),
    Fault("none", "any", "Nothing happens: what a trial shows then is the testbed's own doing."),
)
#: Every fault by its name.
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}


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


def checked(topology: Topology, name: str, element: str, parameters: Mapping[str, Level]) -> dict[str, Level]:
    """`valued`, and that the fault can befall the element. Errors: SpecError."""
    values = valued(name, parameters)
    _check_element(topology, named(name), element)
    if name == "miscabling":
        other_cable(topology, element, str(values["other"]))
    if name in ("peer_link_loss", "uplink_loss"):
        cut_links(topology, name, element)
    return values


def parameters_of(name: str, case: Mapping[str, Level]) -> dict[str, Level]:
    """The parameters of a fault that a case sets, by its factors (`Parameter.factor`)."""
    return {p.name: case[p.factor] for p in named(name).parameters if p.factor in case}


def link_named(topology: Topology, element: str) -> tuple[Link, str, str]:
    """The link of an interface, or of that name, with the interfaces at its host end and at its switch end."""
    for link in topology.links:
        if element not in (link.name, link.a_interface, link.b_interface):
            continue
        first = element if element != link.name else link.a_interface
        hosts = {host.name for host in topology.hosts}
        if (link.a in hosts) != (link.b in hosts):
            first = link.a_interface if link.a in hosts else link.b_interface
        return link, first, link.other(first)[1]
    raise SpecError(f"no interface or link is named {element!r}", "A link's name is that of its interfaces: a--b.")


def other_cable(topology: Topology, element: str, other: str = "") -> tuple[str, str]:
    """The switch ends of the two cables that miscabling swaps: the element's, and ``other`` or that of the next LAG.

    Errors: SpecError if a cable does not end in a LAG's port, or both end in ports of one LAG.
    """
    lag_of = {port: lag for lag in topology.lags for port in lag.ports}
    port = _lag_port(topology, element, lag_of)
    if other:
        found = _lag_port(topology, other, lag_of)
    else:
        lags = [lag for lag in topology.lags if lag_of[port].name != lag.name]
        if not lags:
            raise SpecError(f"miscabling takes two LAGs; topology {topology.name!r} has one")
        after = [lag for lag in lags if topology.lags.index(lag) > topology.lags.index(lag_of[port])]
        ports = (after or lags)[0].ports
        found = ports[min(lag_of[port].ports.index(port), len(ports) - 1)]
    if lag_of[found].name == lag_of[port].name:
        raise SpecError(f"miscabling swaps cables of two LAGs; {port} and {found} are both in {lag_of[port].name!r}")
    return port, found


def _lag_port(topology: Topology, element: str, lag_of: Mapping[str, object]) -> str:
    link, first, second = link_named(topology, element)
    for end in (second, first):
        if end in lag_of:
            return end
    raise SpecError(f"miscabling takes cables of LAGs; {link.name} is in none")


def peers(topology: Topology, switch: str) -> set[str]:
    """The switches that share a host's bond, or a LAG, with ``switch``."""
    shared = [host.bond.members for host in topology.hosts if host.bond is not None]
    groups = [{topology.link_of(member).other(member)[0] for member in members} for members in shared]
    groups += [{topology.owner(port) for port in lag.ports} for lag in topology.lags]
    return {node for group in groups if switch in group for node in group} - {switch}


def cut_links(topology: Topology, name: str, element: str) -> tuple[Link, ...]:
    """The links that a fault takes out of service altogether; for whoever reckons what must still be reached.

    Errors: SpecError where a fault of a switch's links finds none.
    """
    fault = named(name)
    if name in ("carrier_loss", "silent_loss"):
        return (link_named(topology, element)[0],)
    if name in ("switch_crash", "host_reboot"):
        return tuple(link for link in topology.links if element in (link.a, link.b))
    if name not in ("peer_link_loss", "uplink_loss"):
        return ()
    switches, near = {switch.name for switch in topology.switches}, peers(topology, element)
    wanted = near if name == "peer_link_loss" else switches - near
    found = tuple(
        link
        for link in topology.links
        if element in (link.a, link.b) and (link.b if link.a == element else link.a) in wanted & switches
    )
    if not found:
        what = "peer link" if name == "peer_link_loss" else "uplink"
        raise SpecError(f"{fault.name}: switch {element!r} of topology {topology.name!r} has no {what}")
    return found


def failed(topology: Topology, name: str, element: str, parameters: Mapping[str, Level]) -> Failed | None:
    """What is out of service while the fault lasts, for the oracle; None where a link still does part of its work."""
    if name == "none":
        return Failed()
    if name.startswith("controller_"):
        return Failed(frozenset({CONTROLLER})) if element == CONTROLLER else None
    if name in ("switch_crash", "host_reboot"):
        return Failed(frozenset({element}))
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
        "controller": [CONTROLLER],
        "controller or switch": [CONTROLLER, *(switch.name for switch in topology.switches)],
    }[fault.element]
    if element not in known:
        raise SpecError(
            f"{fault.name} takes a {fault.element}, not {element!r}",
            f"Here: {', '.join(known)}." if known else f"Topology {topology.name!r} has none.",
        )
