"""BIRD as a speaker of BGP: its configuration, judged by BIRD itself (`bird -p`), and what is read of its log."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed import services
from testbed.services.bgp import SpeakerService, configuration, of
from testbed.spec import BgpOptions
from topologies.gateway_pair import gateway_pair
from topologies.two_lines import two_lines
from topologies.two_sites import two_sites

needs_bird = pytest.mark.skipif(shutil.which("bird") is None, reason="BIRD is not installed (make setup-services)")


def speakers(provider_routes: str = "all", **options: int | bool) -> dict[str, SpeakerService]:
    topology = two_lines(bgp=BgpOptions(**options), provider_routes=provider_routes)  # type: ignore[arg-type]
    return {each.node: each for each in of(topology)}


def text(service: SpeakerService) -> str:
    return " ".join(configuration(service, Path("/there")).split())


def test_every_speaker_has_one_and_no_other_network_has() -> None:
    assert [(each.node, each.program) for each in services.wanted(two_lines())] == [
        (name, "bird") for name in ("e1", "ia", "ib", "x")
    ]
    assert of(gateway_pair()) == []


def judged(service: SpeakerService, place: Path) -> list[str]:
    """What BIRD says against each of its configurations."""
    said = []
    for name, words in service.files(place).items():
        if not name.endswith(".conf"):
            continue
        (place / name).write_text(words)
        done = subprocess.run(["bird", "-p", "-c", str(place / name)], capture_output=True, text=True)
        said.append(f"{done.returncode} {done.stderr}".strip())
    return said


@needs_bird
@pytest.mark.parametrize("routes", ["all", "default"])
@pytest.mark.parametrize(
    "options",
    [{}, {"hold_s": 180, "keepalive_s": 60}, {"bfd_ms": 10, "bfd_mult": 255}, {"ecmp": True, "bfd_ms": 60_000}],
)
def test_bird_takes_its_configuration(routes: str, options: dict[str, int | bool], tmp_path: Path) -> None:
    for service in speakers(routes, **options).values():
        assert judged(service, tmp_path) == ["0"] * 3


@needs_bird
def test_a_site_that_waits_for_its_operator_begins_without_announcements(tmp_path: Path) -> None:
    found = {each.node: each for each in of(two_sites(sites="by_hand"))}
    files = found["w2"].files(tmp_path)
    assert files["bird.conf"] == files["withdrawn.conf"] != files["announced.conf"] and "by_hand.withdraws" in files
    assert found["w1"].files(tmp_path)["bird.conf"] == found["w1"].files(tmp_path)["announced.conf"]
    assert judged(found["w2"], tmp_path) == ["0"] * 3


@needs_bird
def test_bird_takes_every_way_to_announce(tmp_path: Path) -> None:
    for name, service in described(
        announces=("10.0.0.0/24", "192.0.2.0/24", "0.0.0.0/0"), next_hop="10.2.0.253", prepend=2
    ).items():
        assert judged(service, tmp_path) == ["0"] * 3, name


@needs_bird
def test_bird_refuses_another_text(tmp_path: Path) -> None:
    """The judge can say no."""
    place = tmp_path / "bird.conf"
    place.write_text(configuration(speakers()["e1"], tmp_path).replace("hold time 9;", "hold time long;"))
    done = subprocess.run(["bird", "-p", "-c", str(place)], capture_output=True, text=True)
    assert done.returncode != 0 and "syntax error" in done.stderr


def described(**fields: object) -> dict[str, SpeakerService]:
    topology = two_lines()
    edge, *others = topology.bgp[0].speakers
    changed = dataclasses.replace(edge, **fields)  # type: ignore[arg-type]
    group = dataclasses.replace(topology.bgp[0], speakers=(changed, *others))
    return {each.node: each for each in of(dataclasses.replace(topology, bgp=(group,)))}


def test_a_session_has_both_ends_by_their_subnet() -> None:
    found = text(speakers()["ia"])
    assert "local 10.2.0.252 as 65010; neighbor 10.2.0.253 as 65001; direct; hold time 9; keepalive time 3;" in found
    assert "check link yes;" in found and "bfd" not in found and "merge paths" not in found


def test_options_enter_every_session() -> None:
    found = text(speakers(hold_s=30, keepalive_s=5, bfd_ms=50, bfd_mult=4, ecmp=True)["e1"])
    assert found.count("hold time 30; keepalive time 5;") == found.count("bfd yes;") == 2
    assert 'interface "e1-eth1", "e1-eth2" { min rx interval 50 ms; min tx interval 50 ms; multiplier 4; };' in found
    assert "merge paths yes;" in found
    assert speakers(ecmp=True)["e1"].settings() == {"ipv4/fib_multipath_hash_policy": "1"}
    assert speakers()["e1"].settings() == {}


def test_a_subnet_of_an_interface_is_announced_while_it_has_carrier_and_another_prefix_always() -> None:
    found = text(described(announces=("10.0.0.0/24", "192.0.2.0/24"))["e1"])
    assert 'import where net ~ [ 10.0.0.0/24 ]; }; interface "e1-eth0"; check link yes;' in found
    assert "protocol static { ipv4; route 192.0.2.0/24 blackhole; }" in found


def test_a_default_route_goes_to_those_named_and_nothing_else_does() -> None:
    found = text(speakers("default")["ia"])
    default = "net = 0.0.0.0/0 && source = RTS_STATIC"
    to_edge, to_internet = found.split("protocol bgp")[1:]
    assert f"if !({default}) then reject; accept;" in to_edge
    assert f"if {default} then reject; accept;" in to_internet


def test_a_next_hop_is_given_in_its_own_subnet_alone() -> None:
    found = text(described(next_hop="10.2.0.253")["e1"])
    assert found.count("next hop address 10.2.0.253;") == 1
    assert "next hop address" in found.split("protocol bgp n1")[1].split("protocol bgp n2")[0]


def test_an_as_number_is_repeated_as_often_as_is_asked() -> None:
    assert text(described(prepend=2)["e1"]).count("bgp_path.prepend(65001); bgp_path.prepend(65001); accept;") == 2


def test_withdrawn_means_that_nothing_is_announced_and_the_sessions_stay(tmp_path: Path) -> None:
    files = speakers()["ia"].files(tmp_path)
    usual, withdrawn = (files[name].split("\n") for name in ("bird.conf", "withdrawn.conf"))
    changed = [line.strip() for line in withdrawn if line not in usual]
    assert changed == ["export none;", "export none;"] and len(usual) == len(withdrawn)


_LOG = """\
1704067205.729290 <TRACE> n1: BGP session established
1704067205.729290 <TRACE> n1: State changed to up
1704067205.800667 <TRACE> n2: BGP session established
1704067206.401008 <TRACE> bfd1: Session to 10.2.0.252 changed state from Init to Up
1704067212.100000 <RMT> n2: Error: Hold timer expired
1704067212.100000 <TRACE> n2: BGP session closed
1704067214.500000 <TRACE> n2: State changed to down
"""


def test_the_log_becomes_events_with_their_times() -> None:
    found = [(e["time"], e["source"], e["event"], e["neighbor"], e["interface"]) for e in speakers()["e1"].events(_LOG)]
    assert sorted(found) == [
        (1704067205.729290, "bgp", "established", "ia", "e1-eth1"),
        (1704067205.800667, "bgp", "established", "ib", "e1-eth2"),
        (1704067206.401008, "bfd", "session", "10.2.0.252", "e1-eth1"),
        (1704067212.1, "bgp", "closed", "ib", "e1-eth2"),
        (1704067212.1, "bgp", "hold_expired", "ib", "e1-eth2"),
        (1704067214.5, "bgp", "left", "ib", "e1-eth2"),
    ]


def test_a_speaker_is_unsettled_until_all_sessions_stand_and_bfd_watches_them() -> None:
    before = _LOG[: _LOG.index("1704067212")]
    assert speakers()["e1"].unsettled("", 0.0) == "no session with ia and ib"
    assert speakers()["e1"].unsettled(before, 0.0) == ""
    assert speakers(bfd_ms=100)["e1"].unsettled(before, 0.0) == "no session with ib"
    assert speakers()["e1"].unsettled(_LOG, 0.0) == "no session with ib"
