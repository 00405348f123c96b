"""The length of the links' queues during a trial in real time (raw file queues.json).

A probe's packets alone make no queue: a backlog then shows that the machine did not send in time.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from testbed.background import in_background
from testbed.emulation.network import Network

#: How often the queues are read, in seconds.
PERIOD_S = 0.05
_TC_H_ROOT = 0xFFFF_FFFF  # linux/pkt_sched.h


@contextlib.contextmanager
def monitoring(network: Network, path: Path) -> Iterator[None]:
    """Read both queues of every link while the block runs; then write the longest backlog and the drops of each."""
    most: dict[str, dict[str, int]] = {}

    def work(ended: threading.Event) -> None:
        ends = [end for link in network.topology.links for end in (link.a_interface, link.b_interface)]
        owners = {end: network.topology.owner(end) for end in ends}
        names = {(owners[end], network.index(end)): end for end in ends}
        while not ended.wait(PERIOD_S):
            for node in dict.fromkeys(owners.values()):
                for message in network.netlink(node).get_qdiscs():
                    name = names.get((node, int(message["index"])))
                    statistics = message.get_attr("TCA_STATS2")
                    queue = statistics.get_attr("TCA_STATS_QUEUE") if statistics is not None else None
                    if name is None or queue is None or message["parent"] != _TC_H_ROOT:
                        continue
                    seen = most.setdefault(name, {"backlog_bytes": 0, "drops": 0})
                    seen["backlog_bytes"] = max(seen["backlog_bytes"], int(queue["backlog"]))
                    seen["drops"] = max(seen["drops"], int(queue["drops"]))

    try:
        with in_background("queues", work):
            yield
    finally:
        path.write_text(json.dumps({"period_s": PERIOD_S, "interfaces": most}, indent=1, sort_keys=True) + "\n")
