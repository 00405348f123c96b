"""Frames of many flows into a bond, and the member that each one left by.

An experiment of a user's own, for back_to_back in balance-xor. A packet socket on the bond, or on one of its VLAN
interfaces, sends one frame of each flow, of whatever MAC and IP addresses, ports and priority; its payload is its
number. Taps on the members show where it went. The policy is changed while the bond is up, which the driver allows.
"""

from __future__ import annotations

import json
import random
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernel_hash import POLICIES, Flow, drawn, frame
from taps import open_taps

from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

VLANS = [0, 1, 9, 42, 4094]
FLOWS = 420
_MARK = b"hash"
_PRIORITIES = {f"{priority}:{priority}" for priority in range(8)}
_ARRIVAL_S, _AT_ONCE = 0.05, 60


def flows(seed: int, policy: str, members: int) -> list[Flow]:
    """The flows of a policy, in the order of their numbers."""
    chance = random.Random(f"{seed} {policy} {members}")
    return [drawn(chance, VLANS) for _ in range(FLOWS)]


def procedure(lab: Lab) -> None:
    """Inside: send every flow by every policy."""
    node, bond = lab.network.mininet.get("h1"), lab.topology.bond("h1")
    names = {0: bond.name}
    for vlan in VLANS[1:]:
        names[vlan] = f"{bond.name}.{vlan}"
        words = ["ip", "link", "add", "link", bond.name, "name", names[vlan], "type", "vlan", "id", str(vlan)]
        for command in ([*words, "egress-qos-map", *sorted(_PRIORITIES)], ["ip", "link", "set", names[vlan], "up"]):
            assert node.popen(command).wait() == 0, command
    setting = Path(f"/proc/{lab.network.pid('h1')}/root/sys/class/net/{bond.name}/bonding/xmit_hash_policy")
    members = lab.members("h1")
    found: dict[str, list[list[str]]] = {}
    sockets: dict[int, socket.socket] = {}
    with open_taps({member: lab.network.pid("h1") for member in members}) as taps:
        for vlan, name in names.items():
            sockets[vlan] = lab.network.socket("h1", socket.AF_PACKET, socket.SOCK_RAW)
            sockets[vlan].bind((name, 0))
        for policy in POLICIES:
            setting.write_text(policy)
            left: list[list[str]] = [[] for _ in range(FLOWS)]
            for number, flow in enumerate(flows(lab.trial.seed, policy, len(members))):
                sock = sockets[(flow.tci or 0) & 0xFFF]
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, (flow.tci or 0) >> 13)
                sock.send(frame(flow, _MARK + struct.pack("!H", number)))
                if number % _AT_ONCE == 0 or number == FLOWS - 1:
                    lab.sleep_until(lab.now() + _ARRIVAL_S)
                    for seen in taps.drain():
                        place = seen.frame.find(_MARK)
                        if seen.outgoing and place > 0:
                            (which,) = struct.unpack_from("!H", seen.frame, place + len(_MARK))
                            left[which].append(seen.interface)
            found[policy] = left
    for sock in sockets.values():
        sock.close()
    lab.write("left.json", found)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: how many flows were seen."""
    found: dict[str, Any] = json.loads((raw / "left.json").read_text())
    return Measured({"seen": sum(len(ends) for left in found.values() for ends in left), "seed": trial.seed})


def hash_inputs() -> Experiment:
    """The experiment."""
    return Experiment(
        name="hash_inputs",
        title="Inputs of the transmit hash",
        question="By which member does a frame of any flow leave?",
        topology="back_to_back",
        factors=(
            Factor("mode", ("balance-xor",), "bonding mode of both hosts"),
            Factor("members", (2, 3, 5, 8), "links between them", least=2),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=(),
        repetitions=1,
    )
