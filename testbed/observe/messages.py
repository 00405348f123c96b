"""Numbered messages over TCP or MPTCP: what an application feels of a failure that its transport hides from it.

    one sender process, all connections          one receiver process, all connections
    a message each interval, whether or not ---> the instant at which the application has the whole message
    the connection takes it at once

A message is sent when the application has it: while the connection takes nothing it waits, and its time goes on. So a
stall shows as a gap between arrivals, and as the delay of all messages that waited. messages.csv has the columns of a
probe.csv; a message that never arrived, because its connection broke, has no receive time.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.emulation.clocks import Clocks
from testbed.emulation.netlink import diag_socket
from testbed.emulation.waiting import wait_for
from testbed.errors import TrialError
from testbed.observe import child
from testbed.observe.probe import write_rows

if TYPE_CHECKING:
    from testbed.emulation.network import Network

#: Octets of a message: flow number, sequence number, padding.
MESSAGE = struct.Struct("!IQ52x")
#: Where the receivers listen, one port for each connection.
PORTS = range(8000, 9000)
#: linux/in.h; Python has a name for it from 3.10 on only where its C library has.
_IPPROTO_MPTCP = 262
_TAIL_S = 0.5
#: What asks a server to echo, and how long it may take to answer.
_ECHO = "Connection: Upgrade\r\nUpgrade: echo"
_ANSWERED_S = 10.0
#: How long the subflows of a connection may take; an announcement that is lost is repeated after a second or less.
_JOINED_S = 10.0
_ESTABLISHED = 1 << 1  # include/net/tcp_states.h


@dataclass(frozen=True)
class Connection:
    """An open connection: messages go from ``sender`` to ``receiver``, which are in two hosts; or in one, by way of a
    server that sends them back."""

    name: str
    sender: socket.socket
    receiver: socket.socket


@contextlib.contextmanager
def connections(
    network: Network, pairs: Sequence[tuple[str, str]], *, ports: Sequence[int] = PORTS
) -> Iterator[list[Connection]]:
    """A connection from each pair's first host to its second, without Nagle's algorithm; each to a port of its own.

    It is of MPTCP where the bond of the host that sends is of mode mptcp, and then has a subflow by each way. Errors:
    TrialError if some are not made.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for number, (source, target) in enumerate(pairs):
            bond = network.topology.host(source).bond
            protocol = _IPPROTO_MPTCP if bond is not None and bond.mode == "mptcp" else 0
            listener = stack.enter_context(network.socket(target, None, socket.SOCK_STREAM, protocol))
            listener.bind(("", ports[number]))
            listener.listen()
            sender = stack.enter_context(network.socket(source, None, socket.SOCK_STREAM, protocol))
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sender.connect((network.topology.host(target).ip, ports[number]))
            receiver = stack.enter_context(listener.accept()[0])
            again = list(pairs[:number]).count((source, target))
            found.append(Connection(f"{source}>{target}" + (f"#{again + 1}" if again else ""), sender, receiver))
            if protocol and bond is not None:
                _wait_joined(network, target, ports[number], len(bond.members))
        yield found


@contextlib.contextmanager
def sessions(network: Network, client: str, service: tuple[str, int], count: int) -> Iterator[list[Connection]]:
    """Connections from a host to a web service, an address and a port, on which every message comes back.

    The server of each is asked to echo (testbed.services.http_program). Errors: TrialError if one does not.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(count):
            sock = stack.enter_context(network.socket(client, socket.AF_INET, socket.SOCK_STREAM))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_ANSWERED_S)
            try:
                sock.connect(service)
                sock.sendall(f"GET / HTTP/1.1\r\nHost: {service[0]}\r\n{_ECHO}\r\n\r\n".encode())
                head = b""
                while not head.endswith(b"\r\n\r\n"):  # nothing comes after it before we send
                    if not (octets := sock.recv(1 << 16)):
                        break
                    head += octets
            except OSError as error:
                raise TrialError(f"session {number + 1} of {client} with {service[0]} is not made: {error}") from error
            if b" 101 " not in head.partition(b"\r\n")[0]:
                said = head.partition(b"\r\n")[0].decode(errors="replace")
                raise TrialError(f"session {number + 1} of {client} with {service[0]} is not made: {said or 'closed'}")
            receiver = stack.enter_context(sock.dup())
            found.append(Connection(f"{client}>{service[0]}#{number + 1}", sock, receiver))
        yield found


def _wait_joined(network: Network, host: str, port: int, ways: int) -> None:
    """Wait until a connection to this port of the host has a subflow by each way: then it has so many sockets there."""
    with diag_socket(network.pid(host)) as kernel:

        def missing() -> str:
            sockets = kernel.get_sock_stats(family=socket.AF_INET, states=_ESTABLISHED)
            joined = sum(each["idiag_sport"] == port for each in sockets)
            return "" if joined == ways else f"{joined} of {ways} at port {port} of {host}"

        wait_for("the subflows of Multipath TCP", missing, deadline_s=_JOINED_S)


@contextlib.contextmanager
def talking(opened: Sequence[Connection], interval_s: float, path: Path, *, clocks: Clocks) -> Iterator[None]:
    """Send a message on every connection each interval while the block runs; then write ``path``, as CSV.

    The first ones are due at an instant drawn over the interval. A file of the same name with the ending .json says
    when each was due, and which connections broke, with the error.
    """
    sent, arrivals, broken = (path.with_name(name) for name in (".made", ".arrived", ".broken"))
    receiver = child.fork(lambda: _receive(opened, arrivals))
    begin_s = clocks.start("messages", interval_s)
    sender = child.fork(lambda: _send(opened, interval_s, sent, broken, clocks, begin_s))
    try:
        clocks.wait_until(begin_s)
        yield
    finally:
        child.end(sender)
        time.sleep(_TAIL_S)
        child.end(receiver)
        about = {"interval_s": interval_s, "due_s": round(begin_s, 9), "broken": json.loads(broken.read_text())}
        path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
        write_rows([each.name for each in opened], sent, arrivals, path, clocks.origin_s)
        broken.unlink()


def _send(
    opened: Sequence[Connection], interval_s: float, path: Path, errors: Path, clocks: Clocks, begin_s: float
) -> None:
    """Make messages on an absolute schedule until terminated, and hand them over as the connections take them."""
    made: list[float] = []
    waiting = [bytearray() for _ in opened]
    broken: dict[str, str] = {}
    ended = child.asked_to_end()
    for each in opened:
        each.sender.setblocking(False)
    child.no_timer_slack()
    clocks.wait_until(begin_s)
    begin = clocks.origin_s + begin_s
    while not ended() or not made:
        due = begin + len(made) * interval_s
        if due > (now := time.time()):
            time.sleep(due - now)
        made.append(time.time())
        for number, (each, queue) in enumerate(zip(opened, waiting, strict=True)):
            if each.name in broken:
                continue
            queue += MESSAGE.pack(number, len(made) - 1)
            try:
                while queue:
                    del queue[: each.sender.send(queue)]
            except BlockingIOError:
                pass  # it takes no more now
            except OSError as error:
                broken[each.name] = f"{error.strerror} at message {len(made) - 1}"
    path.write_text("".join(f"{at:.9f}\n" for at in made))
    errors.write_text(json.dumps(broken))


def _receive(opened: Sequence[Connection], path: Path) -> None:
    """Note when each message is whole, until terminated; then read what is still queued, and write all."""
    arrived: list[tuple[int, int, float]] = []
    rest = {each.receiver.fileno(): b"" for each in opened}
    told, teller = socket.socketpair()  # a signal wakes the selector by what it writes here
    teller.setblocking(False)
    with told, teller, selectors.DefaultSelector() as selector:

        def take(sock: socket.socket) -> bool:
            """Read once; whether there may be more."""
            try:
                octets = sock.recv(1 << 16)
            except BlockingIOError:
                return False
            except OSError:
                octets = b""
            at = time.time()
            if not octets:
                selector.unregister(sock)
                return False
            data = rest[sock.fileno()] + octets
            whole = len(data) // MESSAGE.size * MESSAGE.size
            rest[sock.fileno()] = data[whole:]
            arrived.extend((*found, at) for found in MESSAGE.iter_unpack(data[:whole]))
            return True

        for each in opened:
            each.receiver.setblocking(False)
            selector.register(each.receiver, selectors.EVENT_READ)
        selector.register(told, selectors.EVENT_READ)
        signal.set_wakeup_fd(teller.fileno())
        signal.signal(signal.SIGTERM, lambda *_: None)
        ended = False
        while not ended:
            for key, _ in selector.select():
                if key.fileobj is told:
                    ended = True
                elif isinstance(key.fileobj, socket.socket):
                    take(key.fileobj)
        for each in opened:
            while each.receiver in selector.get_map() and take(each.receiver):
                pass
        signal.set_wakeup_fd(-1)
    path.write_text("".join(f"{flow} {sequence} {at:.9f}\n" for flow, sequence, at in arrived))
