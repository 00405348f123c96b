"""How long BGP and BFD take (RFC 4271, RFC 5880, BIRD 2.0.12), and whom machines still reach by what is left."""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import schemes
from testbed.faults.elements import elements
from testbed.spec import Attachment, Bgp, BgpOptions, BgpSession, BgpSpeaker, Host, Link, Router, Topology
from testbed.theory import OutageBound, bgp, bgp_routes, lines, mean_s
from testbed.theory.laws import First, Law, Sum, Total, Wait
from testbed.theory.reachability import Expectation, expected
from tests.emulation.dual_homed import dual_homed
from tests.emulation.shared_next_hop import shared_next_hop
from topologies.two_lines import two_lines

SIDE = schemes.chosen({"controller": "testbed"}).side


def group_of(**options: int | bool) -> Bgp:
    return two_lines(bgp=BgpOptions(**options)).bgp[0]  # type: ignore[arg-type]


def law_of(found: OutageBound | str) -> Law:
    assert isinstance(found, OutageBound) and found.law is not None
    return found.law


def test_two_uniform_times_by_cells_are_those_by_formula() -> None:
    cells, exact = Total((Sum(1.0, (2.0,)), Sum(0.5, (1.0,)))), Sum(1.5, (2.0, 1.0))
    assert (cells.low_s, cells.high_s) == (exact.low_s, exact.high_s)
    for at in (1.6, 2.0, 2.5, 3.0, 3.7, 4.4):
        assert cells.cdf(at) == pytest.approx(exact.cdf(at), abs=0.002)
    assert mean_s(cells) == pytest.approx(mean_s(exact), abs=0.003)


def test_the_wait_for_the_next_packet_has_the_mean_of_renewal_theory() -> None:
    """E[X^2] / 2 E[X] (Cox, 5.2): for X uniform from 3 to 4, (64 - 27) / 3 / 7."""
    assert mean_s(Wait(3.0, 4.0)) == pytest.approx(37 / 3 / 7)


def test_the_first_of_two_uniform_times() -> None:
    assert mean_s(First((Sum(0.0, (1.0,)), Sum(0.0, (1.0,))))) == pytest.approx(1 / 3)
    assert First((Sum(3.0), Sum(0.0, (4.0,)))).cdf(3.0) == 1.0


@pytest.mark.parametrize(("hold", "keepalive"), [(9, 3), (180, 60), (30, 3)])
def test_the_hold_time_with_birds_jitter_and_its_sleep(hold: int, keepalive: int) -> None:
    """Three quarters of H less K at the earliest; H and a sleep of BIRD, 3 s or a keepalive, at the latest."""
    law = law_of(bgp.detection(group_of(hold_s=hold, keepalive_s=keepalive)))
    assert law.low_s == pytest.approx(0.75 * hold - keepalive)
    assert law.high_s == pytest.approx(hold + min(3.0, keepalive))
    assert law.low_s < mean_s(law) < hold


def test_bird_sleeps_until_the_next_keepalive_or_three_seconds() -> None:
    rare, often = bgp.late(group_of(hold_s=180, keepalive_s=60)), bgp.late(group_of(hold_s=9, keepalive_s=1))
    assert often.high_s == 1.0 and rare.high_s == 3.0
    assert rare.cdf(2.999) < 0.25  # 1 - (1 - 3/52.5)^2 (1 - 3/60)^2 = 0.20


def test_bfd_is_what_it_is_for_hosts_with_two_ways() -> None:
    law = law_of(bgp.detection(group_of(bfd_ms=100, bfd_mult=3)))
    assert (law.low_s, law.high_s) == pytest.approx((0.21, 0.3))


def test_each_direction_waits_for_its_own_end() -> None:
    group = group_of(bfd_ms=100)
    both, one = law_of(bgp.outage(group, "silent_loss")), law_of(bgp.detection(group))
    assert both.cdf(0.25) == pytest.approx(one.cdf(0.25) ** 2)


@pytest.mark.parametrize("fault", ["carrier_loss", "router_crash", "service_stop", "service_crash", "route_withdrawal"])
def test_what_speakers_are_told_costs_nothing(fault: str) -> None:
    found = bgp.outage(group_of(), fault)
    assert isinstance(found, OutageBound) and found.bound_s == 0.0 and found.tolerance_s < 0.01


def test_a_default_route_hides_what_is_beyond() -> None:
    topology = two_lines(provider_routes="default")
    for fault in ("carrier_loss", "silent_loss"):
        line, uplink = (lines.element(topology, fault, place) for place in lines.PLACES)
        assert isinstance(lines.outage(topology, fault, line), OutageBound)
        assert "default route" in str(lines.outage(topology, fault, uplink))


def test_the_provider_with_the_lower_identifier_is_in_use() -> None:
    """RFC 4271, 9.1.2.2, f: of paths that are equal so far."""
    topology = two_lines()
    assert lines.trail(topology) == ("h1", "e1", "ia", "x", "h2")
    assert lines.element(topology, "silent_loss", "line") == "e1-eth1--ia-eth0"
    assert lines.element(topology, "silent_loss", "uplink") == "ia-eth1--x-eth0"
    assert lines.element(topology, "router_hang", "line") == "ia"
    assert lines.element(topology, "service_stop", "line") == "ia:bird"


def after(topology: Topology, *failed: str, silent: tuple[str, ...] = ()) -> Expectation:
    return expected(topology, failed, silent=silent, side=SIDE)["h1", "h2"]


def test_two_lines_survive_what_their_drawing_says() -> None:
    """All but e1, x, and the hosts' links with their ends."""
    topology = two_lines()
    weak = {each.name for each in elements(topology, SIDE) if after(topology, each.name).connected is not True}
    ends = {"h1-eth0", "e1-eth0", "h2-eth0", "x-eth2"}
    assert weak == {"e1", "x", "e1-eth0--h1-eth0", "x-eth2--h2-eth0", *ends}
    assert after(topology, "ia", "ib").connected is False
    assert after(topology, "e1-eth1", "ib-eth1").connected is False  # each line has lost a half


def test_with_default_routes_a_lost_uplink_of_the_provider_in_use_is_a_single_point_of_failure() -> None:
    topology = two_lines(provider_routes="default")
    assert after(topology, "ia-eth1--x-eth0").connected is False
    assert after(topology, "ib-eth1--x-eth1").connected is True
    assert after(topology, "e1-eth1--ia-eth0").connected is True


def test_the_bound_is_an_event_where_every_end_sees_it_and_the_hold_time_where_one_does_not() -> None:
    seen = after(two_lines(), "ia").bound
    assert seen is not None and seen.bound_s == 0.0
    silent = after(two_lines(), silent=("e1-eth1--ia-eth0",))
    assert silent.connected is True and silent.bound is not None and silent.bound.bound_s == 12.0


def test_a_longer_path_is_for_later() -> None:
    """An AS that stands in the path three times more makes the other provider's path the shorter one (9.1.2.2, a)."""
    topology = two_lines()
    first, ia, *others = topology.bgp[0].speakers
    far = dataclasses.replace(topology.bgp[0], speakers=(first, dataclasses.replace(ia, prepend=3), *others))
    assert lines.trail(dataclasses.replace(topology, bgp=(far,))) == ("h1", "e1", "ib", "x", "h2")


def test_a_next_hop_that_two_routers_share_leads_to_the_one_that_has_it() -> None:
    topology = shared_next_hop()
    assert lines.routes(topology)["x"] == {"10.0.0.0/24": ["10.1.0.254"]}
    for lost in ("f1", "f2", "f1-eth0", "f2-eth1"):
        assert after(topology, lost).connected is True, lost
    assert after(topology, "f1", "f2").connected is False
    # The router that is master has lost its session, and knows no way to the other subnet.
    alone = after(topology, "x-eth0--s2-eth3")
    assert alone.connected is False and "f1 has no route to 10.2.0.2" in alone.why


def test_an_edge_that_passes_on_what_it_heard_would_be_a_way_between_providers() -> None:
    """RFC 7908: ib reaches h2's subnet by e1 and ia once it has lost the internet, unless e1 keeps it to itself."""
    topology = two_lines()
    group = topology.bgp[0]
    edge, *others = group.speakers
    leaks = dataclasses.replace(group, speakers=(dataclasses.replace(edge, transit=True), *others))
    up = [each for each in group.sessions if (each.one, each.other) != ("ib", "x")]
    own = {each.machine: each.prefixes for each in group.speakers}
    assert "10.1.0.0/24" not in bgp_routes.settled(topology, group, up, own)["ib"]
    (path,) = bgp_routes.settled(topology, leaks, up, own)["ib"]["10.1.0.0/24"]
    assert path.numbers == (65001, 65010, 65030)


def test_equal_paths_are_used_at_once_with_ecmp() -> None:
    assert lines.routes(two_lines(bgp=BgpOptions(ecmp=True)))["e1"]["10.1.0.0/24"] == ["10.2.0.252", "10.3.0.250"]
    assert lines.routes(two_lines())["e1"]["10.1.0.0/24"] == ["10.2.0.252"]


def test_a_host_with_two_lines_of_its_own_is_reached_by_its_loopback_address() -> None:
    topology = dual_homed()
    found = {lost: expected(topology, (lost,), side=SIDE)["c", "h2"].connected for lost in ("ia", "c-eth1", "c", "x")}
    assert found == {"ia": True, "c-eth1": True, "c": False, "x": False}


@st.composite
def _networks(draw: st.DrawFn) -> Topology:
    """Speakers, each an AS, in a connected graph, each with a host; the first and the last announce its subnet."""
    count = draw(st.integers(2, 7))
    edges = {(draw(st.integers(0, node - 1)), node) for node in range(1, count)}
    pairs = [(a, b) for b in range(count) for a in range(b)]
    edges |= set(draw(st.lists(st.sampled_from(pairs), max_size=6)))
    own: dict[int, list[Attachment]] = {node: [] for node in range(count)}
    links, sessions = [], []
    for number, (a, b) in enumerate(sorted(edges)):
        names = tuple(f"r{node}-eth{len(own[node])}" for node in (a, b))
        for place, node in enumerate((a, b)):
            own[node].append(Attachment(names[place], f"10.{number + 2}.0.{node + 1}/24"))
        links.append(Link(f"r{a}", names[0], f"r{b}", names[1]))
        sessions.append(BgpSession(f"r{a}", f"r{b}", f"10.{number + 2}.0.0/24"))
    hosts = []
    for number, node in enumerate((0, count - 1, *range(1, count - 1))):  # a router is in two subnets or more
        name = f"r{node}-eth{len(own[node])}"
        number = number if number < 2 else number + 40
        own[node].append(Attachment(name, f"10.{number}.0.253/24"))
        links.append(Link(f"h{number}", f"h{number}-eth0", f"r{node}", name))
        hosts.append(Host(f"h{number}", f"10.{number}.0.1/24", gateway=f"10.{number}.0.253"))
    speakers = tuple(
        BgpSpeaker(f"r{node}", 65001 + node, tuple(f"10.{n}.0.0/24" for n in (0, 1) if node == n * (count - 1)))
        for node in range(count)
    )
    group = BgpOptions().over(speakers, tuple(sessions))
    routers = tuple(Router(f"r{node}", tuple(own[node])) for node in range(count))
    return Topology("drawn", tuple(hosts), (), tuple(links), routers=routers, bgp=(group,))


def _steps(sessions: Sequence[BgpSession], begin: str) -> dict[str, int]:
    """How many sessions each speaker is away, by breadth-first search."""
    found, queue = {begin: 0}, deque([begin])
    while queue:
        here = queue.popleft()
        for session in sessions:
            if here in (session.one, session.other) and session.beyond(here) not in found:
                found[session.beyond(here)] = found[here] + 1
                queue.append(session.beyond(here))
    return found


@given(_networks(), st.randoms(use_true_random=False))
def test_paths_are_the_shortest_and_packets_arrive_while_there_is_one(
    topology: Topology, chance: random.Random
) -> None:
    group = topology.bgp[0]
    own = {each.machine: each.announces for each in group.speakers}
    routes = bgp_routes.settled(topology, group, group.sessions, own)
    for number, origin in enumerate((group.speakers[0], group.speakers[-1])):
        away = _steps(group.sessions, origin.machine)
        for machine, paths in routes.items():
            if machine != origin.machine:
                (path,) = paths[f"10.{number}.0.0/24"]
                assert len(path.numbers) == away[machine]
    lost = chance.choice(group.sessions)
    cut = next(link.name for link in topology.links if {link.a, link.b} == {lost.one, lost.other})
    near = _steps([each for each in group.sessions if each != lost], group.speakers[0].machine)
    found = expected(topology, (cut,), side=SIDE)["h0", "h1"]
    assert found.connected is (group.speakers[-1].machine in near)


def frr(**options: int | bool) -> Bgp:
    return two_lines(bgp=BgpOptions(daemon="frr", **options)).bgp[0]  # type: ignore[arg-type]


def test_frrs_hold_timer_has_no_jitter_and_its_keepalives_are_a_tenth_of_a_second_early_at_most() -> None:
    """RFC 4271, 6.5: H less the age of the last message, which is up to K."""
    law = law_of(bgp.detection(frr(hold_s=9, keepalive_s=3)))
    assert (law.low_s, law.high_s) == (6.0, 9.0)
    assert mean_s(law) == pytest.approx(7.5, abs=0.03)


def test_frrs_bfd_has_the_whole_jitter_of_the_standard() -> None:
    """RFC 5880, 6.8.7: 75 to 100 % of the interval."""
    law = law_of(bgp.detection(frr(bfd_ms=100, bfd_mult=3)))
    assert (law.low_s, law.high_s) == pytest.approx((0.2, 0.3))


def test_bfd_does_not_notice_that_frrs_bgpd_is_halted_but_that_bird_is() -> None:
    assert lines.noticed_s(frr(bfd_ms=100), "service_pause") > 9.0
    assert lines.noticed_s(frr(bfd_ms=100), "router_hang") < 0.31
    assert lines.noticed_s(group_of(bfd_ms=100), "service_pause") < 0.31
    assert (lines.period_s(frr(bfd_ms=100), "service_pause"), lines.period_s(frr(bfd_ms=100))) == (3.0, 0.1)


@pytest.mark.parametrize(
    ("fault", "place", "cost_s"),
    [
        ("carrier_loss", "line", 0.120),  # ia clears and chooses, 60 ms; x chooses and has it in the kernel, 60 ms
        ("carrier_loss", "uplink", 0.120),
        ("router_crash", "line", 0.070),  # e1 and x each by themselves: 10 + 50 + 10 ms
        ("service_crash", "line", 0.060),  # zebra of ia keeps its routes for the 10 ms of its queue
        ("service_stop", "line", 0.060),
        ("service_pause", "line", 0.0),
        ("route_withdrawal", "line", 0.0),
    ],
)
def test_frrs_queues_add_up(fault: str, place: str, cost_s: float) -> None:
    """10 ms until routes are cleared, 50 until others are chosen, 10 until zebra acts (frr 8.4.4)."""
    topology = two_lines(bgp=BgpOptions(daemon="frr", bfd_ms=100))
    found = lines.outage(topology, fault, lines.element(topology, fault, place))
    assert isinstance(found, OutageBound)
    assert (found.low_s, found.bound_s) == pytest.approx((cost_s, cost_s)) and found.tolerance_s < 0.005


def test_the_end_that_is_told_of_silence_has_frrs_queues_twice() -> None:
    topology = two_lines(bgp=BgpOptions(daemon="frr", bfd_ms=100))
    of_line = law_of(lines.outage(topology, "silent_loss", lines.element(topology, "silent_loss", "line")))
    of_provider = law_of(lines.outage(topology, "router_hang", "ia"))
    assert (of_line.low_s, of_line.high_s) == pytest.approx((0.32, 0.42))
    assert (of_provider.low_s, of_provider.high_s) == pytest.approx((0.27, 0.37))
    assert lines.element(topology, "service_crash", "line") == "ia:bgpd"


def test_both_ends_of_frrs_session_leave_it_at_once_by_the_hold_time_and_two_sessions_do_not() -> None:
    topology = two_lines(bgp=BgpOptions(daemon="frr"))
    line = law_of(lines.outage(topology, "silent_loss", lines.element(topology, "silent_loss", "line")))
    hang = law_of(lines.outage(topology, "router_hang", "ia"))
    one = law_of(bgp.detection(topology.bgp[0]))
    assert (line.low_s, line.high_s) == pytest.approx((6.12, 9.12))
    assert line.cdf(7.62) == pytest.approx(one.cdf(7.5)) and hang.cdf(7.57) == pytest.approx(one.cdf(7.5) ** 2)


def test_an_audit_allows_frr_its_queues_and_bird_none() -> None:
    for daemon, longest_s in (("bird", 0.0), ("frr", 0.120)):
        topology = two_lines(bgp=BgpOptions(daemon=daemon, bfd_ms=100))
        found = after(topology, "e1-eth1--ia-eth0")
        assert found.connected is True and found.bound is not None
        assert found.bound.bound_s == pytest.approx(longest_s)


def test_over_ipv6_packets_go_the_same_ways_and_failures_cost_the_same() -> None:
    four, six = (two_lines(ip=version, bgp=BgpOptions(bfd_ms=100)) for version in (4, 6))
    assert lines.trail(four) == lines.trail(six)
    assert lines.routes(six)["e1"] == {"2001:db8:0:1::/64": ["2001:db8:0:2::fc"]}
    assert lines.routes(two_lines(ip=6, provider_routes="default"))["e1"] == {"::/0": ["2001:db8:0:2::fc"]}
    for name in ("ia", "e1", "e1-eth1--ia-eth0", "e1-eth0"):
        assert after(four, name).connected == after(six, name).connected
