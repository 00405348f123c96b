"""Where the clock is real: how long the links' queues were during a trial (raw file queues.json).

A probe's packets alone never queue up: a backlog then says that the machine did not get to send in time.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import IPRoute

from testbed.beside import beside
from testbed.emulation.namespace import inside
from testbed.emulation.network import Network

#: How often the queues are looked at, in seconds.
PERIOD_S = 0.05
_TC_H_ROOT = 0xFFFF_FFFF  # linux/pkt_sched.h


@contextlib.contextmanager
def sampled(network: Network, path: Path) -> Iterator[None]:
    """Look at every link's two queues while the block runs; then write the longest backlog of each, and its drops."""
    most: dict[str, dict[str, int]] = {}
    with contextlib.ExitStack() as stack:
        sockets: dict[str, IPRoute] = {}
        names: dict[tuple[str, int], str] = {}
        for link in network.topology.links:
            for node, interface in ((link.a, link.a_interface), (link.b, link.b_interface)):
                names[node, network.index(interface)] = interface
                if node not in sockets:
                    with inside(network.pid(node)):  # a socket of its own: this thread's asks nobody else's
                        sockets[node] = stack.enter_context(IPRoute())

        def look(ended: threading.Event) -> None:
            while not ended.wait(PERIOD_S):
                for node, netlink in sockets.items():
                    for message in netlink.get_qdiscs():
                        interface = names.get((node, int(message["index"])))
                        told = message.get_attr("TCA_STATS2")
                        queue = told.get_attr("TCA_STATS_QUEUE") if told is not None else None
                        if interface is None or queue is None or message["parent"] != _TC_H_ROOT:
                            continue
                        seen = most.setdefault(interface, {"backlog_bytes": 0, "drops": 0})
                        seen["backlog_bytes"] = max(seen["backlog_bytes"], int(queue["backlog"]))
                        seen["drops"] = max(seen["drops"], int(queue["drops"]))

        try:
            with beside("queues", look):
                yield
        finally:
            path.write_text(json.dumps({"period_s": PERIOD_S, "interfaces": most}, indent=1, sort_keys=True) + "\n")
