"""The state over HTTP, for people and for Prometheus: /state in JSON, /metrics in Prometheus' text format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any

from testbed.controller.state import metrics


class Server(TCPServer):
    """A server whose port can be reused at once. Unlike HTTPServer it does not look up the machine's name."""

    allow_reuse_address = True


def server(port: int, state: Callable[[], Mapping[str, Any]]) -> Server:
    """A server on the loopback address that answers with what ``state`` returns. The caller runs it in a thread.

    Errors: OSError if the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class's name
            """Answer, or say which pages there are."""
            if self.path == "/state":
                self._answer(200, "application/json", json.dumps(state(), indent=1) + "\n")
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics(state()))
            else:
                self._answer(404, "text/plain; charset=utf-8", f"no page {self.path}; there are /state and /metrics\n")

        def _answer(self, status: int, kind: str, text: str) -> None:
            octets = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, format: str, *args: Any) -> None:
            """Do not log requests: the application's log holds events only."""

    return Server(("127.0.0.1", port), Handler)
