"""The connected switches: what they are told, and that they have done it. Pure, but for what a `Datapath` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testbed.controller.barriers import Confirmations
from testbed.controller.config import PortId
from testbed.controller.fabric import Fabric
from testbed.controller.flow_tables import Part
from testbed.controller.interface import Datapath, Log


class Switchboard:
    """Brings switches to what the fabric asks for: what is new follows once all have confirmed that the old is gone.

    Times are seconds on the caller's clock.
    """

    def __init__(self, fabric: Fabric, log: Log, now: float) -> None:
        self.fabric = fabric
        self.datapaths: dict[int, Datapath] = {}
        self.news = False
        """Something has changed that is worth keeping; whoever keeps it says so here."""
        self._now = now
        self._tell = log
        self._silent: set[int] = set()
        self._confirmations = Confirmations()
        self._told: dict[int, int] = {}  # the barrier behind what a switch was last told, until it has answered
        self._widening = 0

    def _log(self, source: str, event: str, **details: Any) -> None:
        self.news = True  # what is worth telling is worth keeping
        self._tell(source, event, **details)

    def _conclude(self) -> None:
        """Bring the switches to what the fabric asks for: what is new follows when what is old is gone."""
        self._program(self.fabric.conclude())

    def _program(self, unconfirmed: bool) -> None:
        for dpid, names in self.fabric.take_changes().items():
            if dpid in self.datapaths and self.datapaths[dpid].programmed:
                parts, datapath = self.fabric.parts[dpid], self.datapaths[dpid]
                before = datapath.sent.copy()
                datapath.program({each: parts.get(each, Part()) for each in names})
                if sent := datapath.sent - before:
                    self._log("controller", "program", dpid=dpid, **sent)
                    self._told[dpid] = datapath.ask_barrier()
        if unconfirmed:
            self._widening += 1
            step = self._widening
            self._confirm(lambda: self._widen(step))

    def _widen(self, step: int) -> None:
        if step == self._widening:  # else a later step waits for its own confirmation
            self._program(self.fabric.widen())

    def _confirm(self, then: Callable[[], None]) -> None:
        """Do something once all switches that answer have done what they were told."""
        waiting = {dpid: transaction for dpid, transaction in self._told.items() if dpid not in self._silent}
        self._confirmations.begin(waiting, then, self._now)

    def _hear(self, then: Callable[[], None]) -> None:
        """Do something once all switches that answer have answered, whether they were told anything or not."""
        asked = {dpid: it.ask_barrier() for dpid, it in self.datapaths.items() if dpid not in self._silent}
        self._confirmations.begin(asked, then, self._now)

    def _lose(self, dpid: int) -> None:
        """A switch does not answer: the network does without it, and nobody waits for it."""
        self.fabric.disconnect(dpid)
        self._conclude()
        self._confirmations.leave(dpid)

    def _hand_back(self, port: PortId, frame: bytes) -> None:
        if port[0] in self.datapaths and self.fabric.linked(port[0]):  # without links it has gone on already
            self.datapaths[port[0]].hand_back(port[1], frame)
