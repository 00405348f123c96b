"""Frames through simulated switches: each arrives where it should, once, and never loops.

What must hold is IEEE 802.1AX's frame distribution (6.2.4: one link for a conversation, no duplication, no copy back
into the aggregation) and IEEE 802.1Q's loop-free active topology.
"""

from __future__ import annotations

from collections import Counter, deque

from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.controller.config import PortId
from testbed.controller.flow_tables import CONTROLLER, Flow
from testbed.controller.forwarding import FORWARD, LEARN, View, base
from tests.controller.networks import Plan, mac, plans
from tests.controller.simulator import BROADCAST, Frame, World

EXAMPLES = settings(max_examples=40)


def reachable(plan: Plan, dead: set[PortId], start: int) -> set[int]:
    """The switches that ``start`` reaches over working cables: computed from the cables, not by the controller."""
    found, todo = {start}, deque([start])
    while todo:
        here = todo.popleft()
        for a, b in plan.cables:
            for near, far in ((a, b), (b, a)):
                if near[0] == here and near not in dead and far[0] not in found:
                    found.add(far[0])
                    todo.append(far[0])
    return found


def by_host(plan: Plan, out: Counter[PortId]) -> Counter[str]:
    """The copies at ports, counted by host."""
    owner = {port: host for host, ports in plan.hosts.items() for port in ports}
    return sum((Counter({owner[port]: count}) for port, count in out.items()), Counter())


def living(plan: Plan, world: World, host: str) -> list[PortId]:
    """The ports of a host that have carrier."""
    return [port for port in plan.hosts[host] if port not in world.dead]


def in_reach(plan: Plan, world: World, entry: PortId, source: str) -> set[str]:
    """The hosts that a frame from this port can reach."""
    switches = reachable(plan, world.dead, entry[0])
    others = plan.hosts.keys() - {source}
    return {host for host in others if any(port[0] in switches for port in living(plan, world, host))}


def check_all_pairs(plan: Plan, world: World) -> None:
    """A broadcast reaches every reachable host exactly once, and no other; a unicast reaches its destination only."""
    for again in range(2):
        for host in plan.hosts:
            for entry in living(plan, world, host):
                out = by_host(plan, world.send(entry, Frame(mac(host), BROADCAST, again)))
                assert out == Counter(in_reach(plan, world, entry, host)), (host, entry)
    for host in plan.hosts:
        for entry in living(plan, world, host):
            near = in_reach(plan, world, entry, host)
            for hashed in range(3):
                assert not world.send(entry, Frame(mac(host), mac(host), hashed)), "to itself"
            for target in plan.hosts.keys() - {host}:
                for hashed in range(3):
                    out = by_host(plan, world.send(entry, Frame(mac(host), mac(target), hashed)))
                    if target in near:
                        assert out == {target: 1}, (host, entry, target)
                    elif known_near(plan, world, target, entry) and world.fabric.linked(entry[0]):
                        assert not out, (host, entry, target)
                    else:  # an unknown address: flooded
                        assert max(out.values(), default=0) <= 1, (host, entry, target)


def fail(plan: Plan, world: World, data: st.DataObject, *, notified: bool) -> set[PortId]:
    """Cut some of the cables, with or without notifying the controller."""
    every = [a for a, _ in plan.cables] + [port for ports in plan.hosts.values() for port in ports]
    broken = data.draw(st.sets(st.sampled_from(every), max_size=6))
    for port in broken:
        world.cut(port)
    ends = {end for port in broken for end in (port, world.cable.get(port, port))}
    if notified:
        for end in sorted(ends):
            world.notify(end, False)
        world.settle()
    return ends


@EXAMPLES
@given(plans())
def test_every_host_receives_every_broadcast_once_and_its_own_unicast(plan: Plan) -> None:
    check_all_pairs(plan, plan.world())


@EXAMPLES
@given(plans(), st.data())
def test_the_same_with_failed_links_and_members_and_after_their_repair(plan: Plan, data: st.DataObject) -> None:
    world = plan.world()
    if data.draw(st.booleans()):
        check_all_pairs(plan, world)
    ends = fail(plan, world, data, notified=True)
    check_all_pairs(plan, world)
    world.dead.clear()
    for end in sorted(ends):
        world.notify(end, True)
    world.settle()
    check_all_pairs(plan, world)


@EXAMPLES
@given(plans(), st.data())
def test_with_a_switch_without_controller_nothing_loops_or_arrives_twice(plan: Plan, data: st.DataObject) -> None:
    """That switch keeps its tables; the others are programmed after failures and repairs."""
    world = plan.world()
    check_all_pairs(plan, world)
    detached = data.draw(st.sampled_from(sorted(world.switches)))
    world.fabric.disconnect(detached)
    world.detached = detached
    world.settle()
    check_broadcasts(plan, world)
    ends = fail(plan, world, data, notified=True)
    check_broadcasts(plan, world)
    world.dead.clear()
    for end in sorted(ends):
        world.notify(end, True)
    world.settle()
    check_broadcasts(plan, world)
    world.fabric.connect(detached)
    world.detached = None
    world.settle()
    world.program_one(detached)
    check_all_pairs(plan, world)


def attached(plan: Plan, host: str, entry: PortId) -> bool:
    """Whether a host's cables lead into the network of that switch, whether they work or not.

    Cables and the hosts' LAGs join switches to networks. Two networks know nothing of each other's addresses, so a
    frame to a host of another one is flooded in its own, like any to an unknown address (IEEE 802.1Q, 8.8).
    """
    joined = [{a[0], b[0]} for a, b in plan.cables] + [{port[0] for port in ports} for ports in plan.hosts.values()]
    found = {entry[0]}
    while more := set().union(*(dpids for dpids in joined if dpids & found)) - found:
        found |= more
    return any(port[0] in found for port in plan.hosts[host])


def known_near(plan: Plan, world: World, target: str, entry: PortId) -> bool:
    """Whether the target is in the network of that switch, though perhaps out of its reach now: then it is known there,
    unless its only port has lost carrier."""
    return bool(living(plan, world, target)) and attached(plan, target, entry)


def check_broadcasts(plan: Plan, world: World, *, unknown: bool = True) -> None:
    """No host receives a broadcast twice, or its own. With ``unknown``, also from sources that have to be learned."""
    for host in plan.hosts:
        for entry in living(plan, world, host):
            if not unknown and world.fabric.named(mac(host), entry[0]) not in world.fabric.addresses:
                continue
            out = by_host(plan, world.send(entry, Frame(mac(host), BROADCAST)))
            assert max(out.values(), default=0) <= 1, (host, entry)
            assert host not in out


@EXAMPLES
@given(plans(), st.data())
def test_before_the_controller_is_notified_nothing_loops_or_arrives_twice_and_lags_fail_over(
    plan: Plan, data: st.DataObject
) -> None:
    world = plan.world()
    check_all_pairs(plan, world)
    fail(plan, world, data, notified=False)
    for host in plan.hosts:
        for entry in living(plan, world, host):
            for target in plan.hosts.keys() - {host}:
                local = any(port[0] == entry[0] for port in living(plan, world, target))
                is_lag = len(plan.hosts[target]) > 1
                for hashed in range(3):
                    out = by_host(plan, world.send(entry, Frame(mac(host), mac(target), hashed)))
                    assert max(out.values(), default=0) <= 1
                    known = world.fabric.linked(entry[0]) and attached(plan, target, entry)
                    assert len(out) <= 1 or not known, "an address that is known there is not flooded"
                    assert out == {target: 1} or not (local and is_lag), "the SELECT group watches its ports"
            out = by_host(plan, world.send(entry, Frame(mac(host), BROADCAST)))
            assert max(out.values(), default=0) <= 1
            assert host not in out


@settings(max_examples=60)
@given(plans(switches=4), st.data())
def test_while_switches_are_programmed_no_broadcast_loops_or_arrives_twice(plan: Plan, data: st.DataObject) -> None:
    """Any message to a switch may be late: a switch may still have the tables of before the last confirmation."""
    world = plan.world()
    check_all_pairs(plan, world)
    ends = fail(plan, world, data, notified=True)
    world.dead.clear()
    order = data.draw(st.permutations(sorted(world.switches)))
    for end in sorted(ends):
        world.notify(end, True)
    again, first = False, True
    while again or first:
        again, first = (world.fabric.conclude() if first else world.fabric.widen()), False
        changed = world.fabric.take_changes()
        for dpid in order:
            if dpid in changed:
                world.program_one(dpid)
            check_broadcasts(plan, world, unknown=False)
    check_all_pairs(plan, world)


def test_a_frame_to_a_host_of_another_network_is_flooded_once_and_one_to_a_known_host_is_not() -> None:
    """s1 and s2 are joined; s3, with h4, is a network of its own."""
    plan = Plan(Counter({1: 0, 2: 0, 3: 0}))
    plan.join(1, 2, width=1)
    for dpid in (1, 1, 1, 3):
        plan.host([dpid])
    world = plan.world()
    check_all_pairs(plan, world)
    entry = plan.hosts["h1"][0]
    assert not attached(plan, "h4", entry)
    assert by_host(plan, world.send(entry, Frame(mac("h1"), mac("h4")))) == {"h2": 1, "h3": 1}
    assert by_host(plan, world.send(entry, Frame(mac("h1"), mac("h3")))) == {"h3": 1}


def test_a_lag_between_switches_hands_nothing_back_while_they_disagree() -> None:
    """By its tables, s1 expects the only member of h1's LAG on s2, and s2 expects it on s1."""
    plan = Plan(Counter({1: 0, 2: 0}))
    plan.join(1, 2, width=2)
    plan.host([1, 2])
    plan.host([1])
    world = plan.world()
    check_all_pairs(plan, world)
    at_s1, at_s2 = plan.hosts["h1"]
    world.notify(at_s2, False)
    world.settle()
    world.notify(at_s1, False)
    world.notify(at_s2, True)
    world.fabric.conclude()
    world.program_one(1)
    for hashed in range(4):
        assert not world.send(plan.hosts["h2"][0], Frame(mac("h2"), mac("h1"), hashed))


def test_only_a_switch_without_links_sends_on_frames_of_unknown_sources() -> None:
    assert base(View(linked=True)).flows[LEARN, 0, ()] == Flow((CONTROLLER,))
    assert base(View(linked=False)).flows[LEARN, 0, ()] == Flow((CONTROLLER,), goto=FORWARD)
