"""A host's bond by the team driver: its teamd, a process of the trial's own, asked over its socket (teamd(8)).

teamd keeps its socket in /run/teamd under the name of its interface, and all hosts' bonds have the same name; each
host gets a /run of its own, in its own mount namespace.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from testbed.emulation.bonds import Member, Shown
from testbed.emulation.waiting import wait_for
from testbed.errors import MachineError, TrialError
from testbed.spec import Host
from testbed.spec.bond.teams import RUNNERS, config

_RUN = "run/teamd"
_DEADLINE_S = 30.0
_ANSWER_BYTES = 1 << 20


class Teamd:
    """The teamd of one host's bond, while the block runs: it makes the interface, and takes it away at its end.

    ``pid`` is a process in the host's namespaces, ``targets`` are whom an ARP monitor asks; configuration and log are
    left in ``directory``.
    """

    def __init__(self, pid: int, host: Host, mac: str, targets: tuple[str, ...], directory: Path) -> None:
        assert host.bond is not None
        self._pid, self._bond = pid, host.bond
        self._log = directory / f"teamd-{host.name}.log"
        self._config = directory / f"teamd-{host.name}.json"
        told = config(host.bond, mac=mac, ip=host.ip, targets=targets, vlan=host.vlan)
        self._config.write_text(json.dumps(told, indent=1) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Teamd:
        """Errors: MachineError without teamd; TrialError with what teamd said if it does not come up."""
        if not shutil.which("teamd"):
            raise MachineError("teamd is not installed", "Type: apt-get install libteam-utils")
        environment = _paused(RUNNERS[self._bond.mode], self._log.parent)
        here = ["mnexec", "-a", str(self._pid)]
        # The whole of /run, so that the machine's gets no directory; -n, so that mount makes none there either.
        subprocess.run([*here, "mount", "-n", "-t", "tmpfs", "tmpfs", "/run"], check=True, stdin=subprocess.DEVNULL)
        Path(f"/proc/{self._pid}/root/{_RUN}").mkdir()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*here, "teamd", "-U", "-f", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                process_group=0,  # Ctrl-C at the prompt of a live network is not for it
            )
        try:
            wait_for(f"teamd of {self._bond.name}", self._silent, deadline_s=_DEADLINE_S)
            subprocess.run([*here, "ip", "link", "set", self._bond.name, "up"], check=True, stdin=subprocess.DEVNULL)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def state(self) -> str:
        """What `teamdctl BOND state dump` prints: JSON."""
        return self._ask("StateDump")

    def set_active(self, member: str) -> None:
        """Make a member the active one by hand (`teamdctl BOND state item set runner.active_port MEMBER`).

        Errors: TrialError with teamd's answer; only the runner activebackup has an active port.
        """
        self._ask("StateItemValueSet", "runner.active_port", member)

    def _ask(self, *words: str) -> str:
        """One request to teamd and its answer, as libteamdctl writes them: lines, the first tells what it is."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(_DEADLINE_S)
            sock.connect(f"/proc/{self._pid}/root/{_RUN}/{self._bond.name}.sock")
            sock.sendall("".join(f"{word}\n" for word in ("REQUEST", *words)).encode())
            answer = sock.recv(_ANSWER_BYTES).rstrip(b"\0").decode()
        kind, _, rest = answer.partition("\n")
        if kind != "REPLY_SUCCESS":
            raise TrialError(f"teamd of {self._bond.name} does not do {' '.join(words)}: {' '.join(rest.split())}")
        return rest

    def _silent(self) -> str:
        assert self._process is not None
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace").strip()
            raise TrialError(f"teamd of {self._bond.name} ended with code {self._process.returncode}: {said}")
        try:
            self.state()
        except (OSError, TrialError) as error:
            return f"its answer: {error}"
        return ""

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _paused(runner: str, directory: Path) -> dict[str, str]:
    """The environment of teamd. Errors: MachineError without a C compiler, for the runner that needs one.

    teamd 1.31 disables a port without link whenever it is told that the port is disabled, with runner loadbalance: it
    is busy for ever, and where time is virtual nothing else would happen any more. So it rests before each message.
    """
    if runner != "loadbalance":
        return dict(os.environ)
    if not shutil.which("gcc"):
        raise MachineError("gcc is not installed; teamd's runner loadbalance needs it", "Type: apt-get install gcc")
    library = directory / "pause.so"
    source = Path(__file__).with_name("pause.c")
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return {**os.environ, "LD_PRELOAD": str(library)}


def parse(text: str) -> Shown:
    """Read teamd's state in JSON. A port without LACP has no aggregator and no states."""
    state = json.loads(text)
    members = []
    selected = None
    for name, port in sorted(state.get("ports", {}).items()):
        lacp = port.get("runner", {})
        aggregator = lacp.get("aggregator", {})
        if aggregator.get("selected"):
            selected = aggregator["id"]
        states = (lacp.get(f"{side}_lacpdu_info", {}).get("state") for side in ("actor", "partner"))
        members.append(Member(name, bool(port["link_watches"]["up"]), aggregator.get("id"), *states))
    active = state.get("runner", {}).get("active_port") or None
    return Shown(active, selected, tuple(members))
