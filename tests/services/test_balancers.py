"""The configurations of balancers, judged by HAProxy itself and by keepalived.conf(5); and the web server."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import services
from testbed.services import haproxy, http_program, http_server, keepalived, notify_program
from testbed.spec import BalancerOptions, Topology, VrrpOptions
from topologies.balancer_pair import balancer_pair

needs_haproxy = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed (make setup-services)"
)
needs_keepalived = pytest.mark.skipif(
    shutil.which("keepalived") is None, reason="keepalived is not installed (make setup-services)"
)


def network(**options: str | int | bool) -> Topology:
    return balancer_pair(balancer=BalancerOptions(**options))  # type: ignore[arg-type]


def lines(topology: Topology) -> list[str]:
    """keepalived.conf of the first balancer, stripped."""
    text = keepalived.configuration(keepalived.of(topology)[0], Path("/run/b1"))
    return [line.strip() for line in text.splitlines()]


def test_what_runs_where() -> None:
    names = [(each.node, each.name) for each in services.wanted(network(layer=7))]
    assert names == [
        *((f"w{n}", "http") for n in (1, 2, 3)),
        *((name, "haproxy") for name in ("b1", "b2")),
        *((name, "keepalived") for name in ("b1", "b2")),
    ]
    assert "haproxy" not in {each.name for each in services.wanted(network())}
    assert network(layer=7).services() == tuple(f"{node}:{name}" for node, name in names)


def test_each_check_of_keepalived_is_as_configured_every_keyword_on_a_line() -> None:
    found = lines(network(check_ms=200, timeout_ms=50, fall=4, scheduler="wlc"))
    assert found.count("real_server 10.0.0.2 80 {") == found.count("real_server 10.0.0.4 80 {") == 1
    assert {"virtual_server 10.0.0.254 80 {", "lb_kind DR", "lb_algo wlc", "protocol TCP", "delay_loop 0.2"} <= set(
        found
    )
    # fall failures are the first one and fall - 1 more (keepalived.conf(5), retry).
    for keyword in ("connect_timeout 0.05", "retry 3", "delay_before_retry 0.2", "path /health"):
        assert found.count(keyword) == 3
    for line in found:
        assert line.count("{") + line.count("}") <= 1


def test_connections_are_told_of_over_the_interface_that_has_the_address() -> None:
    assert "lvs_sync_daemon b1-eth0 b1-eth0 id 51" in lines(network())
    assert not any(line.startswith("lvs_sync") for line in lines(network(sync=False)))
    assert not any(line.startswith(("lvs_", "virtual_server")) for line in lines(network(layer=7)))


def test_the_master_announces_the_address_again_and_again() -> None:
    assert "vrrp_garp_master_refresh 1" in lines(network())
    assert "vrrp_garp_master_refresh 0" in lines(balancer_pair(vrrp=VrrpOptions(preempt=False)))


def test_nat_is_between_two_subnets_and_the_servers_gateway_is_the_balancers() -> None:
    topology = network(kind="nat")
    assert "lb_kind NAT" in lines(topology) and "real_server 10.1.0.2 80 {" in lines(topology)
    assert {topology.host(name).gateway for name in ("w1", "w2", "w3")} == {"10.1.0.254"}


def test_only_a_server_that_is_routed_to_has_the_address_itself() -> None:
    routed, others = http_server.of(network())[0], http_server.of(network(layer=7))[0]
    assert routed.files(Path("/x")) == {"http.addresses": "address add 10.0.0.254/32 dev lo\n"}
    # networking/ip-sysctl.rst: 1: answer only for addresses of the interface; 2: ask from the best own address.
    assert routed.settings() == {"ipv4/conf/all/arp_ignore": "1", "ipv4/conf/all/arp_announce": "2"}
    assert (others.settings(), others.once(Path("/x"))) == ({}, ())


@needs_keepalived
@pytest.mark.parametrize("options", [{}, {"kind": "nat"}, {"sync": False}, {"layer": 7}], ids=repr)
def test_keepalived_finds_no_fault_in_it(options: dict[str, str | int | bool], tmp_path: Path) -> None:
    place = tmp_path / "keepalived.conf"
    place.write_text(keepalived.configuration(keepalived.of(network(**options))[0], tmp_path))
    done = subprocess.run(["keepalived", "-t", "--use-file", str(place)], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "Unknown keyword" in line or "must" in line.lower()]
    assert said == [], done.stderr


@needs_keepalived
def test_keepalived_finds_fault_in_another_text(tmp_path: Path) -> None:
    """The judge can say no."""
    place = tmp_path / "keepalived.conf"
    text = keepalived.configuration(keepalived.of(network())[0], tmp_path)
    place.write_text(text.replace("delay_before_retry", "delay_before_trying"))
    done = subprocess.run(["keepalived", "-t", "--use-file", str(place)], capture_output=True, text=True)
    assert "Unknown keyword 'delay_before_trying'" in done.stderr


@needs_haproxy
@pytest.mark.parametrize("scheduler", ["rr", "wlc", "sh"])
@pytest.mark.parametrize("redispatch", [True, False])
def test_haproxy_takes_its_configuration(scheduler: str, redispatch: bool, tmp_path: Path) -> None:
    (service, _) = haproxy.of(network(layer=7, scheduler=scheduler, redispatch=redispatch))
    place = tmp_path / "haproxy.cfg"
    place.write_text(haproxy.configuration(service, tmp_path))
    done = subprocess.run(["haproxy", "-c", "-f", str(place)], capture_output=True, text=True)
    assert done.returncode == 0 and "ALERT" not in done.stderr and "WARNING" not in done.stderr, done.stderr


@needs_haproxy
def test_haproxy_refuses_another_text(tmp_path: Path) -> None:
    """The judge can say no."""
    place = tmp_path / "haproxy.cfg"
    place.write_text(haproxy.configuration(haproxy.of(network(layer=7))[0], tmp_path).replace("balance ", "balanse "))
    assert subprocess.run(["haproxy", "-c", "-f", str(place)], capture_output=True).returncode != 0


def test_haproxy_asks_for_health_as_configured() -> None:
    text = haproxy.configuration(
        haproxy.of(network(layer=7, check_ms=300, timeout_ms=100, fall=2, rise=4))[0], Path("/x")
    )
    assert "default-server inter 300ms fall 2 rise 4" in text and "timeout check 100ms" in text
    assert "option redispatch 1" in text and "option httpchk GET /health" in text


def test_haproxys_log_becomes_events() -> None:
    """As HAProxy 2.6.12 prints them."""
    log = (
        "<1>2024-01-01T00:00:15.487015+00:00 Server web/w1 is DOWN, reason: Layer4 timeout, check duration: 100ms.\n"
        "<6>2024-01-01T00:00:16.000000+00:00 Connect from 10.0.0.1:38070 to 10.0.0.254:80 (service/HTTP)\n"
        "<5>2024-01-01T00:00:17.250000+00:00 Server web/w1 is UP, reason: Layer7 check passed, code: 200.\n"
    )
    found = [
        (each["time"] - 1704067200, each["server"], each["state"])
        for each in haproxy.of(network(layer=7))[0].events(log)
    ]
    assert found == [(pytest.approx(15.487015), "w1", "down"), (pytest.approx(17.25), "w1", "up")]


def test_servers_that_are_not_up_are_named() -> None:
    head = "# pxname,svname,qcur,status\n"
    rows = "service,FRONTEND,,OPEN\nweb,w1,0,UP\nweb,w2,0,DOWN 1/2\nweb,BACKEND,0,UP\n\n"
    assert haproxy.unready(head + rows) == "w2 is DOWN 1/2"
    assert haproxy.unready(head + "web,w1,0,UP\n") == "" and haproxy.unready(head) == "its servers"


def test_keepalived_tells_of_servers_through_a_program_that_notes_when(tmp_path: Path) -> None:
    """The lines are those of keepalived.conf(5), lvs_notify_fifo."""
    (tmp_path / "told").write_text("VS [10.0.0.254]:tcp:80 UP\nRS [10.0.0.3]:tcp:80 [10.0.0.254]:tcp:80 DOWN\n")
    before = time.time()
    notify_program.note(tmp_path / "log", tmp_path / "told")
    (event,) = keepalived.of(network())[0].events((tmp_path / "log").read_text())
    assert (event["server"], event["state"]) == ("w2", "down") and before - 1e-3 <= event["time"] <= time.time()


@pytest.mark.parametrize("preempt", [False, True])
@pytest.mark.parametrize("backup", ["BACKUP STATE (init)", "BACKUP STATE"])  # the second after a link without carrier
def test_a_best_balancer_that_starts_again_is_ready_as_backup(preempt: bool, backup: str, tmp_path: Path) -> None:
    starts = "Mon Jan  1 00:00:12 2024: Starting Keepalived v2.2.7 (01/16,2022)\n"
    began = f"Mon Jan  1 00:00:12 2024: (b1-eth0) Entering {backup}\n"
    master = "Mon Jan  1 00:00:13 2024: (b1-eth0) Entering MASTER STATE\n"
    out = tmp_path / "keepalived.out"
    best = keepalived.of(balancer_pair(vrrp=VrrpOptions(preempt=preempt)))[0]
    out.write_text(starts + began)
    assert best.missing(tmp_path) == "b1-eth0 is BACKUP"
    out.write_text(starts + began + master)
    assert best.missing(tmp_path) == ""
    out.write_text(starts + began + master + starts)
    assert best.missing(tmp_path) == "b1-eth0 is not there"  # what its log says of its last life does not count
    out.write_text(starts + began + master + starts + began)
    assert best.missing(tmp_path) == ""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """A running web server's port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [sys.executable, "-I", http_program.__file__, "w7", str(port), str(tmp_path / "ready")]
    with subprocess.Popen(command) as process:
        while not (tmp_path / "ready").exists():
            assert process.poll() is None
            time.sleep(0.01)
        yield port
        process.terminate()


def said(port: int, *parts: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        found = b""
        while more := sock.recv(4096):
            found += more
    return found


def test_the_server_answers_with_its_name_and_keeps_a_connection(server: int) -> None:
    """RFC 9112, 9.3: a connection persists in HTTP/1.1 unless `close` is said, in HTTP/1.0 if `keep-alive` is."""
    once = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = said(server, once, once[:9], once[9:])
    assert answer.count(b"HTTP/1.1 200 OK") == 2 and b"Server: w7" in answer and answer.endswith(b"w7\n")
    closing = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert said(server, closing + once).count(b"200 OK") == 1
    assert said(server, b"GET / HTTP/1.0\r\n\r\n" + once).count(b"200 OK") == 1
    assert said(server, b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" + once).count(b"200 OK") == 2


def test_a_connection_that_is_upgraded_echoes(server: int) -> None:
    """RFC 9110, 7.8 and 15.2.2."""
    answer = said(server, b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\none", b"two")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"Upgrade: echo" in head and body == b"onetwo"


@given(st.lists(st.integers(1, 80), max_size=12))
def test_however_requests_are_cut_into_segments_the_answers_are_the_same(cuts: list[int]) -> None:
    text = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nand more"
    edges = sorted({0, len(text), *(cut for cut in itertools.accumulate(cuts) if cut < len(text))})
    here, there = socket.socketpair()
    heard: dict[socket.socket, bytes | None] = {there: b""}
    with here, there:
        for begin, end in itertools.pairwise(edges):
            here.sendall(text[begin:end])
            assert http_program._read(there, heard, "w1")
        there.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: here.recv(4096), b""))
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 101 ") == 1 and answer.endswith(
        b"\r\n\r\nand more"
    )


def test_haproxy_is_quicker_while_a_server_goes_up_or_down() -> None:
    text = haproxy.configuration(haproxy.of(network(layer=7, fastinter_ms=100))[0], Path("/x"))
    assert "default-server inter 1000ms fastinter 100ms fall 3 rise 1" in text


@needs_haproxy
@pytest.mark.parametrize("peers", [True, False])
def test_haproxy_takes_its_clients_table_and_knows_itself_among_its_peers(peers: bool, tmp_path: Path) -> None:
    for service in haproxy.of(network(layer=7, stick=True, peers=peers, fastinter_ms=100)):
        text = haproxy.configuration(service, tmp_path)
        (tmp_path / "haproxy.cfg").write_text(text)
        done = subprocess.run([*service.command(tmp_path), "-c"], capture_output=True, text=True)
        assert done.returncode == 0 and "ALERT" not in done.stderr and "WARNING" not in done.stderr, done.stderr
        assert ("peer b1 10.0.0.5:10000" in text and "peer b2 10.0.0.6:10000" in text) is peers
        assert "  stick on src\n" in text and ("-L" in service.command(tmp_path)) is peers


@needs_haproxy
def test_haproxy_says_no_to_peers_of_another_name(tmp_path: Path) -> None:
    """The judge can say no."""
    place = tmp_path / "haproxy.cfg"
    text = haproxy.configuration(haproxy.of(network(layer=7, stick=True, peers=True))[0], tmp_path)
    place.write_text(
        text.replace("peers balancers\nfront", "").replace(" peers balancers\n  stick", " peers x\n  stick")
    )
    assert subprocess.run(["haproxy", "-c", "-L", "b1", "-f", str(place)], capture_output=True).returncode != 0
