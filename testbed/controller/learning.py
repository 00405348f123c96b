"""Sources that are being learned: their frames wait here until every switch knows where they are. Pure."""

from __future__ import annotations

from testbed.controller.config import PortId

#: How many frames of a source are kept.
FRAMES_KEPT = 256

#: Frames with the ports that they came in by, in order.
Frames = list[tuple[PortId, bytes]]


class Learning:
    """The frames of each source that is being learned, by its address."""

    def __init__(self) -> None:
        self._frames: dict[str, Frames] = {}

    def begin(self, address: str, port: PortId, frame: bytes) -> Frames:
        """A source that is new at this port; what was kept of it elsewhere is dropped. Returns what ends it."""
        kept = self._frames[address] = [(port, frame)]
        return kept

    def keep(self, address: str, port: PortId, frame: bytes) -> bool:
        """Keep a further frame of a source; whether that source is being learned. Beyond `FRAMES_KEPT` it is lost."""
        kept = self._frames.get(address)
        if kept is not None and len(kept) < FRAMES_KEPT:
            kept.append((port, frame))
        return kept is not None

    def end(self, address: str, kept: Frames) -> Frames:
        """Every switch knows what `begin` began: the frames that may go on, none if the source has moved since."""
        if self._frames.get(address) is not kept:
            return []
        del self._frames[address]
        return kept
