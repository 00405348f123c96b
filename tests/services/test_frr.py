"""FRR as a speaker of BGP: its configuration, judged by FRR itself (`bgpd -C`), and what is read of its logs."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from testbed import services
from testbed.backends import environment
from testbed.errors import SpecError, TrialError
from testbed.services.frr import Bfdd, Bgpd, FrrService, Zebra, announced, asked, of, withdrawn
from testbed.spec import BgpOptions
from topologies.service import service
from topologies.two_lines import two_lines
from topologies.two_sites import two_sites

needs_frr = pytest.mark.skipif(
    shutil.which("bgpd", path=environment.SEARCH) is None, reason="FRR is not installed (make setup-services)"
)


def daemons(provider_routes: str = "all", **options: int | bool) -> dict[str, FrrService]:
    found = BgpOptions(daemon="frr", **options)  # type: ignore[arg-type]
    return {f"{each.node}:{each.name}": each for each in of(two_lines(bgp=found, provider_routes=provider_routes))}


def text(found: FrrService) -> str:
    return " ".join(found.files(Path("/there"))[f"{found.name}.conf"].split())


def test_every_speaker_has_its_daemons_in_the_order_in_which_they_start_and_no_bird() -> None:
    topology = two_lines(bgp=BgpOptions(daemon="frr", bfd_ms=100))
    own = [(each.node, each.program) for each in services.wanted(topology)]
    assert own == [(name, program) for name in ("e1", "ia", "ib", "x") for program in ("zebra", "bfdd", "bgpd")]
    assert topology.services() == tuple(f"{node}:{program}" for node, program in own)
    assert {each.name for each in daemons().values()} == {"zebra", "bgpd"}
    assert of(two_lines()) == []


def judged(found: FrrService, place: Path) -> list[str]:
    """What the daemon itself says against each of its configurations."""
    said = []
    for name, words in found.files(place).items():
        if name.endswith(".conf"):
            (place / f"{found.name}.conf").write_text(words)
            command = [str(shutil.which(found.program, path=environment.SEARCH)), "-C", *found.command(place)[1:]]
            done = subprocess.run(command, capture_output=True, text=True)
            # zebra also says what this kernel has not.
            wrong = re.findall(r"No such command on config line \d+: .*", done.stdout + done.stderr)
            said.append(" ".join([str(done.returncode), *wrong]))
    return said


@needs_frr
@pytest.mark.parametrize("provider_routes", ["all", "default"])
def test_frr_takes_every_configuration(tmp_path: Path, provider_routes: str) -> None:
    if os.geteuid():
        pytest.skip("FRR changes its user before it reads its file")
    for name, found in daemons(provider_routes, bfd_ms=100, ecmp=True, hold_s=30, keepalive_s=10).items():
        assert set(judged(found, tmp_path)) == {"0"}, name


@needs_frr
def test_frr_refuses_another_text(tmp_path: Path) -> None:
    """The judge can say no."""
    found = daemons(bfd_ms=100)["e1:bgpd"]
    assert isinstance(found, Bgpd)
    wrong = dataclasses.replace(found, identifier="none")
    assert all("bgp router-id none" in said for said in judged(wrong, tmp_path))


def test_options_enter_every_session() -> None:
    found = daemons(hold_s=30, keepalive_s=5, bfd_ms=50, bfd_mult=4, ecmp=True)
    own = text(found["e1:bgpd"])
    assert "timers bgp 5 30" in own and own.count("bfd profile testbed") == 2 and "maximum-paths 16" in own
    assert "detect-multiplier 4 transmit-interval 50 receive-interval 50" in text(found["e1:bfdd"])
    assert found["e1:zebra"].settings() == {"ipv4/fib_multipath_hash_policy": "1"}
    assert "maximum-paths 1 " in text(daemons()["e1:bgpd"]) and daemons()["e1:zebra"].settings() == {}


def test_of_equal_paths_that_of_the_lower_identifier_is_best_as_the_standard_has_it() -> None:
    """RFC 4271, 9.1.2.2, f; FRR's own choice would be the oldest one."""
    assert "bgp bestpath compare-routerid" in text(daemons()["e1:bgpd"])


def test_an_edge_tells_only_of_its_own_prefixes_and_a_provider_of_all() -> None:
    edge, provider = (text(daemons()[f"{name}:bgpd"]) for name in ("e1", "ia"))
    assert "as-path access-list OWN permit ^$" in edge
    assert edge.count("permit 10 match as-path OWN") == 2 and "match as-path" not in provider


def test_a_default_route_goes_to_those_named_and_nothing_else_does() -> None:
    found = text(daemons("default")["ia:bgpd"])
    assert "neighbor 10.2.0.253 default-originate neighbor 10.2.0.253 route-map TO1 out" in found
    assert "route-map TO1 deny 10" in found and "route-map TO2 permit 10" in found


def test_withdrawn_means_that_nothing_is_announced_and_the_sessions_stay() -> None:
    files = daemons("default")["ia:bgpd"].files(Path("/there"))
    usual, nothing = (files[f"{name}.conf"].split("\n") for name in ("announced", "withdrawn"))
    assert files["bgpd.conf"] == files["announced.conf"]
    assert [line.strip() for line in nothing if line not in usual] == [
        "neighbor 10.2.0.253 route-map NOTHING out",
        "neighbor 10.4.0.251 route-map NOTHING out",
    ]
    assert "no neighbor 10.2.0.253 default-originate\n" in files["withdrawn.commands"]


_LOG = """\
2024/01/01 00:00:05.500000 BGP: [N9HHH-F8H1M] %ADJCHANGE: neighbor 10.2.0.252(x) in vrf default Up
2024/01/01 00:00:06.000000 BGP: [N9HHH-F8H1M] %ADJCHANGE: neighbor 10.3.0.250(x) in vrf default Up
2024/01/01 00:00:09.000000 BGP: [HZN6M] %NOTIFICATION: sent to neighbor 10.3.0.250 4/0 (Hold Timer Expired) 0 bytes
2024/01/01 00:00:09.000001 BGP: [PXVXG] %ADJCHANGE: neighbor 10.3.0.250(x) in vrf default Down BGP Notification send
2024/01/01 00:00:09.250000 BGP: [PXVXG] %ADJCHANGE: neighbor 10.2.0.252(x) in vrf default Down BFD down received
"""
_BFD = (
    "2024/01/01 00:00:08.000000 BFD: [SEY1D-NT8EQ] state-change: [mhop:no peer:10.2.0.252 local:10.2.0.253 vrf:default"
    " ifname:e1-eth1] init -> up\n"
)


def test_the_log_says_when_a_session_ended_and_why() -> None:
    found = daemons()["e1:bgpd"]
    events = sorted((round(each["time"] % 60, 6), each["event"], each["neighbor"]) for each in found.events(_LOG))
    assert events == [
        (5.5, "established", "ia"),
        (6.0, "established", "ib"),
        (9.0, "hold_expired", "ib"),
        (9.000001, "closed", "ib"),
        (9.000001, "left", "ib"),
        (9.25, "bfd_down", "ia"),
        (9.25, "left", "ia"),
    ]
    assert found.unsettled("", 0.0) == "no session with ia and ib"
    assert found.unsettled("\n".join(_LOG.split("\n")[:2]), 0.0) == ""
    assert found.unsettled(_LOG, 0.0) == "no session with ia and ib"


def test_the_log_of_bfdd_says_which_sessions_are_up() -> None:
    found = daemons(bfd_ms=100)["e1:bfdd"]
    (event,) = found.events(_BFD)
    assert (event["interface"], event["old"], event["new"]) == ("e1-eth1", "init", "up")
    assert found.unsettled(_BFD, 0.0) == "no session with ib"


def answering(place: Path, answers: dict[str, bytes], said: list[str]) -> threading.Thread:
    """A vty socket: each command, ended by a zero, gets its answer, ended by three zeros and a status."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(place))
    listener.listen()

    def answer() -> None:
        with listener, listener.accept()[0] as sock:
            while data := sock.recv(1000):
                command = data.rstrip(b"\0").decode()
                said.append(command)
                sock.sendall(answers.get(command, b"\0\0\0\0"))

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_an_answer_is_asked_for_with_all_rights_and_a_refusal_is_an_error(tmp_path: Path) -> None:
    said: list[str] = []
    thread = answering(
        tmp_path / "bgpd.vty", {"show version": b"FRRouting 8.4.4\0\0\0\0", "nonsense": b"% Unknown\0\0\0\2"}, said
    )
    with pytest.raises(TrialError, match="FRR refuses 'nonsense': % Unknown"):
        asked(tmp_path / "bgpd.vty", "show version", "nonsense")
    thread.join()
    assert said == ["enable", "show version", "nonsense"]


def test_an_operator_withdraws_and_announces_again(tmp_path: Path) -> None:
    for name, words in daemons()["ia:bgpd"].files(tmp_path).items():
        (tmp_path / name).write_text(words)
    said: list[str] = []
    thread = answering(tmp_path / "bgpd.vty", {}, said)
    withdrawn(tmp_path)
    thread.join()
    assert said[:2] == ["enable", "configure terminal"] and said[-1] == "end"
    assert "neighbor 10.4.0.251 route-map NOTHING out" in said
    assert "NOTHING out" in (tmp_path / "bgpd.conf").read_text()
    announced(tmp_path)  # nobody listens: it reads its file when it starts
    assert "NOTHING out" not in (tmp_path / "bgpd.conf").read_text()


def test_each_daemon_is_told_all_its_places() -> None:
    place = Path("/there")
    for each in daemons(bfd_ms=100).values():
        words = each.command(place)
        assert "/there/zebra.ctl" in words and words[words.index("--vty_socket") + 1] == "/there"
        assert f"log file /there/{each.name}.log" in text(each)
        assert isinstance(each, Zebra | Bfdd | Bgpd)


def test_what_frr_is_not_told_here_is_refused() -> None:
    options = BgpOptions(daemon="frr", bfd_ms=100)
    with pytest.raises(SpecError, match="bgp_daemon is frr, and 'w1' announces an anycast address"):
        two_sites(bgp=options)
    with pytest.raises(SpecError, match="bgp_daemon is frr, and 'f1' announces a next hop that is not its own"):
        service(bgp=options)
    with pytest.raises(SpecError, match="whose bfdd takes 2 or more"):
        BgpOptions(daemon="frr", bfd_ms=100, bfd_mult=1)
    with pytest.raises(SpecError, match="bgp_daemon"):
        BgpOptions(daemon="quagga")
    group = two_lines(bgp=options).bgp[0]
    edge, *others = group.speakers
    away = dataclasses.replace(group, speakers=(dataclasses.replace(edge, announces=("192.0.2.0/24",)), *others))
    with pytest.raises(SpecError, match=r"announces 192\.0\.2\.0/24, in which it has no interface"):
        dataclasses.replace(two_lines(), bgp=(away,))
