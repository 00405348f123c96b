"""Files for Mininet: each construct gives the network that Mininet would, or is refused for what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mininet.topo import Topo
from mininet.topolib import TreeTopo

from testbed.errors import SpecError
from testbed.experiment import discovery, mininet_options
from testbed.experiment.plan import build_topology, topology_defaults
from testbed.spec import Topology
from testbed.spec.addressing import interface_mac
from testbed.spec.link import MOST_DELAY_MS, MOST_QUEUE_PACKETS, RATE_RANGE_MBPS

#: Each reads a user's file in a process of its own.
pytestmark = pytest.mark.slow

CAMPUS = """
from mininet.topo import Topo

class Campus(Topo):
    def build(self, servers=1, name="srv"):
        for number in (1, 2):
            self.addSwitch(f"core{number}")
        self.addLink("core1", "core2", bw=10000)
        for number in range(servers):
            server = self.addHost(f"{name}{number + 1}")
            self.addLink("core2", server, delay="500us", max_queue_size=50)
            self.addLink(server, "core1")
        self.addLink("core2", "core1", bw=10000)
        self.addLink(self.addHost("lone"), "core1")

topos = {"campus": Campus}
"""
#: Two hosts with two links each to one switch; a test fills in what it is about.
PAIR = """
from functools import partial
from mininet.link import *
from mininet.node import *
from mininet.nodelib import *
from mininet.topo import Topo

class Mine(Link): pass
class Router(Node): pass

class Pair(Topo):
    def build(self, **options):
        s1 = self.addSwitch("s1", {switch})
        for name in ("h1", "h2"):
            host = self.addHost(name, **(dict({host}) if name == "h1" else {{}}))
            for place in range(2):
                self.addLink(host, s1, **(dict({link}) if place == 0 else {{}}))

topos = {{"pair": Pair}}
"""


def pair(*, host: str = "", switch: str = "", link: str = "") -> str:
    return PAIR.format(host=host, switch=switch, link=link)


def built(tmp_path: Path, text: str, levels: dict[str, Any] | None = None, name: str = "") -> Topology:
    (tmp_path / "mine.py").write_text(text)
    return build_topology(discovery.load_topology(f"{tmp_path / 'mine.py'}{name}"), levels or {})


def refused(tmp_path: Path, text: str, levels: dict[str, Any] | None = None, name: str = "") -> str:
    with pytest.raises(SpecError) as caught:
        built(tmp_path, text, levels, name)
    return str(caught.value).replace(f"{tmp_path}/", "")


def their_ends(topo: Topo) -> set[frozenset[str]]:
    """The interfaces at the two ends of each link, by Mininet's names."""
    infos = [each[-1] for each in topo.iterLinks(withInfo=True)]
    return {frozenset(f"{info[f'node{end}']}-eth{info[f'port{end}']}" for end in (1, 2)) for info in infos}


def our_ends(topology: Topology) -> set[frozenset[str]]:
    return {frozenset((link.a_interface, link.b_interface)) for link in topology.links}


def theirs(text: str, name: str, **arguments: Any) -> Topo:
    namespace: dict[str, Any] = {"__name__": "theirs"}
    exec(compile(text, "theirs.py", "exec"), namespace)
    found: Topo = namespace[name](**arguments)
    return found


def test_a_mininet_file_becomes_a_topology(tmp_path: Path) -> None:
    (tmp_path / "campus.py").write_text(CAMPUS)
    function = discovery.load_topology(str(tmp_path / "campus.py"))
    assert {"servers", "mode", "rate_mbps", "vlan", "mux"} <= topology_defaults(function).keys()
    topology = build_topology(function, {"servers": 2, "mode": "802.3ad", "rate_mbps": 100.0})
    assert topology.name == "campus"
    # Mininet's buildFromTopo adds the hosts in the order of their names, and numbers their addresses so.
    assert [(host.name, host.bond is not None) for host in topology.hosts] == [
        ("lone", False),
        ("srv1", True),
        ("srv2", True),
    ]
    lags = {lag.name: (lag.ports, lag.system) for lag in topology.lags}
    assert lags["lag-srv1"] == (("core2-eth2", "core1-eth2"), "core2-core1")
    assert lags["trunk1-core1"] == (("core1-eth1", "core1-eth4"), "core1")
    links = {link.name: link for link in topology.links}
    first = links["core2-eth2--srv1-eth0"]
    assert (first.rate_mbps, first.delay_ms, first.queue_packets) == (100.0, 0.5, 50)
    assert links["core1-eth1--core2-eth1"].rate_mbps == 10_000.0
    assert build_topology(function, {"name": "db"}).hosts[0].name == "db1"


@pytest.mark.parametrize("servers", [1, 3])
def test_ports_have_the_numbers_that_mininet_gives_them(tmp_path: Path, servers: int) -> None:
    topology = built(tmp_path, CAMPUS, {"servers": servers}, ":campus")
    assert our_ends(topology) == their_ends(theirs(CAMPUS, "Campus", servers=servers))
    for port in topology.ports.values():
        if port.node.startswith("core"):
            assert port.interface == f"{port.node}-eth{port.number}"


@pytest.mark.parametrize(
    ("text", "topo"),
    [
        ("from mininet.topo import SingleSwitchReversedTopo as mine\ntopos = {'mine': mine}\n", None),
        ("from mininet.topolib import TreeTopo\ntopos = {'mine': lambda: TreeTopo(2, 2)}\n", TreeTopo(2, 2)),
        ("from mininet.topolib import TorusTopo\ntopos = {'mine': lambda: TorusTopo(3, 3)}\n", None),
        ("from mininet.topo import LinearTopo\ntopos = {'mine': lambda: LinearTopo(3, 2)}\n", None),
    ],
    ids=["reversed", "tree", "torus", "linear"],
)
def test_mininets_own_topologies(tmp_path: Path, text: str, topo: Topo | None) -> None:
    topology = built(tmp_path, text)
    topo = topo or theirs(f"{text}\nmake = topos['mine']\n", "make")
    assert our_ends(topology) == their_ends(topo)
    assert {host.name for host in topology.hosts} == set(topo.hosts())


@pytest.mark.parametrize(
    ("parts", "path", "value"),
    [
        # Mininet's Host.config: ip with its prefix; Node.setIP: 8 without one; the other host has the default, net.py.
        ({"host": "ip='192.168.50.11/24'"}, None, "hosts h1 and h2 of topo"),
        ({"host": "ip='10.0.0.9/8'"}, "addresses", ["10.0.0.9/8", "10.0.0.2/8"]),
        ({"host": "ip='10.9.9.9'"}, "addresses", ["10.9.9.9/8", "10.0.0.2/8"]),
        ({}, "addresses", ["10.0.0.1/24", "10.0.0.2/24"]),
        # The MAC address is the first interface's (Node.defaultIntf); ip link shows it in lower case.
        ({"host": "mac='00:00:00:00:0A:01'"}, "macs", ["00:00:00:00:0a:01", interface_mac(1, 2)]),
        ({"link": "addr1='00:00:00:00:00:07'"}, None, "MAC addresses must be different from each other"),
        # A datapath id is hexadecimal; without one it is the first number in the name (Switch.defaultDpid).
        ({"switch": "dpid='00000000000000a1'"}, "dpids", [161]),
        ({"switch": "dpid='00:00:00:00:00:00:00:1f'"}, "dpids", [31]),
        ({}, "dpids", [1]),
        ({"link": "bw=10"}, "rates", [10.0, 1000.0]),
        ({"link": "bw=0.5"}, None, "rate 0.5 Mbit/s of link"),
        ({"link": "cls=TCLink, bw=100, delay='2ms'"}, "delays", [2.0, 0.0]),
        ({"link": "cls=partial(TCLink, bw=100, delay='2ms')"}, "delays", [2.0, 0.0]),
        ({"link": "bw=10, delay='5ms', loss=0, max_queue_size=1000, use_htb=True"}, "queues", [1000, 1000]),
        ({"link": "max_queue_size=17, jitter=None, loss=0.0, use_tbf=False, gro=False"}, "queues", [17, 1000]),
        ({"host": "cls=Host", "switch": "cls=OVSKernelSwitch, failMode='secure', protocols=None"}, "dpids", [1]),
        ({"host": "cls=CPULimitedHost, defaultRoute=None, inNamespace=True"}, "dpids", [1]),
    ],
)
def test_an_option_is_taken_over_or_changes_nothing(
    tmp_path: Path, parts: dict[str, str], path: str | None, value: Any
) -> None:
    levels = {"mode": "active-backup"}
    if path is None:
        place, _, text = refused(tmp_path, pair(**parts), levels).partition(": ")
        assert place.startswith("mine.py") and text.startswith(value)
        return
    topology = built(tmp_path, pair(**parts), levels)
    first = [topology.link_of(interface) for interface in topology.interfaces("h1")]
    found = {
        "addresses": [host.address for host in topology.hosts],
        "macs": [topology.ports[interface].mac for interface in topology.interfaces("h1")],
        "dpids": [switch.dpid for switch in topology.switches],
        "rates": [link.rate_mbps for link in first],
        "delays": [link.delay_ms for link in first],
        "queues": [link.queue_packets for link in first],
    }
    assert found[path] == value


def test_the_hosts_traffic_carries_its_mac_address(tmp_path: Path) -> None:
    topology = built(tmp_path, pair(host="mac='00:00:00:00:00:01'"))
    assert topology.host_mac("h1") == "00:00:00:00:00:01"
    assert Topology.from_json(topology.to_json()) == topology


ROUTED = "all hosts are in one subnet here, and nothing is routed"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"link": "loss=3"},
            "link h1 to s1 of topo 'pair' has loss=3: loss is a fault here\n"
            "Delete it, and type for example: --set fault=lossy --set loss_percent=3",
        ),
        ({"link": "jitter='1ms'"}, "link h1 to s1 of topo 'pair' has jitter='1ms': a link's delay is constant here\n"),
        (
            {"link": "use_hfsc=True"},
            "link h1 to s1 of topo 'pair' has use_hfsc=True: a link keeps its rate by HTB",
        ),
        (
            {"link": "cls=Mine"},
            "link h1 to s1 of topo 'pair' is of a class of its own, Mine; wanted Link or TCLink",
        ),
        ({"link": "nonsense=1"}, "link h1 to s1 of topo 'pair' has nonsense=1: it has no equivalent here\nDelete it."),
        (
            {"link": "params1={'ip': '10.0.0.1/8'}"},
            "link h1 to s1 of topo 'pair' has params1={'ip': '10.0.0.1/8'}: ",
        ),
        ({"link": "bw='10Mbps'"}, "link h1 to s1 of topo 'pair' has bw='10Mbps': no number; wanted Mbit/s, such as 10"),
        ({"link": "bw=0"}, "rate 0 Mbit/s of link h1-eth0--s1-eth1 is outside 1 to 100000"),
        ({"link": "bw=float('nan')"}, "link h1 to s1 of topo 'pair' has bw=nan: no number; wanted Mbit/s"),
        ({"link": "max_queue_size=1.5"}, "link h1 to s1 of topo 'pair' has max_queue_size=1.5: no number; wanted pack"),
        ({"link": "delay='5.5.5ms'"}, "link h1 to s1 of topo 'pair' has delay='5.5.5ms': no time; wanted a number wit"),
        ({"link": "intfName1='s1-eth1'"}, "link h2 to s1 of topo 'pair' ends at s1-eth1, as another link does"),
        ({"host": "cls=Router"}, "host h1 of topo 'pair' is of a class of its own, Router; wanted Host or Node or "),
        (
            {"host": "cls=NAT"},
            "host h1 of topo 'pair' is of NAT; wanted Host or Node or CPULimitedHost of Mininet\n",
        ),
        (
            {"host": "defaultRoute='via 10.0.0.254'"},
            f"host h1 of topo 'pair' has defaultRoute='via 10.0.0.254': {ROUTED}\nDelete it, with the router",
        ),
        ({"host": "cpu=.5"}, "host h1 of topo 'pair' has cpu=0.5: the processor of a host is not limited here"),
        ({"host": "inNamespace=False"}, "host h1 of topo 'pair' has inNamespace=False: every host has a network names"),
        (
            {"host": "vlan=7"},
            "host h1 of topo 'pair' has vlan=7: hosts of one network are in one VLAN here\nDelete ",
        ),
        ({"host": "ip='10.0.0.256'"}, "host h1 has ip='10.0.0.256': no IPv4 address, such as '10.0.0.1/24'"),
        ({"host": "mac='01:00:00:00:00:01'"}, "host h1 has the MAC address '01:00:00:00:00:01', which is no single "),
        ({"host": "mac='1'"}, "host h1 has the MAC address '1'; wanted one such as '00:00:00:00:00:01'"),
        (
            {"switch": "cls=OVSBridge"},
            "switch s1 of topo 'pair' is of OVSBridge; wanted OVSSwitch or OVSKernelSwitch",
        ),
        ({"switch": "failMode='standalone'"}, "switch s1 of topo 'pair' has failMode='standalone': a switch without"),
        ({"switch": "stp=True"}, "switch s1 of topo 'pair' has stp=True: parallel links are LAGs here"),
        (
            {"switch": "protocols='OpenFlow10'"},
            "switch s1 of topo 'pair' has protocols='OpenFlow10': the controller",
        ),
        ({"switch": "dpid='xyz'"}, "switch s1 has dpid='xyz'; wanted 1 to 16 hexadecimal digits as text, such as '1f'"),
        ({"switch": "dpid=161"}, "switch s1 has dpid=161; wanted 1 to 16 hexadecimal digits as text, such as '1f'"),
    ],
)
def test_what_has_no_equivalent_is_refused_for_what_it_is(tmp_path: Path, parts: dict[str, str], message: str) -> None:
    place, _, text = refused(tmp_path, pair(**parts)).partition(": ")
    assert text.startswith(message)
    # The file and the line in it that adds what the message is about.
    line = {"host": "self.addHost", "switch": "self.addSwitch", "link": "self.addLink"}[next(iter(parts))]
    lines = PAIR.splitlines()
    assert place == f"mine.py, line {next(n for n, text in enumerate(lines, start=1) if line in text)}"


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("bw=True", "has bw=True: no number; wanted Mbit/s, such as 10"),
        ("max_queue_size=True", "has max_queue_size=True: no number; wanted packets"),
        ("max_queue_size=1.5", "has max_queue_size=1.5: no number; wanted packets"),
        ("max_queue_size=0", "queue_packets of link h1-eth0--s1-eth1 is 0; wanted 1 or more"),
        ("max_queue_size=10**10", "wanted 1000000000 or less"),
        ("delay=True", "has delay=True: no time; wanted a number with us, ms or s"),
        ("delay='999999999s'", "delay_ms of link h1-eth0--s1-eth1 is 999999999000; wanted 10000 or less"),
        ("bw=10**9", "rate 1e+09 Mbit/s of link h1-eth0--s1-eth1 is outside 1 to 100000"),
    ],
)
def test_every_number_of_a_link_is_checked(tmp_path: Path, link: str, message: str) -> None:
    text = refused(tmp_path, pair(link=link))
    assert text.startswith("mine.py, line 17: ") and message in text


def test_an_error_of_mininets_own_topology_names_the_file(tmp_path: Path) -> None:
    text = (
        "from mininet.topo import SingleSwitchTopo\n\n\ntopos = {'it': lambda: SingleSwitchTopo(lopts=dict(bw='x'))}\n"
    )
    assert refused(tmp_path, text).startswith("mine.py, line 4: link")


def test_a_link_holds_no_more_packets_than_the_kernel_counts() -> None:
    """struct tc_netem_qopt: limit is a __u32; a frame on the wire is 84 octets at least (IEEE 802.3)."""
    assert MOST_QUEUE_PACKETS + RATE_RANGE_MBPS[1] * 1e3 * MOST_DELAY_MS / (8 * 84) < 2**32


@pytest.mark.parametrize(
    ("delay", "expected_ms"),
    [
        # tc(8), TIMES: s, sec, secs; ms, msec, msecs; us, usec, usecs, or a bare number; ns with newer iproute2.
        *(("1s", 1000.0), ("0.5ms", 0.5), ("5msec", 5.0), ("5msecs", 5.0), ("2sec", 2000.0), ("2secs", 2000.0)),
        *(("100us", 0.1), ("100usec", 0.1), ("250", 0.25), (250, 0.25), (".5ms", 0.5), ("5MS", 5.0), ("500ns", 0.0005)),
    ],
)
def test_delays_are_as_tc_takes_them(delay: Any, expected_ms: float) -> None:
    assert mininet_options.delay_ms(delay, "link") == expected_ms


@pytest.mark.parametrize("delay", ["", "5.5.5ms", "-5ms", "5 minutes", "ms", "1e400s", None])
def test_what_tc_refuses_is_refused(delay: Any) -> None:
    with pytest.raises(SpecError, match="no time"):
        mininet_options.delay_ms(delay, "link")


def network(body: str, hosts: str = "'h1', 'h2'") -> str:
    return (
        "from mininet.topo import Topo\n\n\nclass Mine(Topo):\n    def build(self):\n"
        f"        for host in ({hosts}):\n            self.addHost(host)\n"
        + "".join(f"        {line}\n" for line in body.splitlines())
        + "\n\ntopos = {'mine': Mine}\n"
    )


@pytest.mark.parametrize("links", [1, 2])
def test_two_hosts_joined_without_a_switch(tmp_path: Path, links: int) -> None:
    text = network(f"for _ in range({links}): self.addLink('h1', 'h2', bw=10)")
    topology = built(tmp_path, text)
    assert [bool(host.bond) for host in topology.hosts] == [links > 1] * 2
    assert (topology.lags, topology.switches) == ((), ())
    assert {link.rate_mbps for link in topology.links} == {10.0}


def test_a_host_that_joins_two_others_is_refused(tmp_path: Path) -> None:
    text = network("self.addLink('A', 'B')\nself.addLink('B', 'C')", "'A', 'B', 'C'")
    assert refused(tmp_path, text) == (
        "mine.py, line 7: host B of topo 'mine' has links to A and C; wanted links to switches alone,"
        " or to one other host alone\n"
        "A bond needs a partner; a host that forwards between two networks is none."
    )


def test_ports_and_interfaces_that_the_file_numbers_and_names(tmp_path: Path) -> None:
    body = "self.addSwitch('s1')\nself.addLink('s1', 'h1', port1=1, port2=1)\nself.addLink('s1', 'h2', intfName2='eth')"
    topology = built(tmp_path, network(body))
    assert our_ends(topology) == {frozenset(("s1-eth1", "h1-eth1")), frozenset(("s1-eth2", "eth"))}
    assert topology.members("h2") == ("eth",)
    assert refused(tmp_path, network(body.replace("port1=1", "port1=7"))) == (
        "mine.py, line 8: s1-eth2 of topo 'mine' is port 2; the ports of a switch are numbered from 1 without gaps"
        " here, so it would be port 1\nDelete port1 and port2, or give ports without gaps."
    )


def test_datapath_ids_as_mininet_derives_them(tmp_path: Path) -> None:
    """``s10`` is 10; where that gives two the same, as in a network of leaf1 and spine1, they are numbered."""
    link = "\nfor s in names: self.addLink(self.addHost('x' + s), self.addSwitch(s))"
    ids = {}
    for names in (("s3", "s10"), ("leaf1", "spine1"), ("left", "right")):
        found = built(tmp_path, network(f"names = {names!r}{link}", "'h1',").replace("self.addHost(host)", "pass"))
        ids[names] = [switch.dpid for switch in found.switches]
    assert list(ids.values()) == [[3, 10], [1, 2], [1, 2]]


THREE = """
from mininet.topo import Topo

class Row(Topo):
    def build(self, switches=1):
        for number in range(switches):
            self.addLink(self.addHost(f"h{number}"), self.addSwitch(f"s{number + 1}"))

topos = {"one": lambda: Row(1), "two": lambda: Row(2), "three": Row, "wide": lambda n, m=1: Row(n * m), "no": 5}
"""


def test_several_topos_and_one_of_them(tmp_path: Path) -> None:
    assert refused(tmp_path, THREE) == (
        "mine.py has 5 topos, and none is named 'mine'; found: one, two, three, wide, no\n"
        "Name the one that is meant: mine.py:one"
    )
    assert len(built(tmp_path, THREE, name=":two").switches) == 2
    assert built(tmp_path, THREE, {"switches": 3}, ":three").name == "three"
    assert len(built(tmp_path, THREE, {"switches": 4}, ":Row").switches) == 4
    assert refused(tmp_path, THREE, name=":thre").endswith("Did you mean 'three'?")
    assert "topos['no'] is int; wanted a class or function" in refused(tmp_path, THREE, name=":no")


def test_an_argument_without_a_default_is_given_by_name(tmp_path: Path) -> None:
    """``mn --topo wide,2`` reads 2 as a number; here it is ``--set n=2``."""
    assert refused(tmp_path, THREE, name=":wide") == "topo 'wide' needs the argument n\nFor example: --set n=2"
    assert len(built(tmp_path, THREE, {"n": "2", "m": 3}, ":wide").switches) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topos = [1]", "topos of mine.py is list; wanted a dictionary of names and classes"),
        ("topos = {}", "mine.py has 0 topos, and none is named 'mine'; found: none"),
        ("topos = {'mine': lambda: 5}", "mine.py: topo 'mine' is int; wanted a mininet.topo.Topo"),
        (
            "from mininet.topo import Topo\n\n\nclass Campus(Topo):\n    pass\n",
            "mine.py has no function mine(); wanted one that returns a Topology, or topos as mn --custom takes them\n"
            "Add to the file: topos = {'mine': Campus}. Or type: testbed show mine.py:Campus",
        ),
        (
            "from mininet.net import Mininet\n\n\ndef run():\n    Mininet().start()\n",
            "mine.py builds a network by calls of Mininet(...), which a file that is read cannot; wanted a Topology,"
            " or topos as mn --custom takes them\n"
            "Make a class of it: class MyTopo(Topo), and add: topos = {'mine': MyTopo}",
        ),
    ],
)
def test_a_file_without_a_usable_network_is_told_what_it_lacks(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text).startswith(message)


@pytest.mark.parametrize("call", ["Mininet(topo=Mine())", "Node('root', inNamespace=False)", "mine()"])
def test_a_script_that_starts_mininet_when_it_is_loaded_is_refused(tmp_path: Path, call: str) -> None:
    """With the line, and at once: outside the confined process a host waits for its shell for ever."""
    text = network("pass") + f"\nfrom mininet.net import *\nfrom mininet.node import *\ndef mine(): Mininet()\n{call}\n"
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(SpecError) as caught:
        discovery.topology(str(tmp_path / "mine.py"))
    line = len(text.splitlines()) - (call == "mine()")  # the innermost line in the file
    assert caught.value.message.startswith(
        f"{tmp_path / 'mine.py'}, line {line}: RuntimeError: Mininet starts a network"
    )
