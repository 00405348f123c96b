"""How well one controller process keeps LACP's time for many switches and ports, all of them fast, in real time.

Usage: python benchmarks/lacp_scale.py [--switches 100] [--ports 1000] [--seconds 60] [--spread 10]

    this process                                                     python -m testbed.controller
    +-------------------------------------------+                    +-------------------------+
    | System (testbed.lacp), a partner for each |  OpenFlow 1.5 over |                         |
    | switch: LAGs of two ports                 |==== one TCP =======|  as a trial runs it     |
    | LACPDUs <-> packet-in, packet-out         |   connection each  |                         |
    +-------------------------------------------+                    +-------------------------+

Switches connect one after the other over --spread seconds, with carrier on all ports; with --spread 0 all at once, so
that all LACPDUs are due at the same instants. The lateness of a LACPDU is how much later it came than one period after
the one before it on its port. The partner asks for a period of 1 s, and times a port out when it has received nothing
for 3 s (IEEE 802.1AX-2014, 6.4.4), so the slack is 2 s. Exit 1 if a port expired at either end once all were in use, or
if they never were.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from testbed.controller.forwarding import ADMIT
from testbed.lacp import (
    Distribute,
    Effect,
    Event,
    LagConfig,
    PortConfig,
    State,
    System,
    Transmit,
    decode,
    unwrap,
)
from testbed.lacp.states import FAST_PERIODIC_TIME_S, SHORT_TIMEOUT_TIME_S

_MEMBERS = 2
_LIMIT_S = 60.0
_SLACK_S = SHORT_TIMEOUT_TIME_S - FAST_PERIODIC_TIME_S
_CARRYING = State.SYNCHRONIZATION | State.COLLECTING | State.DISTRIBUTING

# OpenFlow Switch Specification 1.5.1: 7.1 (header), 7.3.1 (features), 7.3.5.2 (ports), 7.3.6, 7.4.1 (frames).
_VERSION = 6
_HEADER = struct.Struct("!BBHI")
_HELLO, _ECHO_REQUEST, _ECHO_REPLY, _FEATURES_REQUEST, _FEATURES_REPLY = 0, 2, 3, 5, 6
_PACKET_IN, _PACKET_OUT, _MULTIPART_REQUEST, _MULTIPART_REPLY = 10, 13, 18, 19
_BARRIER_REQUEST, _BARRIER_REPLY = 20, 21
_PORT_DESC = 13
_FEATURES = struct.Struct("!QIBB2xII")
_PORT = struct.Struct("!IH2x6s2x16sII")
_IN = struct.Struct("!IHBBQ")
_IN_PORT_MATCH = struct.Struct("!HHIIxxxx")
_OXM_IN_PORT = 0x80000004
_NO_BUFFER = 0xFFFF_FFFF


def message(kind: int, xid: int, body: bytes = b"") -> bytes:
    """An OpenFlow message."""
    return _HEADER.pack(_VERSION, kind, _HEADER.size + len(body), xid) + body


def messages(buffer: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Remove the complete messages from a buffer: the type, the transaction id and the body of each."""
    while len(buffer) >= _HEADER.size:
        _, kind, length, xid = _HEADER.unpack_from(buffer)
        if len(buffer) < length:
            return
        body = bytes(buffer[_HEADER.size : length])
        del buffer[:length]
        yield kind, xid, body


def features(dpid: int) -> bytes:
    """The body of a features reply."""
    return _FEATURES.pack(dpid, 0, 254, 0, 0, 0)


def port_descriptions(macs: dict[int, str]) -> bytes:
    """The body of a multipart reply with all ports, by number and hardware address; all have carrier."""
    described = (
        _PORT.pack(number, _PORT.size, bytes.fromhex(mac.replace(":", "")), f"eth{number}".encode(), 0, 0)
        for number, mac in macs.items()
    )
    return struct.pack("!HH4x", _PORT_DESC, 0) + b"".join(described)


def packet_in(port: int, frame: bytes) -> bytes:
    """The body of a packet-in from the table that takes Slow Protocols frames to the controller."""
    match = _IN_PORT_MATCH.pack(1, 12, _OXM_IN_PORT, port)
    return _IN.pack(_NO_BUFFER, len(frame), 0, ADMIT, 0) + match + b"\0\0" + frame


def packet_out(body: bytes) -> tuple[int, bytes]:
    """The port and the frame of a packet-out whose only action is an output."""
    (actions_octets,) = struct.unpack_from("!H", body, 4)
    (match_octets,) = struct.unpack_from("!H", body, 10)
    actions = 8 + (match_octets + 7) // 8 * 8
    (port,) = struct.unpack_from("!I", body, actions + 4)
    return port, body[actions + actions_octets :]


def lateness_s(arrivals: list[float], begin: float) -> list[float]:
    """How much later than a period after the one before it each arrival since ``begin`` came; 0 if earlier."""
    pairs = itertools.pairwise(arrivals)
    return [max(0.0, after - before - FAST_PERIODIC_TIME_S) for before, after in pairs if after >= begin]


def quantile(values: list[float], part: float) -> float:
    """The smallest of the values that at least this part of them does not exceed."""
    return sorted(values)[max(0, -(-len(values) * int(part * 1000) // 1000) - 1)]


class Switch(asyncio.Protocol):
    """An OpenFlow switch, and the LACP system that is on all of its ports."""

    def __init__(self, dpid: int, ports: int) -> None:
        self.dpid = dpid
        self.macs = {
            number: f"02:00:00:{dpid >> 8:02x}:{dpid & 255:02x}:{number:02x}" for number in range(1, ports + 1)
        }
        self.arrivals: dict[int, list[float]] = {number: [] for number in self.macs}
        self.received_states = dict.fromkeys(self.macs, State(0))
        self.distributing: dict[str, int] = {}
        self.expired: list[float] = []
        self._partner = System(f"02:00:01:{dpid >> 8:02x}:{dpid & 255:02x}:00")
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        for lag, members in lags(ports).items():
            self._partner.add_lag(LagConfig(lag, key=members[0]))
            for number in members:
                self._partner.add_port(PortConfig(number, lag=lag, number=number), time.monotonic())

    @property
    def carrying(self) -> int:
        """How many ports are in use, at both ends."""
        ours = sum(self.distributing.values())
        return min(ours, sum(int(state) & _CARRYING == _CARRYING for state in self.received_states.values()))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the hello with which a switch begins."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send(_HELLO, 0)

    def data_received(self, data: bytes) -> None:
        """Answer the controller's messages; those that a switch would only carry out are ignored."""
        now = time.monotonic()
        self._buffer += data
        for kind, xid, body in messages(self._buffer):
            if kind == _PACKET_OUT:
                self._receive_frame(*packet_out(body), now)
            elif kind == _FEATURES_REQUEST:
                self._send(_FEATURES_REPLY, xid, features(self.dpid))
            elif kind == _MULTIPART_REQUEST:
                self._send(_MULTIPART_REPLY, xid, port_descriptions(self.macs))
                self._have_carrier(now)
            elif kind == _BARRIER_REQUEST:
                self._send(_BARRIER_REPLY, xid)
            elif kind == _ECHO_REQUEST:
                self._send(_ECHO_REPLY, xid, body)

    def _have_carrier(self, now: float) -> None:
        for number in self.macs:
            self._act(self._partner.set_carrier(number, True, now))

    def _receive_frame(self, port: int, frame: bytes, now: float) -> None:
        self.arrivals[port].append(now)
        pdu = decode(unwrap(frame))
        self.received_states[port] = getattr(pdu, "actor").state  # noqa: B009
        self._act(self._partner.receive(port, pdu, now))

    def _act(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Transmit):
                number = int(str(effect.port))
                self._send(_PACKET_IN, 0, packet_in(number, effect.frame(self.macs[number])))
            elif isinstance(effect, Distribute):
                self.distributing[effect.lag] = len(effect.ports)
            elif isinstance(effect, Event) and (effect.machine, effect.old) == ("receive", "CURRENT"):
                self.expired += [time.time()] if effect.new == "EXPIRED" else []
        if self._timer is not None:
            self._timer.cancel()
        if (due := self._partner.next_timer()) is not None:
            self._timer = self._loop.call_at(self._loop.time() + due - time.monotonic(), self._run_timers)

    def _run_timers(self) -> None:
        self._act(self._partner.handle_timer(time.monotonic()))

    def _send(self, kind: int, xid: int, body: bytes = b"") -> None:
        self._transport.write(message(kind, xid, body))


def lags(ports: int) -> dict[str, list[int]]:
    """The LAGs of a switch: their names, and the numbers of their ports."""
    numbers = range(1, ports + 1)
    return {f"lag{first}": [*numbers[first - 1 : first - 1 + _MEMBERS]] for first in numbers[::_MEMBERS]}


def configuration(switches: int, ports: int) -> str:
    """The controller's configuration for that many switches with that many ports each."""
    found: dict[str, dict[str, object]] = {"systems": {}, "switches": {}, "lags": {}}
    found["systems"]["core"] = {"system": "02:00:00:00:ff:01"}
    key = 0
    for dpid in range(1, switches + 1):
        found["switches"][f"s{dpid}"] = {"dpid": dpid}
        for lag, numbers in lags(ports).items():
            key += 1
            members = [f"s{dpid}:{number}" for number in numbers]
            found["lags"][f"s{dpid}-{lag}"] = {"ports": members, "rate": "fast", "key": key, "system": "core"}
    return str(yaml.safe_dump(found))


def cpu_s(pid: int) -> float:
    """Processor time that a process has used (proc(5), /proc/PID/stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def expired(log: str) -> list[float]:
    """The times of day at which the controller timed a port out, from its log."""
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    mine = (event for event in events if event.get("machine") == "receive" and event["old"] == "CURRENT")
    return [event["time"] for event in mine if event["new"] == "EXPIRED"]


async def _connected(port: int, controller: subprocess.Popen[bytes], switches: list[Switch], gap_s: float) -> None:
    until = time.monotonic() + _LIMIT_S
    for switch in switches:
        while True:
            try:
                await asyncio.get_running_loop().create_connection(lambda it=switch: it, "127.0.0.1", port)  # type: ignore[misc]
                await asyncio.sleep(gap_s)
                break
            except OSError as error:
                if controller.poll() is not None or time.monotonic() > until:
                    sys.exit(f"the controller does not listen: {error}; it ended with {controller.poll()}")
                await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Found:
    """The switches after a measurement; how long they took to be in use; when that was, by both clocks."""

    switches: list[Switch]
    took_s: float
    monotonic: float
    time_of_day: float
    cpu_share: float

    def print(self, log: str) -> bool:
        """Print the table. Returns whether no port expired."""
        arrivals = [times for switch in self.switches for times in switch.arrivals.values()]
        late = [s for times in arrivals for s in lateness_s(times, self.monotonic)]
        print(f"{len(self.switches)} switches, {len(arrivals)} LAG ports, {len(late)} LACPDUs")
        print(f"  all ports in use after        {self.took_s:8.2f} s")
        for name, part in (("median", 0.5), ("99 %", 0.99), ("worst", 1.0)):
            print(f"  lateness, {name:<19} {quantile(late, part) * 1e3:8.1f} ms")
        print(f"  controller, of one processor  {self.cpu_share * 100:8.1f} %")
        print("  ports expired                   before    after all were in use")
        ends = {
            "the partners": [at for switch in self.switches for at in switch.expired],
            "the controller": expired(log),
        }
        after = {end: sum(at > self.time_of_day for at in times) for end, times in ends.items()}
        for end, times in ends.items():
            print(f"    at {end:<24} {len(times) - after[end]:8d} {after[end]:8d}")
        print(f"worst lateness / slack of {_SLACK_S:g} s: {max(late) / _SLACK_S:.3f}")
        return not any(after.values())


async def _measure(port: int, controller: subprocess.Popen[bytes], asked: argparse.Namespace) -> Found:
    each = asked.ports // asked.switches
    switches = [Switch(dpid, each) for dpid in range(1, asked.switches + 1)]
    await _connected(port, controller, switches[:1], 0.0)
    began = time.monotonic()
    await _connected(port, controller, switches[1:], asked.spread / asked.switches)
    while (carrying := sum(switch.carrying for switch in switches)) < asked.switches * each:
        if time.monotonic() > began + asked.spread + _LIMIT_S:
            sys.exit(f"after {_LIMIT_S:.0f} s {carrying} of {asked.switches * each} ports carry traffic")
        await asyncio.sleep(0.02)
    converged, at = time.monotonic(), time.time()
    used_s = cpu_s(controller.pid)
    await asyncio.sleep(asked.seconds)
    share = (cpu_s(controller.pid) - used_s) / (time.monotonic() - converged)
    return Found(switches, converged - began, converged, at, share)


def main() -> int:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description="How well one controller process keeps LACP's time.")
    parser.add_argument("--switches", type=int, default=100)
    parser.add_argument("--ports", type=int, default=1000, help="of all switches together")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure, once all are in use")
    parser.add_argument("--spread", type=float, default=10.0, help="seconds in which the switches connect")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="testbed-benchmark-") as place:
        config, log = Path(place, "controller.yaml"), Path(place, "controller.log")
        config.write_text(configuration(asked.switches, asked.ports // asked.switches))
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        environment = {**os.environ, "TESTBED_CONTROLLER_STATE": str(Path(place, "controller.state"))}
        command = [sys.executable, "-m", "testbed.controller", str(config), str(port)]
        with log.open("wb") as out:
            controller = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
        try:
            found = asyncio.run(_measure(port, controller, asked))
        finally:
            controller.terminate()
            controller.wait()
        return 0 if found.print(log.read_text()) else 1


if __name__ == "__main__":
    sys.exit(main())
