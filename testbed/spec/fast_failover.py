"""OpenFlow fast-failover groups and what watches their ports, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.errors import SpecError
from testbed.spec import validation

#: bfd.DetectMult (RFC 5880, 4.1: eight bits, not 0).
BFD_MULT = (1, 255)
#: A minute: longer than any session is asked to wait.
MOST_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class FastFailover:
    """How switches watch the links between them: by carrier, and by BFD (RFC 5880) unless ``bfd_ms`` is 0.

    ``bfd_ms`` is the interval that each end wants to send and to receive at, ``bfd_mult`` after how many of them
    without a packet the link counts as down.
    """

    bfd_ms: int = 100
    bfd_mult: int = 3

    def __post_init__(self) -> None:
        validation.at_least("bfd_ms", self.bfd_ms, 0)
        validation.at_most("bfd_ms", self.bfd_ms, MOST_MS)
        validation.at_least("bfd_mult", self.bfd_mult, BFD_MULT[0])
        validation.at_most("bfd_mult", self.bfd_mult, BFD_MULT[1])
        if not self.bfd_ms and self.bfd_mult != FastFailover.bfd_mult:
            raise SpecError(f"bfd_mult={self.bfd_mult}: with bfd_ms=0 there is no BFD", "Leave bfd_mult out.")
