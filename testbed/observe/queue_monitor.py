"""Where the clock is real: how long the links' queues were during a trial (raw file queues.json).

A probe's packets alone never queue up: a backlog then says that the machine did not get to send in time.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from testbed.background import in_background
from testbed.emulation.network import Network

#: How often the queues are looked at, in seconds.
PERIOD_S = 0.05
_TC_H_ROOT = 0xFFFF_FFFF  # linux/pkt_sched.h


@contextlib.contextmanager
def sampled(network: Network, path: Path) -> Iterator[None]:
    """Look at every link's two queues while the block runs; then write the longest backlog of each, and its drops."""
    most: dict[str, dict[str, int]] = {}

    def look(ended: threading.Event) -> None:
        ends = [end for link in network.topology.links for end in (link.a_interface, link.b_interface)]
        owners = {end: network.topology.owner(end) for end in ends}
        names = {(owners[end], network.index(end)): end for end in ends}
        while not ended.wait(PERIOD_S):
            for node in dict.fromkeys(owners.values()):
                for message in network.netlink(node).get_qdiscs():
                    name = names.get((node, int(message["index"])))
                    told = message.get_attr("TCA_STATS2")
                    queue = told.get_attr("TCA_STATS_QUEUE") if told is not None else None
                    if name is None or queue is None or message["parent"] != _TC_H_ROOT:
                        continue
                    seen = most.setdefault(name, {"backlog_bytes": 0, "drops": 0})
                    seen["backlog_bytes"] = max(seen["backlog_bytes"], int(queue["backlog"]))
                    seen["drops"] = max(seen["drops"], int(queue["drops"]))

    try:
        with in_background("queues", look):
            yield
    finally:
        path.write_text(json.dumps({"period_s": PERIOD_S, "interfaces": most}, indent=1, sort_keys=True) + "\n")
