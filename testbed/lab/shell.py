"""Inside: a network, live, with Mininet's prompt. Usage: python -m testbed.lab.shell DIRECTORY [script]

At a terminal what is typed while a command runs is for that command. Ctrl-C and Ctrl-\\ reach it too, Ctrl-D at the
prompt leaves. With `script`, standard input is a script: each line is a command, which has no input itself, and the
end of the script leaves.

Mininet's commands that need another program, or speak another version of OpenFlow, are replaced; `state`, `fail` and
`repair` are ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.backends import environment
from testbed.controller import client
from testbed.controller.text import plain, tables
from testbed.design.trial import Trial
from testbed.emulation.listening import wait_listening
from testbed.errors import SpecError, TestbedError
from testbed.faults.catalogue import FAULTS
from testbed.lab import lab
from testbed.lab.lab import Lab

_IPERF_PORT = 5201
_IPERF_S = 5
_CTRL_BACKSLASH = "\x1c"


class Faults:
    """The faults that were begun at the prompt, by name and element."""

    def __init__(self, bench: Lab, stack: contextlib.ExitStack) -> None:
        self._bench = bench
        self._stack = stack
        self._begun: dict[str, contextlib.ExitStack] = {}

    def fail(self, words: Sequence[str]) -> str:
        """Begin the fault NAME on ELEMENT, with NAME=VALUE parameters. Errors: SpecError saying what was wanted."""
        if len(words) < 2:
            raise SpecError(
                "wanted: fail FAULT ELEMENT [NAME=VALUE...]",
                f"The faults: {', '.join(sorted(FAULTS))}. See testbed list faults",
            )
        name, element, *settings = words
        key = f"{name} {element}"
        if key in self._begun:
            raise SpecError(f"{key} is there already", f"Type: repair {key}")
        parameters = {}
        for setting in settings:
            parameter, equals, value = setting.partition("=")
            if not equals:
                raise SpecError(f"{setting} is not NAME=VALUE", "For example: fail lossy h1-eth0 loss_percent=5")
            parameters[parameter] = _level(value)
        one = self._stack.enter_context(contextlib.ExitStack())
        one.enter_context(self._bench.fault(name, element, **parameters))
        self._begun[key] = one
        return f"{key}: to undo it, type: repair {key}"

    def repair(self, words: Sequence[str]) -> str:
        """End one fault, or without words all, the last one first. Errors: SpecError if there is none."""
        key = " ".join(words)
        if key and key not in self._begun:
            raise SpecError(f"no fault {key!r} was begun", f"Begun: {', '.join(self._begun) or 'none'}.")
        ended = [key] if key else list(reversed(self._begun))
        for each in ended:
            self._begun.pop(each).close()
        return "\n".join(f"repaired {each}" for each in ended) or "there is nothing to repair"


def _level(text: str) -> int | float | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def prompt(bench: Lab, faults: Faults, *, script: bool) -> Any:
    """Mininet's prompt on the network; returns when the user leaves it. With ``script`` each line of standard input is
    a command for it."""
    from mininet.cli import CLI  # after the network's module, which prepares Mininet's import

    class Prompt(CLI):  # type: ignore[misc]
        """Mininet's prompt, with our commands."""

        use_rawinput = not script  # without line editing, in which a tab would complete a word

        def isatty(self) -> bool:
            """Whether the user types here."""
            return not script

        def precmd(self, line: str) -> Any:
            """Show a line of a script, as a terminal shows what is typed."""
            if script:
                print("" if line == "EOF" else line, flush=True)
            return super().precmd(line)

        def default(self, line: str) -> None:
            """Run a command on a node; in a script with nothing to read, so that the next lines stay commands."""
            name, command, _ = self.parseline(line)
            if not script or name not in self.mn or not command:
                super().default(line)
                return
            words = [self.mn[w].defaultIntf().updateIP() or w if w in self.mn else w for w in command.split(" ")]
            self.mn[name].sendCmd(f"eval {shlex.quote(' '.join(words))} </dev/null")
            self.waitForNode(self.mn[name])

        def waitForNode(self, node: Any) -> None:
            """Show what the node's command prints until it ends; it gets what is typed meanwhile.

            Mininet's own reads ahead, and gives the command only the first character.
            """
            typed = sys.stdin.fileno()
            wanted = select.poll()
            wanted.register(node.stdout, select.POLLIN)
            if not script:
                wanted.register(typed, select.POLLIN)
                subprocess.run(["stty", "-icanon", "min", "1"], check=False)  # each key at once
            while node.waiting:
                try:
                    ready = {place for place, _ in wanted.poll()}
                    if typed in ready:
                        node.write(os.read(typed, 1024).decode(errors="replace"))
                    if node.stdout.fileno() in ready:
                        print(node.monitor(), end="", flush=True)
                except KeyboardInterrupt:
                    node.sendInt()

        def do_sh(self, line: str) -> None:
            """Run a command of the shell, beside the network: sh COMMAND"""
            subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL if script else None, check=False)

        def onecmd(self, line: str) -> Any:
            """Carry out a line. An error in it is printed, and the prompt stays."""
            try:
                return super().onecmd(line)
            except TestbedError as error:
                print(error)
            except Exception as error:  # Mininet's commands do not check what they are given
                print(f"{type(error).__name__}: {error}")
            return None

        def do_state(self, _line: str) -> None:
            """Show the controller's present state."""
            print(plain(tables(json.loads(client.ask("/state")))), end="")

        def do_fail(self, line: str) -> None:
            """Begin a fault: fail FAULT ELEMENT [NAME=VALUE...]; testbed list faults tells them all."""
            print(faults.fail(line.split()))

        def do_repair(self, line: str) -> None:
            """End a fault: repair FAULT ELEMENT; without words, all."""
            print(faults.repair(line.split()))

        def do_iperf(self, line: str) -> None:
            """Measure TCP between two hosts with iperf3: iperf [CLIENT SERVER]"""
            self._iperf(line.split(), [])

        def do_iperfudp(self, line: str) -> None:
            """Measure UDP between two hosts with iperf3: iperfudp RATE [CLIENT SERVER], such as iperfudp 10M h1 h2"""
            rate, *hosts = line.split() or ["10M"]
            self._iperf(hosts, ["-u", "-b", rate])

        def _iperf(self, hosts: list[str], options: list[str]) -> None:
            if not shutil.which("iperf3"):
                raise SpecError("iperf3 is not installed", "Type: apt-get install iperf3")
            known = [host.name for host in bench.topology.hosts]
            between = hosts or [bench.client, bench.server]
            if len(between) != 2 or len(set(between) & set(known)) != 2:
                raise SpecError(
                    f"found {' '.join(between)}; wanted two hosts of {', '.join(known)}",
                    f"For example: iperf {bench.client} {bench.server}",
                )
            first, second = between
            server = self.mn[second].popen(["iperf3", "--server", "--one-off", "--port", str(_IPERF_PORT)])
            try:
                wait_listening(bench.network, second, [_IPERF_PORT])
                address = bench.topology.host(second).ip
                words = ["iperf3", "--client", address, "--port", str(_IPERF_PORT), "--time", str(_IPERF_S), *options]
                self.mn[first].sendCmd(*words)
                self.waitForNode(self.mn[first])
            finally:
                server.terminate()
                server.communicate()
            print(
                "The clock is real here: how fast this machine runs the guest limits the rate. To measure: testbed run"
            )

        def do_dpctl(self, line: str) -> None:
            """Run a command of ovs-ofctl(8) on every switch: dpctl COMMAND [ARGUMENT...], such as dpctl dump-flows"""
            if not line.split():
                print("usage: dpctl COMMAND [ARGUMENT...]; for example: dpctl dump-flows")
                return
            command, *arguments = line.split()
            version = bench.scheme.openflow or "OpenFlow10,OpenFlow13"
            for switch in self.mn.switches:
                print(f"*** {switch.name}")
                print(switch.cmd("ovs-ofctl", "-O", version, command, switch.name, *arguments), end="")

        def do_xterm(self, line: str, term: str = "xterm") -> None:
            """Not here: the network has no display."""
            del line, term
            print("no display in here. A shell on a host: h1 bash")

        def do_x(self, line: str) -> None:
            """Not here: the network has no display."""
            self.do_xterm(line)

    def quit_command(_signal: int, _frame: object) -> None:
        """Ctrl-\\ is for what runs at the prompt; at the prompt itself it does nothing, as in a shell."""
        for node in bench.network.mininet.values():
            if node.waiting:
                node.write(_CTRL_BACKSLASH)

    signal.signal(signal.SIGQUIT, quit_command)
    return Prompt(bench.network.mininet)


def main(directory: Path, *, script: bool) -> None:
    """Build the network of trial.json, wait until it has converged, and hand over to the prompt."""
    trial = Trial.from_json((directory / "trial.json").read_text())
    with tempfile.TemporaryDirectory() as files:
        print(f"building {trial.topology.name} ...", flush=True)
        with lab.opened(trial, directory, Path(files)) as bench, contextlib.ExitStack() as stack:
            bench.wait_converged()
            first, *others = map(trial.topology.host, trial.topology.protected_hosts())
            second, bond = (others or [first])[0], first.bond
            shown = f"; {first.name} cat /proc/net/bonding/{bond.name}" if bond and bond.driver == "bonding" else ""
            print(f"ready: type help, or for example: {first.name} ping -c 3 {second.ip}{shown}; exit")
            print(f"fail and repair inject a fault, for example: fail carrier_loss {bench.topology.links[0].name}")
            print(f"files in {directory} stay after exit with testbed shell --out DIR")
            if bench.network.controller is not None:
                print("state shows the state of the controller")
            prompt(bench, Faults(bench, stack), script=script)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), script=environment.SCRIPT in sys.argv[2:])
    except TestbedError as error:
        sys.exit(str(error))
