"""Health checks of sites: gdnsd's configuration, judged by gdnsd itself; the check beside BIRD, against a server."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import services
from testbed.services import bird, gdnsd, http_program, site_check, site_check_program
from testbed.services.site_check_program import Health, healthy
from testbed.spec import SiteOptions, Topology
from topologies.two_lines import two_lines
from topologies.two_sites import two_sites

needs_gdnsd = pytest.mark.skipif(shutil.which("gdnsd") is None, reason="gdnsd is not installed (make setup-services)")


def network(sites: str = "active", **options: str | int) -> Topology:
    return two_sites(site=SiteOptions(**options), sites=sites)  # type: ignore[arg-type]


def test_what_runs_where() -> None:
    found = {(each.node, each.name) for each in services.wanted(network())}
    assert {("w1", "http"), ("w1", "bird"), ("w1", "site_check"), ("w2", "site_check")} <= found
    assert "gdnsd" not in {name for _, name in found}
    found = {(each.node, each.name) for each in services.wanted(network(by="dns"))}
    assert ("ns", "gdnsd") in found and not {("w1", "bird"), ("w1", "site_check")} & found
    assert site_check.of(two_lines()) == [] and gdnsd.of(two_lines()) == []


def said_of(topology: Topology, place: Path, old: str = "", new: str = "") -> str:
    """What gdnsd says against its files in ``place``, after a change; empty: nothing."""
    service = gdnsd.of(topology)[-1]
    for name, text in service.files(place).items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text.replace(old, new) if old else text)
    done = subprocess.run(["gdnsd", "-c", str(place), "checkconf"], capture_output=True, text=True)
    bad = [line for line in done.stderr.splitlines() if line.startswith(("error", "fatal", "warning: Zone"))]
    return "; ".join(each for each in bad if "only has one NS" not in each) or ("" if not done.returncode else "code")


@needs_gdnsd
@pytest.mark.parametrize("sites", ["active", "standby"])
@pytest.mark.parametrize(
    "options",
    [{}, {"ttl_s": 1, "fall": 1, "rise": 1}, {"check_ms": 60_000, "ttl_s": 86_400}, {"name_servers": 2}],
)
def test_gdnsd_takes_its_configuration(sites: str, options: dict[str, int], tmp_path: Path) -> None:
    assert said_of(network(sites, by="dns", **options), tmp_path) == ""


@needs_gdnsd
@pytest.mark.parametrize(
    ("old", "new"), [("interval => 2", "interval => 1"), ("geoip!www", "geoip!wwww"), ("timeout => 1", "timeout => 2")]
)
def test_gdnsd_refuses_another_text(old: str, new: str, tmp_path: Path) -> None:
    """The judge can say no."""
    assert said_of(network(by="dns"), tmp_path, old, new)


@needs_gdnsd
@pytest.mark.parametrize("options", [{}, {"ttl_s": 1}, {"name_servers": 2}])
def test_gdnsd_takes_the_zone_of_an_operator(options: dict[str, int], tmp_path: Path) -> None:
    assert said_of(network("by_hand", by="dns", **options), tmp_path) == ""


def test_by_hand_the_zone_leads_to_one_site_and_nothing_is_checked() -> None:
    first, second = gdnsd.of(network("by_hand", by="dns", ttl_s=7, name_servers=2))
    assert (first.node, second.node) == ("ns", "ns2")
    for service in (first, second):
        assert "www 7 A 10.2.0.3" in gdnsd.zone(service) and "www 7 A 10.3.0.4" in gdnsd.zone(service, 1)
        assert "service_types" not in gdnsd.configuration(service, Path("/there"))
        assert "@ NS ns\nns A 10.7.0.5\n@ NS ns2\nns2 A 10.8.0.6\n" in gdnsd.zone(service)
        assert service.unsettled("", 0.0) == ""


def test_each_client_gets_the_nearer_site_first_and_kept_answers_have_one_ttl() -> None:
    (service,) = gdnsd.of(network(by="dns", ttl_s=7, check_ms=3000, fall=4, rise=5))
    lines = [line.strip() for line in gdnsd.configuration(service, Path("/there")).splitlines()]
    assert {"10.0.0.0/24 => [ w1, w2 ]", "10.1.0.0/24 => [ w2, w1 ]"} <= set(lines)
    assert {"interval => 3", "down_thresh => 4", "ok_thresh => 1", "up_thresh => 5", "url_path => /health"} <= set(
        lines
    )
    assert "www 7/7 DYNA geoip!www" in gdnsd.zone(service)
    (standby,) = gdnsd.of(network("standby", by="dns"))
    assert "10.1.0.0/24" not in gdnsd.configuration(standby, Path("/there"))


def test_a_name_server_has_settled_when_all_servers_pass() -> None:
    (service,) = gdnsd.of(network(by="dns"))
    first, second = (address for _, address in service.servers)
    log = f"info: state of '{first}/web' initialized to UP/6\ninfo: state of '{second}/web' initialized to DOWN/4\n"
    assert service.unsettled(log, 0.0) == "w2 not in its answers"
    log += f"info: state of '{second}/web' changed from DOWN/2 to UP/6\n"
    assert service.unsettled(log, 0.0) == ""
    assert service.unsettled("", 0.0) == "w1 and w2 not in its answers"


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_only_checks_in_a_row_change_a_servers_state(fall: int, rise: int, results: list[bool]) -> None:
    """By definition: the state changes with the check that completes so many in a row that speak against it."""
    health, up = Health(fall, rise), True
    for number, good in enumerate(results):
        health.heard(good)
        wanted = fall if up else rise
        row = results[: number + 1][-wanted:]
        since = _since(results[: number + 1], not up)
        if len(row) == wanted and since >= wanted:
            up = not up
        assert health.up == up


def _since(results: list[bool], value: bool) -> int:
    count = 0
    for each in reversed(results):
        if each != value:
            break
        count += 1
    return count


@contextlib.contextmanager
def web_server(place: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    ready = place / "http.ctl"
    words = [sys.executable, "-I", str(Path(http_program.__file__)), "w1", str(port), str(ready)]
    with subprocess.Popen(words) as process:
        try:
            until(ready.exists)
            yield process, port
        finally:
            process.kill()


def until(done: Callable[[], object], deadline_s: float = 30.0) -> None:
    last = time.monotonic() + deadline_s
    while not done():
        assert time.monotonic() < last
        time.sleep(0.01)


def test_a_server_is_healthy_while_it_answers(tmp_path: Path) -> None:
    with web_server(tmp_path) as (process, port):
        assert healthy("127.0.0.1", port, 10.0)
        process.kill()
        process.wait()
        assert not healthy("127.0.0.1", port, 10.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not healthy("127.0.0.1", int(silent.getsockname()[1]), 0.05)


@pytest.mark.parametrize("octets", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"200\r\n", b"HTTP/1.1 20", b""])
def test_any_other_answer_is_none(octets: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(4096)
                sock.sendall(octets)

        threading.Thread(target=serve, daemon=True).start()
        assert not healthy("127.0.0.1", int(listener.getsockname()[1]), 10.0)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[list[str]]:
    """What a BIRD in ``tmp_path`` is told, which has both configurations."""
    for name, text in (("bird.conf", "all"), (bird.USUAL, "all"), (bird.WITHDRAWN, "nothing")):
        (tmp_path / name).write_text(text)
    found: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "bird.ctl"))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock:
                        sock.sendall(b"0001 BIRD 2.0.12 ready.\n")
                        found.append(f"{sock.recv(100).decode().strip()} {(tmp_path / 'bird.conf').read_text()}")
                        sock.sendall(b"0003 Reconfigured\n")

        threading.Thread(target=serve, daemon=True).start()
        yield found


def test_bird_announces_again_when_the_last_reason_has_gone(told: list[str], tmp_path: Path) -> None:
    assert bird.withdrawn(tmp_path, "operator") and bird.withdrawn(tmp_path, "site_check")
    assert bird.announced(tmp_path, "site_check") and bird.announced(tmp_path, "operator")
    assert told == ["configure nothing", "configure nothing", "configure nothing", "configure all"]


def test_the_check_withdraws_and_announces_again(told: list[str], tmp_path: Path) -> None:
    """The program as it is started, with a server that is killed; what it logs becomes events."""
    service = site_check.of(network(check_ms=200, timeout_ms=100))[0]
    with web_server(tmp_path) as (server, port):
        words = [str(each) for each in service.command(tmp_path)]
        words[words.index(service.address)], words[words.index("80")] = "127.0.0.1", str(port)
        with subprocess.Popen(words, cwd=Path(__file__).parents[2]) as process:
            try:
                until(lambda: not service.missing(tmp_path))
                assert told == []
                server.kill()
                server.wait()
                until(lambda: told)
                log = tmp_path / site_check_program.LOG
                until(lambda: "withdrawn" in log.read_text())
                assert service.unsettled(log.read_text(), 0.0)
            finally:
                process.kill()
    assert told == ["configure nothing"]
    (event,) = service.events(log.read_text())
    assert (event["source"], event["event"]) == ("site", "withdrawn")
