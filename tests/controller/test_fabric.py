"""The network as a whole: designated forwarders, the tree, and changes in two steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from testbed.controller.config import parse
from testbed.controller.fabric import Fabric
from testbed.controller.graph import Graph, Link


def ring(lags: dict[str, object] | None = None) -> Fabric:
    """Four switches in a ring: port 1 leads to the next, port 2 to the previous; ports from 3 are for hosts."""
    switches = {f"s{i}": {"dpid": i} for i in range(1, 5)}
    links = [{"a": f"s{i}:1", "b": f"s{i % 4 + 1}:2"} for i in range(1, 5)]
    fabric = Fabric(parse({"systems": {"core": {}}, "switches": switches, "lags": lags or {}, "links": links}, "file"))
    for dpid in range(1, 5):
        fabric.connect(dpid)
        for number in range(1, 6):
            fabric.set_port(dpid, number, True)
    settle(fabric)
    return fabric


def settle(fabric: Fabric) -> None:
    again = fabric.conclude()
    while again:
        again = fabric.widen()


def ports_of(fabric: Fabric, dpid: int, address: str) -> list[int]:
    """The ports, or groups, by which a switch sends frames to an address."""
    flows = [flow for part in fabric.parts[dpid].values() for flow in part.flows.items()]
    return [flow.actions[0][1] for (_, _, match), flow in flows if match == (("eth_dst", address),) and flow.actions]


LAG = {"lag": {"ports": ["s2:3", "s3:3", "s4:3"]}}


def test_the_lowest_switch_that_sends_to_a_lag_delivers_to_it() -> None:
    fabric = ring(LAG)
    for ports, forwarder in (
        ([(3, 3)], {3}),
        ([(2, 3), (3, 3), (4, 3)], {2}),
        ([(3, 3), (4, 3)], {3}),
        ([], set()),
    ):
        fabric.set_distributing("lag", ports)
        settle(fabric)
        assert fabric.forwarders["lag"] == forwarder


def test_each_part_of_a_partitioned_network_has_its_own_forwarder() -> None:
    fabric = ring(LAG)
    fabric.set_distributing("lag", [(2, 3), (3, 3), (4, 3)])
    fabric.set_port(2, 1, False)  # s2 from s3
    fabric.set_port(4, 1, False)  # s4 from s1
    settle(fabric)
    assert fabric.forwarders["lag"] == {2, 3}


def test_the_old_forwarder_stops_before_the_new_one_starts() -> None:
    fabric = ring(LAG)
    fabric.set_distributing("lag", [(3, 3), (4, 3)])
    settle(fabric)
    fabric.set_distributing("lag", [(2, 3), (3, 3), (4, 3)])
    assert fabric.conclude()
    assert fabric.forwarders["lag"] == frozenset()
    fabric.conclude()  # nothing has been confirmed yet
    assert fabric.forwarders["lag"] == frozenset()
    assert not fabric.widen()
    assert fabric.forwarders["lag"] == {2}


def test_a_link_that_returns_is_used_once_both_ends_accept_frames_from_it() -> None:
    fabric = ring()
    first = Link(1, 1, 2, 2)
    assert first in fabric.tree
    fabric.set_port(1, 1, False)
    settle(fabric)
    assert first not in fabric.tree
    fabric.set_port(1, 1, True)
    assert fabric.conclude()
    assert first not in fabric.graph.links
    assert fabric.widen(), "another link leaves the tree first"
    assert first in fabric.graph.links
    assert first not in fabric.tree
    fabric.widen()
    assert first in fabric.tree


def test_only_changed_parts_are_programmed() -> None:
    fabric = ring(LAG)
    fabric.take_changes()
    for number in (1, 2):  # the second one behind the same port costs no more than the first
        assert fabric.learn(f"02:00:00:00:00:0{number}", (1, 4))
        settle(fabric)
        changed = fabric.take_changes()
        assert changed.keys() == {1, 2, 3, 4} and all(len(names) == 1 for names in changed.values())
    assert not fabric.learn("02:00:00:00:00:01", (1, 4))
    settle(fabric)
    assert fabric.take_changes() == {}
    fabric.set_port(3, 5, False)
    settle(fabric)
    assert fabric.take_changes() == {}, "a host port stays in the groups: the switch itself knows that it is down"


def test_paths_avoid_a_switch_that_does_not_answer_if_they_can() -> None:
    fabric = ring()
    assert fabric.graph.next_links({3})[1] == Link(1, 1, 2, 2)
    fabric.disconnect(2)
    settle(fabric)
    assert fabric.graph.next_links({3})[1] == Link(1, 2, 4, 1)
    assert fabric.graph.next_links({2})[1] == Link(1, 1, 2, 2)


@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), max_size=16),
    st.sets(st.integers(1, 8)),
)
def test_paths_are_shortest_and_the_tree_has_no_loop(
    count: int, pairs: list[tuple[int, int]], targets: set[int]
) -> None:
    """Against breadth-first search and against the number of edges of a forest."""
    ends = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1] and max(pair) <= count]
    links = [Link(a, 10 + index, b, 10 + index) for index, (a, b) in enumerate(ends)]
    graph = Graph(range(1, count + 1), links)
    assert len(graph.tree) == count - len(set(graph.component.values()))
    goals = {target for target in targets if target <= count}
    distance = dict.fromkeys(goals, 0)
    front = set(goals)
    while front:
        near = {link.other(dpid): distance[dpid] + 1 for dpid in front for link in links if dpid in (link.a, link.b)}
        front = near.keys() - distance.keys()
        distance |= {dpid: near[dpid] for dpid in front}
    first = graph.next_links(goals)
    assert first.keys() == distance.keys() - goals
    for dpid, link in first.items():
        assert distance[link.other(dpid)] == distance[dpid] - 1
    assert graph == Graph(range(1, count + 1), reversed(links))


def test_an_address_has_a_place_in_each_of_two_networks() -> None:
    """A node of PRP sends from one address into both of its networks (IEC 62439-3, 4.1)."""
    switches = {f"s{i}": {"dpid": i} for i in range(1, 5)}
    links = [{"a": "s1:1", "b": "s2:1"}, {"a": "s3:1", "b": "s4:1"}]
    fabric = Fabric(parse({"systems": {"core": {}}, "switches": switches, "lags": {}, "links": links}, "file"))
    for dpid in range(1, 5):
        fabric.connect(dpid)
        for number in (1, 2):
            fabric.set_port(dpid, number, True)
    settle(fabric)
    address = "02:00:00:00:00:01"
    assert fabric.learn(address, (1, 2)) and fabric.learn(address, (3, 2))
    assert not fabric.learn(address, (1, 2)) and not fabric.learn(address, (3, 2))  # it is known in both
    settle(fabric)
    to = {dpid: port for dpid in fabric.parts for port in ports_of(fabric, dpid, address)}
    assert to == {1: 2, 2: 1, 3: 2, 4: 1}  # the host's port, or the link: each network has its own place alone
    fabric.set_port(1, 2, False)
    settle(fabric)
    assert not fabric.learn(address, (3, 2)) and ports_of(fabric, 3, address) == [2]  # the other one is not forgotten
    assert fabric.learn(address, (2, 2)) and not fabric.learn(address, (3, 2))


def test_switches_that_one_lag_joins_are_one_network() -> None:
    switches = {f"s{i}": {"dpid": i} for i in range(1, 4)}
    lags = {"lag": {"ports": ["s1:3", "s2:3"]}}
    fabric = Fabric(parse({"systems": {"core": {}}, "switches": switches, "lags": lags, "links": []}, "file"))
    assert fabric.configuration.networks == {1: {1, 2}, 2: {1, 2}, 3: {3}}
