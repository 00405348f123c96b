"""What a link does to packets: the delay of the first, and the spacing of the others.

A user's own experiment, given by path. Each pair of hosts of the topology ``rates`` sends one small datagram, then a
train of full frames; the kernel's receive times are the result, with what tc(8) shows of the senders' interfaces.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_PORT = 7000
TRAIN = 900
#: Octets on the wire: preamble 8, header 14, payload of IPv4 and UDP, FCS 4, gap 12 (IEEE 802.3).
PAYLOAD, FRAME = 1472, 1538


def _arrival_ns(sock: socket.socket) -> int:
    """When the kernel received the next datagram."""
    _, control, _, _ = sock.recvmsg(2048, 64)
    ((_, _, data),) = control
    seconds, nanoseconds = struct.unpack("qq", data[:16])
    return int(seconds * 10**9 + nanoseconds)


def procedure(lab: Lab) -> None:
    """Inside: one pair after the other."""
    found = []
    for host in (host.name for host in lab.topology.hosts if host.name.startswith("near")):
        other = host.replace("near", "far")
        interface = lab.topology.interfaces(host)[0]
        with lab.network.socket(host) as sender, lab.network.socket(other) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
            receiver.settimeout(20)
            receiver.bind(("", _PORT))
            target = (lab.topology.host(other).ip, _PORT)
            sent_ns = time.time_ns()
            sender.sendto(b"x", target)
            first_ns = _arrival_ns(receiver)
            for _ in range(TRAIN):
                sender.sendto(bytes(PAYLOAD), target)
            train_ns = [_arrival_ns(receiver) for _ in range(TRAIN)]
        classes, _, _ = lab.network.mininet.get(host).pexec("tc", "class", "show", "dev", interface)
        qdiscs, _, _ = lab.network.mininet.get(host).pexec("tc", "qdisc", "show", "dev", interface)
        found.append(
            {
                "host": host,
                "delay_ns": first_ns - sent_ns,
                "train_ns": [at - train_ns[0] for at in train_ns],
                "classes": classes,
                "qdiscs": qdiscs,
            }
        )
    lab.write("wire.json", found)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: how many pairs there were."""
    del trial
    return Measured({"pairs": len(json.loads((raw / "wire.json").read_text()))})


def wire() -> Experiment:
    """The experiment."""
    return Experiment(
        name="wire",
        title="What a link does",
        question="Does a link keep its rate and its delay?",
        topology="single_switch",
        factors=(Factor("train", (TRAIN,), "frames in a train"),),
        procedure=procedure,
        measure=read,
        figures=(),
        limit_s=300.0,
    )
