"""Static routes by BIRD: their configuration, judged by BIRD itself (`bird -p`); what is refused; what theory says."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed import schemes, services
from testbed.errors import SpecError
from testbed.services.static_routes import StaticService, configuration, of
from testbed.spec import BgpOptions, StaticOptions, StaticRoute, Topology
from testbed.theory import OutageBound, lines
from testbed.theory.reachability import Expectation, expected
from topologies.two_lines import two_lines

SIDE = schemes.chosen({"controller": "testbed"}).side
needs_bird = pytest.mark.skipif(shutil.which("bird") is None, reason="BIRD is not installed (make setup-services)")


def tracked(track: str, **options: int) -> Topology:
    return two_lines(routes_by="static", static=StaticOptions(track=track, **options))


def edge(track: str, **options: int) -> StaticService:
    return next(each for each in of(tracked(track, **options)) if each.node == "e1")


def text(track: str, **options: int) -> str:
    return " ".join(configuration(edge(track, **options), Path("/there")).split())


@needs_bird
@pytest.mark.parametrize("track", ["none", "carrier", "bfd"])
def test_bird_takes_every_configuration(tmp_path: Path, track: str) -> None:
    for each in of(tracked(track)):
        (tmp_path / "bird.conf").write_text(each.configuration(tmp_path))
        done = subprocess.run(["bird", "-p", "-c", str(tmp_path / "bird.conf")], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_every_router_has_them_and_no_session_of_bgp() -> None:
    topology = tracked("bfd")
    assert topology.services() == ("e1:bird", "x:bird", "ia:bird", "ib:bird")
    assert {each.node for each in services.wanted(topology)} == {"e1", "x", "ia", "ib"} and not topology.bgp


def test_the_first_next_hop_is_the_preferred_one() -> None:
    assert "preference 200; }; route 10.1.0.0/24 via 10.2.0.252; }" in text("none")
    assert "preference 199; }; route 10.1.0.0/24 via 10.3.0.250; }" in text("none")


def test_each_way_of_tracking_has_its_words() -> None:
    assert "check link" not in text("none") and " bfd" not in text("none")
    assert text("carrier").count("check link yes;") == 2 and " bfd" not in text("carrier")
    found = text("bfd", bfd_ms=50, bfd_mult=4)
    assert found.count("check link yes;") == 2 and "via 10.2.0.252 bfd;" in found
    assert 'interface "e1-eth1", "e1-eth2" { min rx interval 50 ms; min tx interval 50 ms; multiplier 4; };' in found


def test_it_waits_for_the_sessions_that_track() -> None:
    up = "1704067206.4 <TRACE> bfd1: Session to 10.2.0.252 changed state from Init to Up\n"
    assert edge("bfd").unsettled(up, 0.0) == "no session with ib"
    assert edge("carrier").unsettled("", 0.0) == ""
    (event,) = edge("bfd").events(up)
    assert (event["interface"], event["new"]) == ("e1-eth1", "Up")


def after(topology: Topology, *failed: str, silent: tuple[str, ...] = ()) -> Expectation:
    return expected(topology, failed, silent=silent, side=SIDE)["h1", "h2"]


def test_what_tracks_sees_the_next_hop_and_nothing_beyond() -> None:
    """The drawing of testbed.theory.static: e1 leaves a dead line, x is not told."""
    line, uplink = "e1-eth1--ia-eth0", "ia-eth1--x-eth0"
    for track in ("none", "carrier", "bfd"):
        assert after(tracked(track), line).connected is False
        assert after(tracked(track), uplink).connected is False
        assert after(tracked(track), "ia").connected is (track != "none")
        assert after(tracked(track), "ib").connected is True
        assert after(tracked(track), "e1").connected is False


@pytest.mark.parametrize(
    ("track", "fault", "ends_s"),
    [
        ("none", "router_crash", None),
        ("none", "router_hang", None),
        ("carrier", "router_crash", (0.0, 0.0)),
        ("carrier", "router_hang", None),
        ("bfd", "router_crash", (0.0, 0.0)),
        ("bfd", "router_hang", (0.21, 0.3)),  # RFC 5880, 6.8.4, with the jitter of BIRD: (m - 0.9) I to m I
        ("bfd", "silent_loss", None),
        ("bfd", "service_crash", (0.0, 0.0)),
        ("bfd", "service_stop", None),
    ],
)
def test_the_law_of_each_way_of_tracking(track: str, fault: str, ends_s: tuple[float, float] | None) -> None:
    topology = tracked(track)
    found = lines.outage(topology, fault, lines.element(topology, fault, "line"))
    if ends_s is None:
        assert isinstance(found, str)
    else:
        assert isinstance(found, OutageBound) and (found.low_s, found.bound_s) == pytest.approx(ends_s)


def test_options_of_the_other_kind_are_refused() -> None:
    with pytest.raises(SpecError, match="no effect with routes_by=bgp"):
        two_lines(static=StaticOptions(track="bfd"))
    with pytest.raises(SpecError, match="no effect with routes_by=static"):
        two_lines(routes_by="static", bgp=BgpOptions(ecmp=True))
    with pytest.raises(SpecError, match="no effect with routes_by=static"):
        two_lines(routes_by="static", provider_routes="default")
    with pytest.raises(SpecError, match="no effect with static_track=carrier"):
        StaticOptions(track="carrier", bfd_ms=50)
    with pytest.raises(SpecError, match="static_track"):
        StaticOptions(track="ping")
    with pytest.raises(SpecError, match="routes_by"):
        two_lines(routes_by="ospf")


def test_a_route_that_cannot_be_is_refused() -> None:
    topology = tracked("none")
    for route, what in (
        (StaticRoute("y", "10.1.0.0/24", ("10.2.0.252",)), "machine with static routes"),
        (StaticRoute("e1", "10.1.0.0/24", ("10.4.0.252",)), "is the address of no other machine"),
        (StaticRoute("e1", "10.1.0.0/24", ("10.2.0.253",)), "is the address of no other machine"),
    ):
        with pytest.raises(SpecError, match=what):
            dataclasses.replace(topology, static=(StaticOptions().over((route,)),))
    for prefix, hops, what in (
        ("10.1.0.1/24", ("10.2.0.252",), "without host bits"),
        ("10.1.0.0/24", (), "wanted one or more"),
        ("10.1.0.0/24", ("10.2.0.252", "10.2.0.252"), "twice"),
    ):
        with pytest.raises(SpecError, match=what):
            StaticRoute("e1", prefix, hops)


def test_a_topology_with_them_is_read_from_its_json() -> None:
    for track in ("none", "bfd"):
        topology = tracked(track)
        assert Topology.from_json(topology.to_json()) == topology
