"""A confined process can touch nothing of the machine. Each test tries what it must not be able to do."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.backends import confined
from testbed.errors import MachineError

#: A module that executes each line that it is sent, and answers with the error or the value of ``found``.
ECHO = """
import sys
from testbed.backends import confined
confined.set_limits()
print(confined.READY, flush=True)
for line in sys.stdin:
    names = {}
    try:
        exec(eval(line), names)
        print(repr(names.get("found")), flush=True)
    except BaseException as error:
        print(type(error).__name__, flush=True)
"""

Start = Callable[..., confined.Process]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a process that executes what it is sent; it sees a directory of its own and one more."""
    place = tmp_path / "modules"
    place.mkdir()
    (place / "echo.py").write_text(ECHO)
    monkeypatch.syspath_prepend(str(place))  # what the caller can import is seen

    def start(*directories: Path, in_tmp: tuple[Path, ...] = ()) -> confined.Process:
        monkeypatch.setattr(confined, "PROJECT", f"{place}:{confined.PROJECT}")
        return confined.Process("echo", [], directories, in_tmp=in_tmp)

    return start


def tried(process: confined.Process, code: str) -> str:
    return process.ask(repr(code), 60)


@pytest.mark.parametrize(
    "place", ["PATH", str(Path.home()), "/", "/usr", "/dev", "/proc", "/etc", "/var/tmp"], ids=lambda text: text
)
def test_it_writes_nowhere(started: Start, tmp_path: Path, place: str) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    target = Path(place.replace("PATH", str(mine))) / "written-by-a-test"
    process = started(mine)
    assert tried(process, f"open({str(target)!r}, 'w')") in ("OSError", "FileNotFoundError", "PermissionError")
    assert not target.exists()


def test_it_cannot_change_the_kernels_settings(started: Start) -> None:
    """As root they are files that their owner may write."""
    assert tried(started(), "open('/proc/sys/kernel/core_pattern', 'a')") in ("OSError", "PermissionError")


def test_a_file_for_its_own_tmp_is_there_and_read_only(started: Start, tmp_path: Path) -> None:
    (tmp_path / "fonts.json").write_text("a list")
    process = started(in_tmp=(tmp_path / "fonts.json", tmp_path / "none.json"))
    assert tried(process, "found = open('/tmp/fonts.json').read()") == repr("a list")
    assert tried(process, "open('/tmp/fonts.json', 'w')") == "OSError"
    assert tried(process, "open('/tmp/none.json')") == "FileNotFoundError"


def test_its_own_tmp_is_not_the_machines_and_small(started: Start) -> None:
    process = started()
    assert tried(process, "open('/tmp/of-a-test', 'w').write('x'); found = open('/tmp/of-a-test').read()") == "'x'"
    assert not Path("/tmp/of-a-test").exists()
    assert tried(process, "for n in range(9): open(f'/tmp/{n}', 'wb').write(bytes(16 << 20))") == "OSError"


def test_it_sees_what_it_is_given_and_no_home(started: Start, tmp_path: Path) -> None:
    for name in ("given", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    process = started(tmp_path / "given")
    assert tried(process, f"found = open({str(tmp_path / 'given' / 'file')!r}).read()") == "'given'"
    assert tried(process, f"open({str(tmp_path / 'other' / 'file')!r})") == "FileNotFoundError"
    assert tried(process, "open('/etc/shadow')") == "FileNotFoundError"
    assert tried(process, "import os; found = os.path.exists('/run') or os.path.exists('/var')") == "False"


def test_a_file_that_comes_later_is_seen(started: Start, tmp_path: Path) -> None:
    """The raw files of a trial are written after the process was started."""
    process = started(tmp_path)
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "file").write_text("x")
    assert tried(process, f"found = open({str(tmp_path / 'later' / 'file')!r}).read()") == "'x'"


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
def test_it_opens_no_socket(started: Start, tmp_path: Path, family: str) -> None:
    process = started()
    assert tried(process, f"import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM)") == "PermissionError"
    assert tried(process, "import socket; socket.socketpair()") == "PermissionError"


def test_it_reaches_no_service_of_the_machine_by_a_file(started: Start, tmp_path: Path) -> None:
    """With the socket that the filter refuses it would: no namespace and no read-only mount prevents it."""
    place = str(tmp_path / "service")
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(place)
        service.listen()
        code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({place!r})"
        assert tried(started(tmp_path), code) == "PermissionError"


def test_it_sees_no_other_process_and_gets_no_new_rights(started: Start) -> None:
    process = started()
    assert tried(process, "import os; found = len([n for n in os.listdir('/proc') if n.isdigit()]) <= 3") == "True"
    mount = "import ctypes; found = ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, b'')"
    assert tried(process, mount) == "-1"
    assert tried(process, "import ctypes; found = ctypes.CDLL(None).unshare(0x10000000)") == "-1"  # CLONE_NEWUSER


def test_its_memory_is_limited(started: Start) -> None:
    assert tried(started(), "x = bytearray(9 << 30)") == "MemoryError"


def test_a_process_that_ends_or_takes_too_long_is_told_of(started: Start) -> None:
    process = started()
    with pytest.raises(confined.Ended, match=r"ended the process that reads it \(exit code 7\)"):
        tried(process, "import os; os._exit(7)")
    assert process.ended
    with pytest.raises(confined.Ended, match="ended the process"):
        tried(process, "found = 1")
    process = started()
    with pytest.raises(confined.Ended, match=r"took longer than 0\.2 s and was ended"):
        process.ask(repr("while True: pass"), 0.2)
    assert process.ended


def test_a_process_that_reads_no_question_is_ended(started: Start) -> None:
    """A question larger than a pipe (pipe(7): 64 KiB) would wait for ever."""
    process = started()
    with pytest.raises(confined.Ended, match="took longer"):
        process.ask(repr("while True: pass") + "\n" + "x" * (1 << 20), 0.5)
    assert process.ended


def test_an_answer_without_end_is_given_up(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "_ANSWER", 1 << 20)
    with pytest.raises(confined.Ended, match="gives more than 1 MB"):
        tried(started(), "import sys\nwhile True: sys.stdout.write('x' * 1000)")


def test_what_it_prints_cannot_command_the_terminal(started: Start) -> None:
    process = started()
    tried(process, "import sys; print('a\\x1b[2Jb\\x9bc\\td', file=sys.stderr)")
    assert process.printed() == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c\td\n"
    assert process.printed() == ""
    tried(process, "import sys; print('x' * 1_000_000, file=sys.stderr)")
    assert process.printed().endswith("x ... and 990001 bytes more\n")


@pytest.mark.parametrize("broken", ["missing", "failing"])
def test_where_bubblewrap_does_not_work_nothing_is_executed(
    started: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    if broken == "failing":  # as where AppArmor restricts user namespaces (Ubuntu 24.04)
        (tools / "bwrap").write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
        (tools / "bwrap").chmod(0o755)
        shell = shutil.which("sh")
        assert shell
        (tools / "sh").symlink_to(shell)
    monkeypatch.setattr(confined, "SEARCH", str(tools))
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(MachineError) as caught:
        started()
    said = {
        "missing": "a user's file is read in bubblewrap, which is not installed\nType: apt-get install bubblewrap",
        "failing": "a user's file is read in bubblewrap, which does not work here:"
        " bwrap: setting up uid map: Permission denied\nTo see what this machine lacks, type: testbed check",
    }
    assert str(caught.value) == said[broken]
