"""``testbed shell`` at a terminal: Ctrl-C, Ctrl-\\ and Ctrl-D act as at Mininet's prompt, and it says how it ended.

Right values: termios(3) for the characters, ping(8): Ctrl-\\ prints a line of statistics and Ctrl-C the summary.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.backends import environment, guest, kernel
from testbed.errors import MachineError
from tests.emulation.prompt import CTRL_BACKSLASH, CTRL_C, CTRL_D, PROMPT, Terminal
from tests.emulation.support import command
from tests.emulation.support import environment as variables


def test_what_runs_at_the_prompt_can_be_interrupted(tmp_path: Path) -> None:
    # As from a user's shell, which shows the settings of the terminal before and after.
    words = ["sh", "-c", 'stty -g; "$@"; code=$?; stty -g; exit $code', "sh"]
    words += command("shell", "single_switch", "--out", "kept")
    terminal = Terminal(words, tmp_path, variables(TERM="dumb"), size=(33, 111))

    def answer(typed: bytes, until: bytes = PROMPT) -> str:
        start = len(terminal.output)
        terminal.type(typed)
        terminal.until(until)
        return terminal.output[start:].decode()

    terminal.until(PROMPT)
    answer(b"h1 ping h2\n", b"icmp_seq=2")
    assert "0% loss" in answer(CTRL_BACKSLASH, b"ewma")
    assert "packets transmitted" in answer(CTRL_C)
    assert "2 received" in answer(b"h1 ping -c 2 h2\n"), "the prompt works as before"
    terminal.type(CTRL_BACKSLASH)  # at the prompt itself it does nothing
    assert "33 111" in answer(b"sh stty size\n")
    answer(b"h1 echo begun; head -n 2 | tr a-z A-Z\n", b"begun\r")
    assert "SECOND" in answer(b"first\nsecond\n"), "what is pasted while a command runs is for that command, all of it"
    answer(b"iperf h1 h2\n", b"Mbits/sec")
    assert "the client has terminated" in answer(CTRL_C)
    assert "wanted two hosts of h1, h2" in answer(b"iperf h1 h9\n")
    assert "actions=" in answer(b"dpctl dump-flows\n")
    answer(b"fail carrier_loss h1-eth0\n")
    answer(b"sh sleep 1\n")  # until the bond's monitor has looked, every 100 ms
    assert "MII Status: down" in answer(b"h1 grep -A1 h1-eth0 /proc/net/bonding/bond0\n")
    assert "repaired carrier_loss h1-eth0" in answer(b"repair\n")
    assert "there is nothing to repair" in answer(b"repair\n")
    answer(b"h1 echo captured > /tmp/trial/h1.pcap\n")
    answer(b"h1 ln -s /etc/passwd /tmp/trial/link\n")
    terminal.type(CTRL_D)
    code, screen, _ = terminal.ended()
    assert code == 0
    assert "Power down" not in str(screen)
    assert "Traceback" not in str(screen)
    assert (tmp_path / "kept" / "h1.pcap").read_text() == "captured\n"
    assert not (tmp_path / "kept" / "link").is_symlink()
    lines = str(screen).split()
    assert lines[0] == lines[-1] and lines[0].count(":") > 20, "the terminal is as it was (stty(1), -g)"


#: Commands that would read the rest of the script, wait for input that does not come, or be completed at a tab.
SCRIPT = """h1 ping -c1 h2
pingall
h1 cat
sh cat
h1 echo "without its end
h1\techo in\tdented
h1 cd /tmp
h1 pwd # where it is
nonsense
"""


def test_every_line_of_a_script_is_carried_out(tmp_path: Path) -> None:
    many = "".join(f"h2 echo {number:04d} {'x' * 20}\n" for number in range(200))  # more than a terminal holds
    typed = SCRIPT + many + "h2 echo the last, without its end"
    assert len(typed) > 1.5 * 4096
    done = subprocess.run(
        command("shell", "single_switch"), input=typed, capture_output=True, text=True, cwd=tmp_path, env=variables()
    )
    assert (done.returncode, done.stderr) == (0, "")
    parts = done.stdout.split("mininet> ")[1:]
    given = [*typed.splitlines(), ""]
    assert [part.partition("\n")[0] for part in parts] == given
    answers = dict(zip(given, (part.partition("\n")[2].strip() for part in parts), strict=True))
    assert "1 received" in answers["h1 ping -c1 h2"]
    assert "0% dropped" in answers["pingall"]
    assert answers["h1 cat"] == answers["sh cat"] == ""
    assert answers["h1\techo in\tdented"] == "in dented"
    assert answers["h1 pwd # where it is"] == "/tmp"
    assert "Unknown command: nonsense" in answers["nonsense"]
    assert [answers[f"h2 echo {n:04d} {'x' * 20}"] for n in range(200)] == [f"{n:04d} {'x' * 20}" for n in range(200)]
    assert answers["h2 echo the last, without its end"] == "the last, without its end"


def test_a_guest_that_cannot_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = kernel.find()
    assert found is not None
    broken = dataclasses.replace(found, path=Path("/bin/false"))
    with open(os.devnull) as nothing, pytest.raises(MachineError) as error:
        monkeypatch.setattr(sys, "stdin", nothing)
        guest.interactive(broken, tmp_path, environment.shell_command(guest.DIRECTORY))
    assert error.value.message == "the guest ended before its command did (code 1)"


@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_code_is_that_of_the_command(code: int, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from testbed.backends import guest, kernel; import sys;"
        f"sys.exit(guest.interactive(kernel.find(), Path({str(tmp_path)!r}),"
        f" [sys.executable, '-c', 'import sys; print(\"ran\"); sys.exit({code})']))"
    )
    terminal = Terminal([sys.executable, "-c", script], environment.PROJECT, dict(os.environ))
    ended, screen, _ = terminal.ended()
    assert (ended, str(screen).split()) == (code, ["ran"])
