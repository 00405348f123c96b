"""A host's bond by the team driver: its teamd, a process of the trial's own, asked over its socket (teamd(8)).

teamd keeps its socket in /run/teamd under the name of its interface, and all hosts' bonds have the same name; each
host gets a /run of its own, in its own mount namespace.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from testbed.emulation import preloads
from testbed.emulation.bonds import Member, Shown
from testbed.emulation.daemon import Daemon
from testbed.emulation.teamd_config import config
from testbed.errors import MachineError, TrialError
from testbed.spec import Host
from testbed.spec.bond.teams import runner

_RUN = "run/teamd"
_DEADLINE_S = 30.0
_ANSWER_BYTES = 1 << 20


class Teamd:
    """The teamd of one host's bond, while the block runs: it makes the interface, and takes it away at its end.

    ``pid`` is a process in the host's namespaces, ``targets`` are what an ARP monitor asks; configuration and log are
    left in ``directory``. Errors: MachineError without teamd; TrialError with its last line if it does not come up.
    """

    def __init__(self, pid: int, host: Host, mac: str, targets: tuple[str, ...], directory: Path) -> None:
        assert host.bond is not None
        if not shutil.which("teamd"):
            raise MachineError("teamd is not installed", "Type: apt-get install libteam-utils")
        self._pid, self._bond = pid, host.bond
        settings = directory / f"teamd-{host.name}.json"
        wanted = config(host.bond, mac=mac, ip=host.ip, targets=targets, vlan=host.vlan)
        settings.write_text(json.dumps(wanted, indent=1) + "\n")
        self._daemon = Daemon(
            f"teamd of {host.bond.name}",
            ["teamd", "-U", "-f", str(settings)],
            directory / f"teamd-{host.name}.log",
            ready=self._missing,
            environment=_paused(runner(host.bond), directory),
            pid=pid,
            ready_s=_DEADLINE_S,
            end_s=_DEADLINE_S,
        )

    def __enter__(self) -> Teamd:
        here = ["mnexec", "-a", str(self._pid)]
        # The whole of /run, so that the machine's gets no directory; -n, so that mount makes none there either.
        subprocess.run([*here, "mount", "-n", "-t", "tmpfs", "tmpfs", "/run"], check=True, stdin=subprocess.DEVNULL)
        Path(f"/proc/{self._pid}/root/{_RUN}").mkdir()
        self._daemon.start()
        try:
            subprocess.run([*here, "ip", "link", "set", self._bond.name, "up"], check=True, stdin=subprocess.DEVNULL)
        except BaseException:
            self._daemon.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._daemon.stop()

    def text(self) -> str:
        """What `teamdctl BOND state dump` prints: JSON."""
        return self._ask("StateDump")

    def shown(self) -> Shown:
        """The same, read."""
        return parse(self.text())

    def set_active(self, member: str) -> None:
        """Make a member the active one (`teamdctl BOND state item set runner.active_port MEMBER`).

        Errors: TrialError with teamd's answer; only the runner activebackup has an active port.
        """
        self._ask("StateItemValueSet", "runner.active_port", member)

    def _ask(self, *words: str) -> str:
        """One request to teamd and its answer, as libteamdctl writes them: lines, of which the first is the kind."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(_DEADLINE_S)
            sock.connect(f"/proc/{self._pid}/root/{_RUN}/{self._bond.name}.sock")
            sock.sendall("".join(f"{word}\n" for word in ("REQUEST", *words)).encode())
            answer = sock.recv(_ANSWER_BYTES).rstrip(b"\0").decode()
        kind, _, rest = answer.partition("\n")
        if kind != "REPLY_SUCCESS":
            raise TrialError(f"teamd of {self._bond.name} does not do {' '.join(words)}: {' '.join(rest.split())}")
        return rest

    def _missing(self) -> str:
        try:
            self.text()
        except (OSError, TrialError) as error:
            return f"its answer: {error}"
        return ""


def _paused(runner: str, directory: Path) -> dict[str, str]:
    """What teamd needs in its environment. Errors: MachineError without a C compiler, for the runner that needs one.

    With runner loadbalance teamd 1.31 disables a port without link at every notification that the port is disabled: an
    endless loop, in which virtual time does not advance. So it pauses before each message.
    """
    return preloads.environment("pause", directory, "teamd's runner loadbalance") if runner == "loadbalance" else {}


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
