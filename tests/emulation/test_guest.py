"""What a guest can and cannot do: it writes only into its directory, has no network, and cannot hang."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from testbed.backends import guest, kernel
from testbed.backends.watchdog import Watchdog
from testbed.errors import TrialError
from testbed.results import result
from testbed.run import execute, prepare
from tests.emulation.support import HERE, PROJECT, family, in_guest, living, wait_for

_WRITES = """
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
MS_REMOUNT = 32

def attempt(path):
    try:
        with open(path, "w") as file:
            file.write("written by a guest")
        return open(path).read()
    except OSError as error:
        return type(error).__name__

for place in {places!r}:
    print("overlay", attempt(place + "/{name}"))
# Root inside may mount the machine's files once more, and again writable. Outside nothing follows from that.
os.mkdir("/run/again")
mounted = libc.mount(b"none", b"/run/again", b"hostfs", 0, b"/")
print("mounted", mounted)
libc.mount(b"none", b"/run/again", b"hostfs", MS_REMOUNT, b"")
libc.mount(b"none", b"/", None, MS_REMOUNT, None)
for place in {places!r}:
    print("hostfs", attempt("/run/again" + place + "/{name}"))
    try:
        os.unlink("/run/again" + {victim!r})
    except OSError as error:
        print("unlink", type(error).__name__)
print("own", attempt("/tmp/trial/own"))
"""


def test_a_guest_writes_only_into_its_directory(tmp_path: Path) -> None:
    name = f"guest-{uuid.uuid4().hex}"
    places = [str(PROJECT), str(Path.home()), "/etc", "/var/tmp"]
    directory = tmp_path / "trial"
    directory.mkdir()
    script = _WRITES.format(places=places, name=name, victim=str(HERE / "support.py"))
    lines = in_guest(directory, script).splitlines()
    # It sees what it wrote, in the overlay; the machine does not.
    assert [line for line in lines if line.startswith("overlay")] == ["overlay written by a guest"] * len(places)
    assert "mounted 0" in lines, "or this shows nothing"
    answers = [line.split()[1] for line in lines if line.startswith(("hostfs", "unlink"))]
    assert answers == ["OSError"] * 2 * len(places), lines
    for place in places:
        assert not (Path(place) / name).exists()
    assert (HERE / "support.py").exists()
    assert "own written by a guest" in lines
    assert (directory / "own").read_text() == "written by a guest"


def test_a_guest_has_no_network_but_its_own_loopback(tmp_path: Path) -> None:
    script = (
        "import socket\n"
        "print(*sorted(name for _, name in socket.if_nameindex()))\n"
        "try:\n    socket.create_connection(('192.0.2.1', 80), timeout=5)\n"
        "except OSError as error:\n    print(error.strerror)\n"
    )
    lines = in_guest(tmp_path, script).splitlines()
    assert lines == ["lo", os.strerror(101)]  # ENETUNREACH


def test_the_kernels_process_itself_has_no_network(tmp_path: Path) -> None:
    found = kernel.find()
    assert found is not None
    sleep = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
    with guest.started(found, tmp_path, sleep, seed=1, clock="real") as process:
        wait_for(lambda: (tmp_path / "trial.log").exists(), "the guest runs")
        members = family(process.pid)
        interfaces = set()
        for number, _ in members:
            lines = Path(f"/proc/{number}/net/dev").read_text().splitlines()[2:]
            interfaces |= {line.partition(":")[0].strip() for line in lines}
        assert len(members) > 1
        assert interfaces == {"lo"}
    wait_for(lambda: not living(members), "every process of the guest has ended", 10)


def test_a_guest_whose_time_stands_still_is_ended_and_the_error_says_where_it_was(tmp_path: Path) -> None:
    found = kernel.find()
    assert found is not None
    endless = [sys.executable, "-c", "print('counting to infinity', flush=True)\nwhile True: pass"]
    with pytest.raises(TrialError) as error:
        guest.run(found, tmp_path, endless, seed=1, clock="virtual", watchdog=Watchdog(5.0))
    message, _, last = error.value.message.partition(": ")
    assert message == "the trial still ran after 5 s of wall time and was ended; it was at"
    assert "counting to infinity" in last


def test_a_procedure_that_hangs_is_a_failed_trial_that_keeps_what_it_wrote(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "WALL_LIMIT_S", 20.0)
    request = prepare.Request(str(HERE / "endless.py"), None, {}, None, 1, False, "guest", "virtual")
    ended: list[result.Record | None] = []
    prepared = prepare.prepare(request, [])
    assert execute.carry_out(
        prepared, prepare.begin(prepared, place, resume=False), place, jobs=1, planned=lambda _: None, done=ended.append
    )
    (record,) = result.load(place).records
    assert ended == [record]
    assert record.status == "failed"
    assert record.reason.startswith(
        "the trial still ran after 20 s of wall time and was ended; it was at: running the procedure (at "
    )
    assert (place / record.raw / "before.json").exists()
    assert (place / record.raw / "console.log").exists()


def test_the_same_seed_gives_the_guest_the_same_randomness(tmp_path: Path) -> None:
    lines = []
    for number in range(2):
        directory = tmp_path / str(number)
        directory.mkdir()
        lines.append(in_guest(directory, "import os, time; print(os.urandom(16).hex(), id(object()), time.time_ns())"))
    assert lines[0] == lines[1]
    outside = subprocess.run([sys.executable, "-c", "import os; print(os.urandom(16).hex())"], capture_output=True)
    assert outside.stdout.decode().strip() not in lines[0]
