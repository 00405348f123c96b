"""What the spanning tree protocols of Open vSwitch have in common: parameters, start, read-back, convergence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from testbed.design.factor import Factor, Level
from testbed.errors import SpecError, TrialError, unknown
from testbed.schemes.scheme import NO_LAGS, Clock, Live, Scheme, no_lags
from testbed.spec import SpanningTree, SwitchSide, Topology
from testbed.spec.addressing import bridge_address
from testbed.spec.spanning import EDGE_PORTS, FORWARD_DELAY_S, HOLD_COUNT, MAX_AGE_S
from testbed.theory.spanning import PORT_PRIORITY, Tree, path_cost

_DEFAULTS = SpanningTree()
#: The parameters of a spanning tree that a case may set.
OPTIONS = {
    option.name: option
    for option in (
        Factor("tree_root", (_DEFAULTS.tree_root,), "the switch with the best bridge priority; none: the first"),
        Factor("edge_ports", (_DEFAULTS.edge_ports,), "what makes a port to a host an edge port", known=EDGE_PORTS),
        Factor("max_age_s", (_DEFAULTS.max_age_s,), "Max Age, 6 to 40", least=MAX_AGE_S[0]),
        Factor("forward_delay_s", (_DEFAULTS.forward_delay_s,), "Forward Delay, 4 to 30", least=FORWARD_DELAY_S[0]),
        Factor("hold_count", (_DEFAULTS.hold_count,), "Transmit Hold Count, 1 to 10 BPDUs", least=HOLD_COUNT[0]),
    )
}
#: Of rstp/show and stp/show: a bridge's heading; a port's line: name (of which ten characters are shown), role, state,
#: cost, priority and number; a line with one of the times.
_BRIDGE = re.compile(r"^---- (\S+) ----$")
_PORT = re.compile(r"^  (\S+) +([A-Za-z]+) +([A-Za-z]+) +(\d+) +(\d+)\.(\d+) *$")
_TIMES = re.compile(r"^  stp-(hello-time|max-age|fwd-delay)\s+(\d+)s$", re.MULTILINE)


class Spanning(Scheme):
    """A spanning tree protocol on every bridge; ``protocol`` is what Open vSwitch calls it."""

    protocol: str
    closed = True
    why_no_option = NO_LAGS
    #: What a port that is left out of the tree is said to do.
    idle: str

    def __init__(self, tree: SpanningTree | None = None) -> None:
        self.tree = tree or SpanningTree(protocol=self.protocol)
        self.side = SwitchSide(lags=False, negotiates=False, controller=False, groups=False, tree=self.tree)

    def of(self, case: Mapping[str, Level]) -> Self:
        """With the parameters of a case. Errors: SpecError for what the standard does not allow."""
        given = self._given(case)
        return type(self)(SpanningTree(protocol=self.protocol, **given)) if given else self  # type: ignore[arg-type]

    def check(self, topology: Topology) -> None:
        """It is between switches, knows no LAGs, and its information goes over as many bridges as Max Age says."""
        super().check(topology)
        names = [switch.name for switch in topology.switches]
        if not topology.switches:
            return
        if self.tree.tree_root and self.tree.tree_root not in names:
            raise unknown(f"tree_root of topology {topology.name!r}:", self.tree.tree_root, names)
        for lag in topology.lags:
            if lag.lacp == "off":
                raise SpecError(
                    f"LAG {lag.name!r} is static, and controller {self.name} has no LAGs: the host's address would move"
                    " from port to port",
                    "Use --set mode=active-backup, or --set controller=testbed.",
                )
        if (depth := Tree(topology, self.tree).depth) > self.tree.max_age_s:
            raise SpecError(
                f"a switch of topology {topology.name!r} is {depth} bridges from the root; information of the root goes"
                f" over {self.tree.max_age_s} at most (max_age_s; IEEE 802.1D-2004, 17.21.23)",
                "Use a smaller network, or --set tree_root=SWITCH in the middle of it, or a larger max_age_s.",
            )

    def starts(self, topology: Topology) -> list[Clock]:
        """Each bridge's protocol, which says hello from then on. With the last one all bridges begin to forward."""
        tree = Tree(topology, self.tree)
        found = []
        for name, place in tree.switches.items():
            words = self._words(tree, name, place)
            if place == len(tree.switches):
                words += tuple(word for each in tree.switches for word in ("--", "set-fail-mode", each, "standalone"))
            found.append(Clock(f"{self.name} {name}", float(self.tree.hello_s), words))
        return found

    def _words(self, tree: Tree, switch: str, place: int) -> tuple[str, ...]:
        """The words for ovs-vsctl(8) that start a bridge's protocol; first its ports' settings."""
        words: list[str] = []
        for interface in tree.topology.interfaces(switch):
            port = tree.topology.ports[interface]
            settings: dict[str, object] = {"port-num": port.number, "port-priority": PORT_PRIORITY}
            settings["path-cost"] = path_cost(port.link, self.protocol)
            if tree.topology.owner(port.far) not in tree.switches:
                settings |= self.of_edge()
            words += ["--", "set", "Port", interface, *self._settings(settings)]
        own = {**self.of_bridge(bridge_address(place)), "priority": tree.priority(switch)}
        own |= {"max-age": self.tree.max_age_s, "forward-delay": self.tree.forward_delay_s}
        words += ["--", "set", "Bridge", switch, f"{self.protocol}_enable=true", *self._settings(own)]
        return tuple(words[1:])

    def _settings(self, settings: Mapping[str, object]) -> list[str]:
        return [f"other_config:{self.protocol}-{name}={value}" for name, value in settings.items()]

    def of_edge(self) -> dict[str, str]:
        """Settings of a port to a host."""
        return {}

    def of_bridge(self, address: str) -> dict[str, object]:
        """Settings of a bridge with this address, besides priority, Max Age and Forward Delay."""
        raise NotImplementedError

    def _shown(self, live: Live) -> dict[str, tuple[str, str, list[int]]]:
        """What the bridges show of each port, by its number: role, state; cost, priority and number."""
        found = {}
        number = {(port.node, port.number): interface for interface, port in live.topology.ports.items()}
        bridge = ""
        for line in live.ask_switches(f"{self.protocol}/show").splitlines():
            if heading := _BRIDGE.match(line):
                bridge = heading[1]
            elif (port := _PORT.match(line)) and (bridge, int(port[6])) in number:
                numbers = [int(port[place]) for place in (4, 5, 6)]
                found[number[bridge, int(port[6])]] = port[2].capitalize(), port[3].capitalize(), numbers
        return found

    def missing(self, live: Live) -> str:
        """The ports that have not the role that theory knows, or do not forward yet although they should."""
        if not live.topology.switches:
            return ""
        found, roles, lacking = self._shown(live), Tree(live.topology, self.tree).roles, []
        for switch in live.topology.switches:
            for interface in live.topology.interfaces(switch.name):
                role = roles.get(interface, "Designated")
                wanted = role, self.idle if role == "Alternate" else "Forwarding"
                here = found[interface][:2] if interface in found else ("absent",)
                if here != wanted:
                    lacking.append(f"{interface} is {' '.join(here)}, not {' '.join(wanted)}")
        return ", ".join(lacking)

    def built(self, live: Live) -> dict[str, Any]:
        """No LAG. Every bridge shows the times that the case has, and every port its cost and priority."""
        if not live.topology.switches:
            return {}
        wanted = {
            "hello-time": self.tree.hello_s,
            "max-age": self.tree.max_age_s,
            "fwd-delay": self.tree.forward_delay_s,
        }
        for name, value in _TIMES.findall(live.ask_switches(f"{self.protocol}/show")):
            if int(value) != wanted[name]:
                raise TrialError(f"{self.name} was built with {name} {value} s, wanted {wanted[name]} s")
        for interface, (_, _, numbers) in self._shown(live).items():
            port = live.topology.ports[interface]
            should = [path_cost(port.link, self.protocol), PORT_PRIORITY, port.number]
            if numbers != should:
                raise TrialError(f"{interface} has the cost, priority and number {numbers}, wanted {should}")
        return no_lags(live)

    def collect(self, live: Live) -> None:
        """What every bridge shows of its tree."""
        if live.topology.switches:
            (live.raw / f"{self.protocol}_show.txt").write_text(live.ask_switches(f"{self.protocol}/show"))
