"""Inside a guest: a whole machine, on which root runs the testbed natively, as a user would.

    the machine: interfaces, a switch, a namespace and a listener with the names and the port that trials use
       |
       +-- testbed check
       +-- testbed run failover  +  testbed run aggregation      at the same time
       +-- testbed run, and Ctrl-C in the middle of the second trial
       +-- testbed run, of bonds by the team driver, and kill -9 in the middle of the trial; testbed clean
       '-- testbed shell, and Ctrl-C at its prompt

Usage: python -m tests.emulation.native_machine DIRECTORY

DIRECTORY gets the runs, the output of the commands (answers.json) and the dumps of the machine (dumps.json).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.emulation.conftest import AGGREGATION, FAILOVER
from tests.emulation.machine_dump import dump, namespaces
from tests.emulation.prompt import Terminal, interrupted_ping
from tests.emulation.support import wait_for

_NATIVE = ("--backend", "native", "--clock", "real")
_ONE_MODE = ("run", "failover", *_NATIVE, "--seed", "7", "--set", "mode=active-backup")
_TEAM = ("--set", "bond=team") if shutil.which("teamd") else ()
_OWN = """
ip link set lo up
ip link add h1-eth0 type veth peer name s1-eth1
ip address add 10.0.0.1/24 dev h1-eth0
ip link set h1-eth0 up
ip link add bond0 type bond
ip netns add h1
mkdir -p /run/openvswitch
ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server /run/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach
ovs-vsctl --no-wait init
ovs-vswitchd --pidfile --detach
ovs-vsctl add-br s1 -- add-port s1 s1-eth1
"""
#: Variables of a user's shell that must not affect a trial; others are missing.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/root",
    "OVS_RUNDIR": "/nowhere",
    "http_proxy": "http://192.0.2.1:1",
}


def set_up(home: Path) -> None:
    """Make the machine's own network, and a directory of its user with a file that hides one of Python's."""
    for line in _OWN.strip().splitlines():
        subprocess.run(shlex.split(line), check=True, stdin=subprocess.DEVNULL)
    home.mkdir(parents=True)
    (home / "logging.py").write_text("raise SystemExit('this is not the standard library')\n")


class User:
    """A user who types commands in ``home``: results go below ``place``, exit codes and output into ``answers``."""

    def __init__(self, home: Path, place: Path) -> None:
        self._home, self.place = home, place
        self.answers: dict[str, list[Any]] = {}

    def command(self, *words: str) -> list[str]:
        """``testbed WORDS``."""
        return [str(Path(sys.executable).with_name("testbed")), *words]

    def started(self, *words: str) -> subprocess.Popen[str]:
        """``testbed WORDS``, running, in a session of its own."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self._home,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self, name: str, process: subprocess.Popen[str]) -> None:
        """Wait for a command, and keep its exit code and output."""
        out, err = process.communicate()
        self.answers[name] = [process.returncode, out, err]

    def run_into(self, name: str, *words: str) -> subprocess.Popen[str]:
        """A run whose result has that name."""
        return self.started(*words, "--out", str(self.place / name))

    def measuring(self, name: str, finished: int) -> Callable[[], bool]:
        """Whether that many trials have ended and the next one is in the middle of its measurement."""

        def now() -> bool:
            lines = self.place / name / "trials.jsonl"
            phases = [path.read_text() for path in (self.place / name).glob("raw/*/phase.log")]
            started = sum("running the procedure" in text for text in phases)
            ended = sum("ending the network" in text for text in phases)
            return lines.exists() and lines.read_text().count("\n") == ended == finished < started

        return now


def main(place: Path) -> None:
    """Run all commands in turn, with a dump of the machine after each."""
    home = Path("/home/user")
    set_up(home)
    user, dumps = User(home, place), {"before": dump()}
    with socket.create_server(("", 6653)):
        user.ended("check", user.started("check", "--json"))
        wait_for(lambda: namespaces() == dumps["before"]["namespaces"], "the sandboxes that it tried have ended")
        dumps["check"] = dump()

        first = user.run_into("failover", "run", *FAILOVER, *_NATIVE)
        second = user.run_into("aggregation", "run", *AGGREGATION, *_NATIVE)
        user.ended("failover", first)
        user.ended("aggregation", second)
        dumps["two at once"] = dump()

        process = user.run_into("interrupted", *_ONE_MODE, "--repetitions", "3")
        wait_for(user.measuring("interrupted", 1), "the second trial measures")
        dumps["during"] = dump()
        os.killpg(process.pid, signal.SIGINT)
        user.ended("interrupted", process)
        dumps["interrupted"] = dump()

        process = user.run_into("killed", *_ONE_MODE, *_TEAM, "--repetitions", "1")
        wait_for(user.measuring("killed", 0), "the first trial measures")
        process.kill()
        user.ended("killed", process)
        wait_for(lambda: namespaces() == dumps["before"]["namespaces"], "the trial has ended with its run")
        dumps["killed"] = dump()
        user.ended("clean", user.started("clean"))
        dumps["clean"] = dump()

        words = user.command("shell", "single_switch", "--backend", "native")
        user.answers["shell"] = interrupted_ping(Terminal(words, home, _ENVIRONMENT))
        dumps["shell"] = dump()
    (place / "answers.json").write_text(json.dumps(user.answers))
    (place / "dumps.json").write_text(json.dumps(dumps))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
