"""The southbound side: programs the connected switches and waits for their confirmation. Pure, but for `Datapath`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testbed.controller.barriers import Barriers
from testbed.controller.config import PortId
from testbed.controller.fabric import Fabric
from testbed.controller.flow_tables import Part
from testbed.controller.interface import Datapath, Log


class Southbound:
    """Programs the switches with what the fabric computes. New parts follow once all have confirmed the removals.

    Times are seconds on the caller's clock.
    """

    def __init__(self, fabric: Fabric, log: Log, now: float) -> None:
        self.fabric = fabric
        self.datapaths: dict[int, Datapath] = {}
        self.changed = False
        """The state has changed since it was last saved; the code that saves it sets this to False."""
        self._now = now
        self._write_log = log
        self._unresponsive: set[int] = set()
        self._barriers = Barriers()
        self._pending: dict[int, int] = {}  # the barrier after the last message to a switch, until it is answered
        self._step = 0

    def _log(self, source: str, event: str, **details: Any) -> None:
        self.changed = True  # what is logged is worth saving
        self._write_log(source, event, **details)

    def _conclude(self) -> None:
        """Program what follows from the changes so far."""
        self._program(self.fabric.conclude())

    def _program(self, unconfirmed: bool) -> None:
        for dpid, names in self.fabric.take_changes().items():
            if dpid in self.datapaths and self.datapaths[dpid].programmed:
                parts, datapath = self.fabric.parts[dpid], self.datapaths[dpid]
                before = datapath.sent.copy()
                datapath.program({each: parts.get(each, Part()) for each in names})
                if sent := datapath.sent - before:
                    self._log("controller", "program", dpid=dpid, **sent)
                    self._pending[dpid] = datapath.ask_barrier()
        if unconfirmed:
            self._step += 1
            step = self._step
            self._when_confirmed(lambda: self._widen(step))

    def _widen(self, step: int) -> None:
        if step == self._step:  # else a later step waits for its own confirmation
            self._program(self.fabric.widen())

    def _when_confirmed(self, then: Callable[[], None]) -> None:
        """Call ``then`` once all responsive switches have processed what was sent to them."""
        waiting = {dpid: transaction for dpid, transaction in self._pending.items() if dpid not in self._unresponsive}
        self._barriers.begin(waiting, then, self._now)

    def _when_answered(self, then: Callable[[], None]) -> None:
        """Send a barrier to all responsive switches, and call ``then`` once they have answered."""
        asked = {dpid: it.ask_barrier() for dpid, it in self.datapaths.items() if dpid not in self._unresponsive}
        self._barriers.begin(asked, then, self._now)

    def _remove(self, dpid: int) -> None:
        """A switch does not respond: compute the network without it, and stop waiting for it."""
        self.fabric.disconnect(dpid)
        self._conclude()
        self._barriers.drop(dpid)

    def _hand_back(self, port: PortId, frame: bytes) -> None:
        if port[0] in self.datapaths and self.fabric.linked(port[0]):  # without links it has forwarded the frame
            self.datapaths[port[0]].hand_back(port[1], frame)
