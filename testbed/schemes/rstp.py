"""The switches' own Rapid Spanning Tree Protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from testbed.design.factor import Factor, Level
from testbed.errors import SpecError, TrialError, unknown
from testbed.schemes.scheme import Clock, Live, Scheme
from testbed.spec import SpanningTree, SwitchSide, Topology
from testbed.spec.addressing import bridge_address
from testbed.spec.spanning import EDGE_PORTS, FORWARD_DELAY_S, HOLD_COUNT, MAX_AGE_S
from testbed.theory.spanning import PORT_PRIORITY, Tree, path_cost

_DEFAULTS = SpanningTree()
#: The parameters of a spanning tree that a case may set.
OPTIONS = (
    Factor("tree_root", (_DEFAULTS.tree_root,), "the switch with the best bridge priority; none: the first"),
    Factor("edge_ports", (_DEFAULTS.edge_ports,), "what makes a port to a host an edge port", known=EDGE_PORTS),
    Factor("max_age_s", (_DEFAULTS.max_age_s,), "Max Age, 6 to 40", least=MAX_AGE_S[0]),
    Factor("forward_delay_s", (_DEFAULTS.forward_delay_s,), "Forward Delay, 4 to 30", least=FORWARD_DELAY_S[0]),
    Factor("hold_count", (_DEFAULTS.hold_count,), "Transmit Hold Count, 1 to 10 BPDUs", least=HOLD_COUNT[0]),
)
#: A line of rstp/show: the port, its role, its state, its cost, its priority and number.
_PORT = re.compile(r"^  (\S+) +(Root|Designated|Alternate|Backup|Disabled) +(\w+) +(\d+) +(\d+)\.(\d+)$", re.MULTILINE)
_TIMES = re.compile(r"^  stp-(hello-time|max-age|fwd-delay)\s+(\d+)s$", re.MULTILINE)


class Rstp(Scheme):
    """Open vSwitch's Rapid Spanning Tree (IEEE 802.1D-2004): loops of switches are allowed, and one way forwards.

    Bridges agree on a tree, and the ports that are not in it discard. Where a link of the tree is lost, an alternate
    port takes over at once, or after a handshake from bridge to bridge. A link that falls silent is noticed when no
    BPDU has come for three times the Hello Time.

    Which tree that is, is known beforehand: the first switch, or ``tree_root``, has the best bridge priority, a link
    costs what its rate says, and each port has the number that OpenFlow gives it. Ports to hosts are edge ports unless
    ``edge_ports`` says otherwise. Each bridge starts its protocol at an instant of its own.
    """

    name = "rstp"
    options = OPTIONS

    def __init__(self, tree: SpanningTree = _DEFAULTS) -> None:
        self.tree = tree
        self.side = SwitchSide(lags=False, negotiates=False, controller=False, groups=False, tree=tree)

    def of(self, case: Mapping[str, Level]) -> Self:
        """With the parameters of a case. Errors: SpecError for what the standard does not allow."""
        given = {option.name: case[option.name] for option in self.options if option.name in case}
        return type(self)(SpanningTree(**given)) if given else self  # type: ignore[arg-type]

    def check(self, topology: Topology) -> None:
        """It is between switches, knows no LAGs, and its information goes over as many bridges as Max Age says."""
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
        """Each bridge's protocol, which counts its timers in seconds and says hello every second one."""
        tree = Tree(topology, self.tree)
        return [
            Clock(f"{self.name} {name}", float(self.tree.hello_s), self._words(tree, name, place))
            for name, place in tree.switches.items()
        ]

    def _words(self, tree: Tree, switch: str, place: int) -> tuple[str, ...]:
        """The words for ovs-vsctl(8) that start a bridge's protocol; first its ports' settings."""
        words: list[str] = []
        for interface in tree.topology.interfaces(switch):
            port = tree.topology.ports[interface]
            words += ["--", "set", "Port", interface, f"other_config:rstp-port-num={port.number}"]
            words += [f"other_config:rstp-port-priority={PORT_PRIORITY}"]
            words += [f"other_config:rstp-path-cost={path_cost(port.link)}"]
            if tree.topology.owner(port.far) not in tree.switches:
                # Open vSwitch heeds AdminEdge only when a port next loses carrier; until then AutoEdge finds it.
                words += [f"other_config:rstp-port-admin-edge={str(self.tree.edge_ports == 'admin').lower()}"]
                words += [f"other_config:rstp-port-auto-edge={str(self.tree.edge_ports != 'none').lower()}"]
        words += ["--", "set", "Bridge", switch, "rstp_enable=true"]
        words += [f'other_config:rstp-address="{bridge_address(place)}"']
        words += [f"other_config:rstp-priority={tree.priority(switch)}"]
        words += [f"other_config:rstp-max-age={self.tree.max_age_s}"]
        words += [f"other_config:rstp-forward-delay={self.tree.forward_delay_s}"]
        words += [f"other_config:rstp-transmit-hold-count={self.tree.hold_count}"]
        return tuple(words[1:])

    def missing(self, live: Live) -> str:
        """The ports that have not the role that theory knows, or do not forward yet although they should."""
        shown = live.ask_switches("rstp/show") if live.topology.switches else ""
        found = {port: (role, state) for port, role, state, *_ in _PORT.findall(shown)}
        roles = Tree(live.topology, self.tree).roles
        lacking = []
        for switch in live.topology.switches:
            for interface in live.topology.interfaces(switch.name):
                wanted = roles.get(interface, "Designated"), "Forwarding"
                if wanted[0] == "Alternate":
                    wanted = wanted[0], "Discarding"
                if found.get(interface) != wanted:
                    lacking.append(f"{interface} is {' '.join(found.get(interface, ('absent',)))}, not {wanted[0]}")
        return ", ".join(lacking)

    def check_built(self, live: Live) -> None:
        """Every bridge shows the times that the case has, and every port its cost, priority and number."""
        if not live.topology.switches:
            return
        shown = live.ask_switches("rstp/show")
        wanted = {
            "hello-time": self.tree.hello_s,
            "max-age": self.tree.max_age_s,
            "fwd-delay": self.tree.forward_delay_s,
        }
        for name, value in _TIMES.findall(shown):
            if int(value) != wanted[name]:
                raise TrialError(f"{self.name} was built with {name} {value} s, wanted {wanted[name]} s")
        for interface, _, _, *numbers in _PORT.findall(shown):
            port = live.topology.ports[interface]
            should = [path_cost(port.link), PORT_PRIORITY, port.number]
            if [int(each) for each in numbers] != should:
                raise TrialError(f"{interface} has the cost, priority and number {numbers}, wanted {should}")

    def collect(self, live: Live) -> None:
        """What every bridge shows of its tree."""
        if live.topology.switches:
            (live.raw / "rstp_show.txt").write_text(live.ask_switches("rstp/show"))
