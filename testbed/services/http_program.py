"""The program of a web server: it answers every request with 200 and its name, over HTTP/1.1.

    python http_program.py NAME PORT READY      READY is a file that is written once it listens

A connection that asks to be upgraded to "echo" (RFC 9110, 7.8) becomes one on which every octet comes back.
One process, one thread. It imports nothing of ours, so it starts within a few hundredths of a second.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
from pathlib import Path

_END_OF_HEAD = b"\r\n\r\n"
_MOST_BYTES = 1 << 16


def upgraded(head: bytes) -> bool:
    """Whether a request asks for a connection that echoes."""
    return any(line.split() == [b"upgrade:", b"echo"] for line in head.lower().split(b"\r\n"))


def answered(head: bytes, name: str) -> tuple[bytes, bool]:
    """The answer to a request, and whether the connection stays open after it (RFC 9112, 9.3)."""
    if upgraded(head):
        text = f"HTTP/1.1 101 Switching Protocols\r\nServer: {name}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
        return text.encode(), True
    first, *rest = head.lower().split(b"\r\n")
    options = b",".join(line.partition(b":")[2] for line in rest if line.startswith(b"connection:"))
    asked = {each.strip() for each in options.split(b",")}
    stays = b"close" not in asked and (first.endswith(b"http/1.1") or b"keep-alive" in asked)
    body = f"{name}\n"
    said = "keep-alive" if stays else "close"
    text = f"HTTP/1.1 200 OK\r\nServer: {name}\r\nContent-Length: {len(body)}\r\nConnection: {said}\r\n\r\n{body}"
    return text.encode(), stays


def serve(name: str, port: int, ready: Path) -> None:
    """Answer until ended."""
    with socket.create_server(("", port), backlog=4096) as listener, selectors.DefaultSelector() as selector:
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
        heard: dict[socket.socket, bytes | None] = {}  # what has come of the next request; None: octets are echoed
        ready.write_text("")
        while True:
            for key, _ in selector.select():
                sock = key.fileobj
                if not isinstance(sock, socket.socket):
                    continue
                if sock is listener:
                    with contextlib.suppress(OSError):  # the client may have gone
                        peer, _ = listener.accept()
                        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        heard[peer] = b""
                        selector.register(peer, selectors.EVENT_READ)
                elif not _read(sock, heard, name):
                    selector.unregister(sock)
                    sock.close()
                    del heard[sock]


def _read(sock: socket.socket, heard: dict[socket.socket, bytes | None], name: str) -> bool:
    """Answer what has come; whether the connection stays open."""
    try:
        octets, before = sock.recv(_MOST_BYTES), heard[sock]
        if before is None:
            sock.sendall(octets)
            return bool(octets)
        rest = before + octets
        while _END_OF_HEAD in rest:
            head, _, rest = rest.partition(_END_OF_HEAD)
            answer, stays = answered(head, name)
            sock.sendall(answer)
            if not stays:
                return False
            if upgraded(head):
                heard[sock] = None
                sock.sendall(rest)
                return True
        heard[sock] = rest
    except OSError:
        return False
    return bool(octets) and len(rest) < _MOST_BYTES


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
