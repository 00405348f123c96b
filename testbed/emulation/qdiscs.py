"""The queue in front of a link: a qdisc of the kernel, by rtnetlink.

pfifo     first in, first out, for all flows (tc-pfifo(8))
fq        a queue for each flow, served in turn (tc-fq(8))
fq_codel  the same by a hash, and CoDel drops from queues that stay long (tc-fq_codel(8), RFC 8290)

pyroute2 has no fq, and warns of its own names for fq_codel's options: both are named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink import nla
from pyroute2.netlink.rtnl import TC_H_ROOT
from pyroute2.netlink.rtnl.tcmsg import plugins, sched_fq_codel


class _FqOptions(nla):  # type: ignore[misc]
    """linux/pkt_sched.h, TCA_FQ_*: packets in all, and of one flow."""

    nla_map = (("TCA_FQ_UNSPEC", "none"), ("TCA_FQ_PLIMIT", "uint32"), ("TCA_FQ_FLOW_PLIMIT", "uint32"))


class _Kind:
    """A kind of qdisc as pyroute2 wants it: how its options are written, and which attributes hold its length."""

    parent = TC_H_ROOT

    def __init__(self, options: type, *lengths: str) -> None:
        self.options = options
        self._lengths = lengths

    def get_parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"attrs": [[name, given["limit"]] for name in self._lengths]}


#: No flow has less room than all together: the length of the queue is the only limit.
_KINDS = {
    "fq": _Kind(_FqOptions, "TCA_FQ_PLIMIT", "TCA_FQ_FLOW_PLIMIT"),
    "fq_codel": _Kind(sched_fq_codel.options, "TCA_FQ_CODEL_LIMIT"),
}


#: The attribute that holds the length of each.
LENGTHS = {"fq": "TCA_FQ_PLIMIT", "fq_codel": "TCA_FQ_CODEL_LIMIT"}


def add(netlink: IPRoute, kind: str, index: int, handle: int, parent: int, limit: int) -> None:
    """A queue of ``limit`` packets below ``parent``, on an interface."""
    plugins.update(_KINDS)
    netlink.tc("add", kind, index, handle, parent=parent, limit=limit)
