"""Our controller's LAGs against another implementation of LACP, in every setup of the topology ``partners``.

A user's own experiment, given by path. The ports lose their carrier; the far ends are set up as the pairs say, as Linux
bonds or as bonds of Open vSwitch; the carrier returns; and then each end's own tool shows the state that it is in.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partners import PAIRS
from taps import Seen, open_taps

from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.emulation.waiting import wait_for
from testbed.errors import TrialError
from testbed.experiment.experiment import Experiment
from testbed.spec import Lag

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: State bits by their names in Open vSwitch (ovs-appctl lacp/show), least significant first
#: (IEEE 802.1AX-2014, 6.4.2.3).
_WORDS = (
    "activity",
    "timeout",
    "aggregation",
    "synchronized",
    "collecting",
    "distributing",
    "defaulted",
    "expired",
)
_CARRYING = 0x38
#: Ethernet type and subtype of a LACPDU (IEEE 802.3 annex 57A).
_LACPDU = bytes.fromhex("880901")
#: Longer than a slow partner may take; and how long LACPDUs are counted: churn is detected within 60 s (6.4.4).
_SETTLE_S, _COUNT_S = 100.0, 66.0


def octets(kind: str, text: str) -> dict[str, tuple[int, int]]:
    """The state octets of actor and partner, of each member that a tool shows."""
    if kind == "linux":
        parts = re.split(r"^Slave Interface: ", text, flags=re.MULTILINE)[1:]
        found = {part.split(maxsplit=1)[0]: re.findall(r"port state: (\d+)", part) for part in parts}
        return {name: (int(states[0]), int(states[1])) for name, states in found.items() if len(states) == 2}
    parts = re.split(r"^member: ", text, flags=re.MULTILINE)[1:]
    return {part.split(":")[0]: (_octet("actor", part), _octet("partner", part)) for part in parts}


def _carries(state: int) -> bool:
    return state & _CARRYING == _CARRYING


def _octet(end: str, text: str) -> int:
    match = re.search(rf"^ *{end} state:(.*)$", text, re.MULTILINE)
    return sum(1 << _WORDS.index(word) for word in match[1].split()) if match else 0


class FarEnds:
    """The bonds at the far ends: set up, and read."""

    def __init__(self, lab: Lab, kind: str) -> None:
        self._lab = lab
        self.kind = kind

    def set_up(self) -> None:
        """Set the far ends up as the pairs say; the ports have no carrier meanwhile."""
        words: list[str] = []
        for number, (_, theirs) in enumerate(PAIRS):
            if self.kind == "linux":
                activity = "on" if theirs.activity == "active" else "off"
                self._ip(number, "set", "bond0", "down")
                self._ip(number, "set", "bond0", "type", "bond", "lacp_active", activity, "lacp_rate", theirs.rate)
                self._ip(number, "set", "bond0", "up")
            else:
                bridge, members = f"far{number}", self._lab.members(f"p{number}")
                for member in members:
                    self._ip(number, "set", member, "nomaster")
                    self._ip(number, "set", member, "netns", str(os.getpid()))
                    subprocess.run(["ip", "link", "set", member, "up"], check=True)
                words += ["--", "add-br", bridge, "--", "add-bond", bridge, f"bond{number}", *members]
                words += [
                    "bond_mode=balance-tcp",
                    f"lacp={theirs.activity}",
                    f"other_config:lacp-time={theirs.rate}",
                ]
        if words:
            self._lab.network.ovs.vsctl(*words[1:])

    def shown(self, number: int) -> str:
        """What the tool of a far end shows."""
        if self.kind == "linux":
            return self._lab.network.read(f"p{number}", "bonding/bond0")
        return self._lab.network.ovs.appctl("lacp/show", f"bond{number}")

    def interfaces(self) -> dict[str, int]:
        """The members' interfaces, each with a process in its network namespace."""
        hosts = [f"p{number}" for number in range(len(PAIRS))]
        where = {host: self._lab.network.pid(host) if self.kind == "linux" else os.getpid() for host in hosts}
        return {member: where[host] for host in hosts for member in self._lab.members(host)}

    def waiting(self, number: int) -> str:
        """What a pair still lacks, by the far end's tool; empty once both ends collect and distribute."""
        states = octets(self.kind, self.shown(number))
        lacking = [name for name, pair in states.items() if not all(map(_carries, pair))]
        return f"pair {number}: {', '.join(lacking) or 'its members'}" if lacking or not states else ""

    def _ip(self, number: int, verb: str, *words: str) -> str:
        host = self._lab.network.mininet.get(f"p{number}")
        out, err, code = host.pexec("ip", "link", verb, *words)
        if code:
            raise TrialError(f"ip link {verb} {' '.join(words)}: {err.strip()}")
        return str(out)


def procedure(lab: Lab) -> None:
    """Inside: take the carrier away, set the far ends up, give it back; then read the state of both ends, and when."""
    far = FarEnds(lab, str(lab.case["partner"]))
    for lag in lab.topology.lags:
        for port in lag.ports:
            lab.network.set_link(port, up=False)
    far.set_up()
    numbers = range(len(PAIRS))
    wait_for(
        "the pairs detected the loss of carrier",
        lambda: ", ".join(str(n) for n in numbers if not far.waiting(n)),
        deadline_s=_SETTLE_S,
    )
    with open_taps(far.interfaces()) as taps:
        carrier_s = []
        for lag in lab.topology.lags:
            for port in lag.ports:
                lab.network.set_link(port, up=True)
            carrier_s.append(lab.now())
        wait_for(
            "the pairs settled",
            lambda: "; ".join(filter(None, map(far.waiting, numbers))),
            deadline_s=_SETTLE_S,
            step_s=0.1,
        )
        settled_s = lab.now()
        lab.sleep_until(settled_s + _COUNT_S)
        lacpdus = [_row(lab, seen) for seen in taps.drain() if seen.frame[12:15] == _LACPDU]
    lab.write("lacpdus.json", lacpdus)
    shown = [far.shown(number) for number in numbers]
    lab.write("pairs.json", {"carrier_s": carrier_s, "settled_s": settled_s, "shown": shown})


def _row(lab: Lab, seen: Seen) -> dict[str, Any]:
    """A LACPDU at a far end: when it went which way, and the state octets in it (6.4.2.3)."""
    actor, partner = seen.frame[32], seen.frame[52]
    at_s = round(seen.at_s - lab.origin_s, 6)
    return {
        "t_s": at_s,
        "member": seen.interface,
        "theirs": seen.outgoing,
        "actor": actor,
        "partner": partner,
    }


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: how long it took, from carrier, until all members of each pair were in use at both ends.

    The far end reports it in a LACPDU; our controller by the event that it sends on all ports.
    """
    pairs = json.loads((raw / "pairs.json").read_text())
    lacpdus = json.loads((raw / "lacpdus.json").read_text())
    events = [json.loads(line) for line in (raw / "timeline.jsonl").read_text().splitlines()]
    took_s = []
    for number, (carrier_s, lag) in enumerate(zip(pairs["carrier_s"], trial.topology.lags, strict=True)):
        used_s = {row["member"]: row["t_s"] for row in reversed(lacpdus) if row["theirs"] and _carries(row["actor"])}
        both = [used_s[f"p{number}-eth{i}"] for i in range(len(lag.ports))]
        both += [e["t_s"] for e in events if _whole(e, lag) and e["t_s"] > carrier_s][:1]
        took_s.append(round(max(both) - carrier_s, 6))
    return Measured({"took_s": took_s})


def _whole(event: Mapping[str, Any], lag: Lag) -> bool:
    """Whether our controller reports that it now sends on all ports of the LAG."""
    return (event["event"], event.get("lag")) == ("distribute", lag.name) and len(event["ports"]) == len(lag.ports)


def pairing() -> Experiment:
    """The experiment."""
    return Experiment(
        name="pairing",
        title="LACP pairings",
        question="Do both ends collect and distribute, whichever is active and whatever rate each asks for?",
        topology="single_switch",
        factors=(Factor("partner", ("linux",), "what the far ends are", known=("linux", "ovs")),),
        procedure=procedure,
        measure=read,
        figures=(),
        limit_s=300.0,
    )
