"""What a `System` asks its caller to do. The caller acts on the effects in the order in which they come.

If a call returns several kinds: events come first; then ports leave distributing before they leave collecting,
and enter collecting before they enter distributing; LACPDUs come last, so that the partner is notified of a
change after it is made.
"""

from dataclasses import dataclass

from testbed.lacp.config import PortId
from testbed.lacp.pdu import Pdu, wrap


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send this LACPDU or Marker Response PDU out of the port."""

    port: PortId
    pdu: Pdu

    @property
    def payload(self) -> bytes:
        """The 110 octets after the Ethernet type."""
        return self.pdu.encode()

    def frame(self, source: str) -> bytes:
        """The 124 octets of the Ethernet frame; `source` is the MAC address of the sending port."""
        return wrap(self.payload, source)


@dataclass(frozen=True, slots=True)
class Collect:
    """From now on frames are accepted from exactly these ports of the LAG, ordered by port number."""

    lag: str
    ports: tuple[PortId, ...]


@dataclass(frozen=True, slots=True)
class Distribute:
    """From now on frames are sent to exactly these ports of the LAG, ordered by port number."""

    lag: str
    ports: tuple[PortId, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """For the log: what changed and why. `time` is the caller's `now`; `port` is None for the LAG as a whole.

    `machine` is a machine's name ('receive', 'periodic', 'mux', 'actor_churn', 'partner_churn', 'restore', 'answer',
    'cabling'), a port's 'port_enabled' or 'selected', or a LAG's 'lag_id' or 'links'.
    """

    time: float
    lag: str
    port: PortId | None
    machine: str
    old: str
    new: str
    cause: str


Effect = Transmit | Collect | Distribute | Event
