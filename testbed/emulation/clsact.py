"""One owner of each interface's clsact queueing discipline, for all that add filters to its hooks (tc(8)).

An interface has one clsact at most, but several users may need it at the same time: one counts packets, another drops
them. Each gets priorities of its own, and the kernel asks the filters of a hook in the order of their priorities:

    hook (egress or ingress):   1 ... 0x7fff          filters that drop: what they drop does not cross the interface
                                0x8000 ... 0xffff     filters that count: they see only what is left
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

#: linux/pkt_sched.h: TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) and TC_H_MIN_INGRESS.
EGRESS, INGRESS = 0xFFFF_FFF3, 0xFFFF_FFF2
DROPPING, COUNTING = range(1, 0x8000), range(0x8000, 0x10000)


class Clsact:
    """The clsact of every interface of one live network that has filters now. Threads may use it at the same time.

    ``netlink`` gives a pyroute2 ``IPRoute`` in the namespace of a node. Each of the ``hosts`` has a namespace of its
    own; all other nodes, the switches, share one.
    """

    def __init__(self, netlink: Callable[[str], Any], hosts: Collection[str]) -> None:
        self._netlink = netlink
        self._hosts = frozenset(hosts)
        self._lock = threading.Lock()
        #: By namespace and index of an interface: the priorities of each user that it has now.
        self._users: dict[tuple[str | None, int], list[list[int]]] = {}

    @contextlib.contextmanager
    def priorities(self, node: str, index: int, hook: int, stage: range, count: int = 1) -> Iterator[list[int]]:
        """Priorities for ``count`` filters on one hook of an interface, in ascending order, while the block runs.

        ``index`` is the interface's, in the namespace of ``node``; ``hook`` is EGRESS or INGRESS; ``stage`` is
        DROPPING or COUNTING. The block adds its filters. When it is left, they are removed, and the interface's last
        user removes its clsact.

        Errors: ValueError if the stage has too few priorities left; pyroute2's NetlinkError if the kernel refuses, as
        it does if another program has added a clsact.
        """
        interface = node if node in self._hosts else None, index
        with self._lock:
            users = self._users.setdefault(interface, [])
            taken = set(itertools.chain.from_iterable(users))
            own = list(itertools.islice((each for each in stage if each not in taken), count))
            if len(own) < count:
                raise ValueError(f"interface {index} of {node} has {len(own)} filter priorities left; wanted {count}")
            if not users:
                self._netlink(node).tc("add", "clsact", index)
            users.append(own)
        try:
            yield own
        finally:
            with self._lock:
                users.remove(own)
                if users:
                    self._remove(node, index, hook, own)
                else:
                    self._netlink(node).tc("del", "clsact", index)

    def _remove(self, node: str, index: int, hook: int, priorities: list[int]) -> None:
        netlink = self._netlink(node)
        # A block that failed has not added all of its filters.
        present = {message["info"] >> 16 for message in netlink.get_filters(index, parent=hook)}
        for priority in sorted(present.intersection(priorities)):
            # Without protocol, handle and kind, all filters of the priority are meant.
            netlink.tc("del-filter", index=index, parent=hook, info=priority << 16)
