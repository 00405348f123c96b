"""Source addresses that are being learned: their frames wait until every switch knows the address. Pure."""

from __future__ import annotations

from testbed.controller.config import PortId

#: How many frames of one source wait; further ones are dropped.
FRAMES_KEPT = 256

#: Frames in order, each with the port that it came in by.
Frames = list[tuple[PortId, bytes]]


class Learning:
    """The waiting frames, by source address."""

    def __init__(self) -> None:
        self._frames: dict[str, Frames] = {}

    def begin(self, address: str, port: PortId, frame: bytes) -> Frames:
        """Start to learn a source at this port, with its first frame. Frames from its old port are dropped.

        Returns the value to pass to `end`.
        """
        kept = self._frames[address] = [(port, frame)]
        return kept

    def keep(self, address: str, port: PortId, frame: bytes) -> bool:
        """Keep a further frame if its source is being learned, up to `FRAMES_KEPT`. Returns whether it is."""
        kept = self._frames.get(address)
        if kept is not None and len(kept) < FRAMES_KEPT:
            kept.append((port, frame))
        return kept is not None

    def end(self, address: str, kept: Frames) -> Frames:
        """Every switch knows the source: returns the frames to forward, none if the source has moved since `begin`."""
        if self._frames.get(address) is not kept:
            return []
        del self._frames[address]
        return kept
