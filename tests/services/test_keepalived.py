"""keepalived's configuration, judged by keepalived itself and line by line, for its parser drops words in silence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from testbed import services
from testbed.services.keepalived import Keepalived, configuration, of
from testbed.spec import Addressing, VrrpOptions
from topologies.gateway_pair import gateway_pair
from topologies.single_switch import single_switch

needs_keepalived = pytest.mark.skipif(
    shutil.which("keepalived") is None, reason="keepalived is not installed (make setup-services)"
)

#: Where a router's files would be: nothing of a router that balances nothing is there.
PLACE = Path("/nowhere")


def both(**options: str | int | bool | float) -> list[Keepalived]:
    return of(gateway_pair(vrrp=VrrpOptions(**options)))  # type: ignore[arg-type]


def lines(service: Keepalived) -> list[str]:
    return [line.strip() for line in configuration(service, PLACE).splitlines()]


def test_every_router_of_a_group_has_one_and_no_other_network_has() -> None:
    assert [(each.node, each.program) for each in services.wanted(gateway_pair())] == [
        ("r1", "keepalived"),
        ("r2", "keepalived"),
    ]
    assert services.wanted(single_switch()) == []


def test_an_instance_for_each_subnet_with_its_virtual_address_and_identifier() -> None:
    found = lines(both()[1])
    assert found.count("priority 100") == found.count("advert_int 1") == 2
    assert {"10.0.0.254/24 dev r2-eth0", "10.1.0.254/24 dev r2-eth1"} <= set(found)
    assert {"virtual_router_id 51", "virtual_router_id 52"} <= set(found)


def test_options_are_keywords_on_lines_of_their_own() -> None:
    assert "advert_int 0.01" in lines(both(advert_ms=10)[0])
    assert "nopreempt" in lines(both(preempt=False)[0]) and "nopreempt" not in lines(both()[0])
    assert "preempt_delay 2.5" in lines(both(preempt_delay_s=2.5)[0])
    assert "vrrp_startup_delay 2.5" in lines(both(startup_delay_s=2.5)[0])
    assert not any(line.startswith("vrrp_startup_delay") for line in lines(both()[0]))
    assert "track_interface {" in lines(both()[0]) and "vrrp_sync_group all {" not in lines(both()[0])
    grouped = lines(both(follow="group")[0])
    assert "vrrp_sync_group all {" in grouped and "track_interface {" not in grouped
    alone = lines(both(follow="none")[0])
    assert "vrrp_sync_group all {" not in alone and "track_interface {" not in alone


def test_no_line_has_more_than_one_keyword() -> None:
    """Of several keywords on a line keepalived 2.2.7 reads the first, and says nothing of the others."""
    for service in both(follow="group", preempt_delay_s=1.0):
        for line in configuration(service, PLACE).splitlines():
            assert line.count("{") + line.count("}") <= 1 and (not line.rstrip().endswith("}") or line.strip() == "}")


@needs_keepalived
@pytest.mark.parametrize("follow", ["track", "group", "none"])
def test_keepalived_finds_no_fault_in_it(follow: str, tmp_path: Path) -> None:
    place = tmp_path / "keepalived.conf"
    place.write_text(configuration(both(follow=follow)[0], PLACE))
    words = ["keepalived", "--config-test", "--use-file", str(place)]
    done = subprocess.run(words, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "Unknown keyword" in line or "must" in line.lower()]
    assert said == [], done.stderr


@needs_keepalived
@pytest.mark.parametrize("follow", ["track", "group", "none"])
def test_keepalived_finds_no_fault_in_that_of_several_tenants(follow: str, tmp_path: Path) -> None:
    first, _ = of(gateway_pair(tenants=2, vrrp_masters="split", vrrp=VrrpOptions(follow=follow)))
    place = tmp_path / "keepalived.conf"
    place.write_text(configuration(first, PLACE))
    done = subprocess.run(["keepalived", "--config-test", "--use-file", str(place)], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "Unknown keyword" in line or "must" in line.lower()]
    assert said == [], done.stderr


def test_one_daemon_has_the_groups_of_all_tenants_and_each_tracks_its_own() -> None:
    first, second = of(gateway_pair(tenants=2, vrrp_masters="split"))
    assert [part.priority for part in first.parts] == [200, 100] and [part.best for part in second.parts] == [
        False,
        True,
    ]
    text = configuration(first, PLACE)
    assert [part.vrf for part in first.parts] == ["tenant1", "tenant2"] and "vrf" not in text
    instance = text[text.index("vrrp_instance r1-eth2 {") :].split("vrrp_instance")[1]
    tracked = instance[instance.index("track_interface {") :].split("}")[0].split()[2:]
    assert tracked == ["r1-eth2", "r1-eth3"] and "10.2.0.254/24 dev r1-eth2" in instance
    grouped = configuration(of(gateway_pair(tenants=2, vrrp=VrrpOptions(follow="group")))[0], PLACE)
    assert {"vrrp_sync_group tenant1 {", "vrrp_sync_group tenant2 {"} <= set(grouped.splitlines())


@needs_keepalived
def test_keepalived_refuses_another_text(tmp_path: Path) -> None:
    """The judge can say no."""
    place = tmp_path / "keepalived.conf"
    place.write_text(configuration(both()[0], PLACE).replace("  priority 200", "  prioritat 200"))
    done = subprocess.run(["keepalived", "--config-test", "--use-file", str(place)], capture_output=True, text=True)
    assert done.returncode != 0 and "prioritat" in done.stderr


def test_a_router_is_ready_when_its_instances_say_what_they_are(tmp_path: Path) -> None:
    best, other = both()
    assert best.missing(tmp_path) == "r1-eth0 is not there, r1-eth1 is not there"
    log = "".join(
        f"Mon Jan  1 00:00:12 2024: (r{n}-eth{i}) Entering BACKUP STATE (init)\n" for n in (1, 2) for i in (0, 1)
    )
    (tmp_path / "keepalived.out").write_text(log)
    assert best.missing(tmp_path) == "r1-eth0 is BACKUP, r1-eth1 is BACKUP" and other.missing(tmp_path) == ""
    masters = "".join(f"Mon Jan  1 00:00:15 2024: (r1-eth{i}) Entering MASTER STATE\n" for i in (0, 1))
    (tmp_path / "keepalived.out").write_text(log + masters)
    assert best.missing(tmp_path) == ""


def test_a_router_that_listens_at_first_is_not_ready_before_it_speaks(tmp_path: Path) -> None:
    best = both(startup_delay_s=5.0)[0]
    masters = "".join(f"Mon Jan  1 00:00:15 2024: (r1-eth{i}) Entering MASTER STATE\n" for i in (0, 1))
    (tmp_path / "keepalived.out").write_text(masters)
    pid = tmp_path / "keepalived.pid"
    pid.write_text("1")
    assert best.missing(tmp_path) == "the end of its start-up delay of 5 s"
    os.utime(pid, (time.time() - 6, time.time() - 6))
    assert best.missing(tmp_path) == ""


def blocks(service: Keepalived, name: str) -> list[list[str]]:
    """The lines of each block whose first line begins with a word."""
    found: list[list[str]] = []
    for line in lines(service):
        if line.startswith(f"{name} "):
            found.append([])
        if found and (not found[-1] or found[-1][-1] != "}"):
            found[-1].append(line)
    return found


def test_bfd_goes_one_way_by_one_subnet_and_back_by_the_other() -> None:
    """So the session ends when a router has lost either."""
    best, other = both(bfd_ms=50, bfd_mult=4, advert_ms=100)
    ends = [(b[1], b[2]) for b in blocks(best, "bfd_instance") + blocks(other, "bfd_instance")]
    assert ends == [
        ("neighbor_ip 10.1.0.252", "source_ip 10.0.0.253"),
        ("neighbor_ip 10.0.0.253", "source_ip 10.1.0.252"),
    ]
    assert {"min_rx 50", "min_tx 50", "multiplier 4", "ttl 255"} <= set(lines(best)) & set(lines(other))


def test_a_router_stands_back_while_bfd_hears_a_better_one_and_then_begins_with_the_shortest_interval() -> None:
    first, second, third = both(bfd_ms=100, priorities="200+150+50", advert_ms=1000)
    assert "track_bfd {" not in lines(first) and lines(first).count("advert_int 1") == 2
    assert lines(second).count("r1 weight 0 reverse") == 2 and "r3 weight 0 reverse" not in lines(second)
    assert lines(third).count("r1 weight 0 reverse") == lines(third).count("r2 weight 0 reverse") == 2
    assert lines(second).count("advert_int 0.01") == lines(third).count("advert_int 0.01") == 2
    assert "--vrrp" not in second.command(PLACE) and f"--bfd_pid={PLACE}/keepalived_bfd.pid" in second.command(PLACE)
    assert "--vrrp" in both()[1].command(PLACE) and not blocks(both()[1], "bfd_instance")


@needs_keepalived
@pytest.mark.parametrize("ip", [4, 6])
def test_keepalived_takes_its_bfd(ip: int, tmp_path: Path) -> None:
    place = tmp_path / "keepalived.conf"
    for service in of(gateway_pair(vrrp=VrrpOptions(bfd_ms=100), addressing=Addressing(ip=ip))):
        place.write_text(configuration(service, PLACE))
        words = ["keepalived", "--config-test", "--use-file", str(place)]
        done = subprocess.run(words, capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if re.search("nknown|BFD|weight|ignoring", line)]
        assert said == [], done.stderr
    place.write_text(place.read_text().replace("weight 0 reverse", "weight 0 inverse"))
    words = ["keepalived", "--config-test", "--use-file", str(place)]
    assert "inverse" in subprocess.run(words, capture_output=True, text=True).stderr  # the judge can say no


def test_a_router_that_stands_back_is_ready_and_its_start_is_over_when_bfd_hears_the_better_one() -> None:
    best, other = both(bfd_ms=100)
    backup = "".join(f"Mon Jan  1 00:00:12 2024: (r2-eth{i}) Entering BACKUP STATE (init)\n" for i in (0, 1))
    fault = "".join(f"Mon Jan  1 00:00:14 2024: (r2-eth{i}) Entering FAULT STATE\n" for i in (0, 1))
    assert other.unsettled(backup, 0.0) == "BFD hears no better router on r2-eth0, r2-eth1"
    assert other.unsettled(backup + fault, 0.0) == best.unsettled("", 0.0) == both()[1].unsettled("", 0.0) == ""


def test_a_long_interval_makes_the_start_longer() -> None:
    """Three advertisements and the skew (RFC 5798, 6.1), after the start-up delay."""
    assert both(advert_ms=40_950)[1].slow_s >= 3.61 * 40.95
    assert both(advert_ms=10, startup_delay_s=900.0)[0].slow_s >= 900
    assert both(bfd_ms=10_000)[1].slow_s >= 20


def test_the_best_router_starts_first() -> None:
    """Without preemption it would not get the address from another that was master before it."""
    assert [each.node for each in both(priorities="50+200+100", preempt=False)] == ["r2", "r3", "r1"]
