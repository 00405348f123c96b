"""BIRD's configuration, judged by BIRD itself (`bird -p`), and what is read of its answers and its log."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from testbed import services
from testbed.run import prepare
from testbed.services.bird import unready
from testbed.services.bird_ways import MIN_LS_INTERVAL_S, Bird, configuration, of
from testbed.spec import BondOptions
from topologies.back_to_back import back_to_back
from topologies.leaf_spine import leaf_spine
from topologies.two_ways import two_ways

needs_bird = pytest.mark.skipif(shutil.which("bird") is None, reason="BIRD is not installed (make setup-services)")


def bird(**options: str | int) -> Bird:
    return of(two_ways(bonding=BondOptions(mode="ecmp", **options)))[0]  # type: ignore[arg-type]


def words(text: str) -> str:
    return " ".join(text.split())


def test_only_hosts_whose_ways_something_else_than_carrier_watches_have_one() -> None:
    assert services.wanted(back_to_back()) == services.wanted(two_ways(bonding=BondOptions(mode="ecmp"))) == []
    for detect in ("bfd", "routing"):
        found = services.wanted(two_ways(bonding=BondOptions(mode="ecmp", ecmp_detect=detect)))
        assert [(each.node, each.program) for each in found] == [("h1", "bird"), ("h2", "bird")]


@pytest.mark.parametrize(("detect", "programs"), [("carrier", []), ("carrier,bfd", ["bird"]), ("routing", ["bird"])])
def test_a_run_asks_for_the_programs_of_its_services_before_it_begins(
    detect: str, programs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(prepare, "choose_backend", lambda *words: asked.append(words[3]))
    settings = {"mode": "ecmp", "ecmp_detect": detect}
    prepare.prepare(prepare.Request("failover", "two_ways", settings, 1, 1, True, "auto", "virtual"), []).backend()
    assert asked == [programs]


@needs_bird
@pytest.mark.parametrize(
    "options",
    [
        {"ecmp_detect": "bfd"},
        {"ecmp_detect": "bfd", "ecmp_bfd_ms": 10, "ecmp_bfd_mult": 255},
        {"ecmp_detect": "routing"},
        {"ecmp_detect": "routing", "ecmp_hello_s": 10, "ecmp_dead_s": 40},
    ],
)
def test_bird_takes_its_configuration(options: dict[str, str | int], tmp_path: Path) -> None:
    (tmp_path / "bird.conf").write_text(bird(**options).files(tmp_path)["bird.conf"])
    done = subprocess.run(["bird", "-p", "-c", str(tmp_path / "bird.conf")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_bird
@pytest.mark.parametrize("detect", ["bfd", "routing"])
def test_bird_takes_the_configuration_of_one_of_several_hosts(detect: str, tmp_path: Path) -> None:
    found = of(leaf_spine(bonding=BondOptions(mode="ecmp", ecmp_detect=detect)))
    assert [each.node for each in found] == ["h1", "h2", "h3", "h4"]
    (tmp_path / "bird.conf").write_text(text := found[1].files(tmp_path)["bird.conf"])
    done = subprocess.run(["bird", "-p", "-c", str(tmp_path / "bird.conf")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert detect == "routing" or text.count("/32") == text.count("route ") == 3


@needs_bird
def test_bird_refuses_another_text(tmp_path: Path) -> None:
    """The judge can say no."""
    text = bird(ecmp_detect="bfd").files(tmp_path)["bird.conf"].replace("multiplier", "multiplicator")
    (tmp_path / "bird.conf").write_text(text)
    assert subprocess.run(["bird", "-p", "-c", str(tmp_path / "bird.conf")], capture_output=True).returncode


def test_a_static_route_has_a_next_hop_with_bfd_by_each_way(tmp_path: Path) -> None:
    text = words(configuration(bird(ecmp_detect="bfd", ecmp_bfd_ms=50, ecmp_bfd_mult=4), tmp_path))
    assert "route 10.0.0.2/32 via 10.64.0.2 bfd via 10.65.0.2 bfd;" in text
    assert "min rx interval 50 ms; min tx interval 50 ms; multiplier 4;" in text
    assert "krt_prefsrc = 10.0.0.1;" in text and "ospf" not in text


def test_ospf_can_say_which_of_two_ways_has_failed(tmp_path: Path) -> None:
    """RFC 2328, 16.1, step 2b asks for a link back to the router, and two point-to-point links are alike in that; each
    broadcast network is a vertex of its own."""
    assert "type broadcast;" in configuration(bird(ecmp_detect="routing"), tmp_path)


def test_ospf_is_spoken_over_each_way_and_announces_the_host_s_own_address(tmp_path: Path) -> None:
    text = words(configuration(bird(ecmp_detect="routing", ecmp_hello_s=2, ecmp_dead_s=9), tmp_path))
    assert 'interface "h1-eth0", "h1-eth1" { type broadcast; hello 2; dead 9; check link on; };' in text
    assert "stubnet 10.0.0.1/32;" in text and "ecmp on;" in text and "bfd" not in text


def test_everything_of_its_own_is_in_its_directory(tmp_path: Path) -> None:
    """Mininet's hosts share /run: nothing may be left to the defaults (bird(8): -c, -s, -P)."""
    one = bird(ecmp_detect="bfd")
    command = one.command(tmp_path)
    given = dict(zip(command[2::2], command[3::2], strict=True))
    assert command[:2] == ["bird", "-f"] and set(given) == {"-c", "-s", "-P"}
    assert all(Path(path).parent == tmp_path for path in given.values())
    assert f'log "{tmp_path}/bird.log" all;' in configuration(one, tmp_path)


#: BIRD 2.0.12, as birdc shows it without -r: codes of four digits, continued by a minus or a space.
_ANSWER = """\
2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     04:07:13.645  
 kernel1    Kernel     master4    up     04:07:13.645  
 ospf1      OSPF       master4    {state}     04:07:13.645  Running
0000 
"""


def test_it_is_ready_when_all_its_protocols_are_up() -> None:
    assert unready(_ANSWER.format(state="up")) == ""
    assert unready(_ANSWER.format(state="start")) == "ospf1 is start"
    assert unready("0000 \n") == "its protocols"


_LOG = """\
1704067211.799829 <INFO> Started
1704067212.848608 <TRACE> ospf1: Originating LSA: Type: 2001, Id: 10.0.0.1, Rt: 10.0.0.1, Seq: 80000001
1704067213.320996 <TRACE> bfd1: Session to 10.65.0.2 changed state from Init to Up
1704067213.749113 <TRACE> ospf1: Neighbor 10.0.0.2 on h1-eth0 changed state from Init to 2-Way
"""


def test_what_happened_is_read_from_its_log() -> None:
    session, neighbor = bird(ecmp_detect="bfd").events(_LOG)
    assert (session["source"], session["interface"], session["old"], session["new"]) == ("bfd", "h1-eth1", "Init", "Up")
    assert session["time"] == pytest.approx(1704067213.320996)
    assert (neighbor["source"], neighbor["interface"], neighbor["new"]) == ("ospf", "h1-eth0", "2-Way")


def test_it_has_settled_when_it_may_announce_its_links_again() -> None:
    """RFC 2328, appendix B: MinLSInterval, 5 s."""
    one, last_s = bird(ecmp_detect="routing"), 1704067212.848608
    assert MIN_LS_INTERVAL_S == 5
    assert one.unsettled(_LOG, last_s + 4.9) and not one.unsettled(_LOG, last_s + 5.1)
    assert not bird(ecmp_detect="bfd").unsettled("", last_s)
