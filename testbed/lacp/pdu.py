"""Encode and decode LACPDUs and Marker PDUs (IEEE 802.1AX-2014 clauses 6.4.2.3 and 6.5.3.3).

A *payload* here is what follows the Ethernet type 0x8809: 110 octets that start with the Slow Protocols subtype.
A *frame* is the 14-octet Ethernet header and the payload: 124 octets, without the frame check sequence.

Decoding is as lenient as clause 6.4.12 requires of a receiver: version numbers, TLV types, reserved octets, the
terminator and anything after the 110 octets are ignored (a version 2 LACPDU has further TLVs where version 1 has the
terminator). The lengths of the fixed TLVs are checked. In a Marker PDU the TLV type is checked as well: it
distinguishes a Marker from a Marker Response. Every refusal is a `PduError`.
"""

import re
import struct
from dataclasses import dataclass, field
from enum import IntFlag

SLOW_PROTOCOLS_ADDRESS = "01:80:c2:00:00:02"
SLOW_PROTOCOLS_ETHERTYPE = 0x8809
PAYLOAD_OCTETS = 110

LACP_SUBTYPE = 1
MARKER_SUBTYPE = 2

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_PORT_INFO = "BBH6sHHHB3x"
_LACPDU = struct.Struct("!BB" + _PORT_INFO + _PORT_INFO + "BBH12x" + "BB50x")
_MARKER = struct.Struct("!BB" + "BBH6sI2x" + "BB90x")
_HEADER = struct.Struct("!6s6sH")


class PduError(ValueError):
    """The octets are neither a LACPDU nor a Marker PDU; the text names the field and the reason."""


class State(IntFlag):
    """The state octet of a port, least significant bit first (6.4.2.3 m)."""

    LACP_ACTIVITY = 0x01
    """Active LACP; clear means passive."""
    LACP_TIMEOUT = 0x02
    """Short timeout: requests a LACPDU every second; clear means long."""
    AGGREGATION = 0x04
    """The link may be aggregated; clear means individual."""
    SYNCHRONIZATION = 0x08
    """The port is attached to the right aggregator."""
    COLLECTING = 0x10
    DISTRIBUTING = 0x20
    DEFAULTED = 0x40
    """The receive machine uses configured partner values, not received ones."""
    EXPIRED = 0x80

    def has(self, bits: "State") -> bool:
        """Whether any of these bits is set. With int's `&`: the enumeration's own takes ten times as long."""
        return int.__and__(self, bits) != 0

    def names(self) -> list[str]:
        """The names of the bits that are set, least significant first."""
        return [flag.name for flag in State if flag in self and flag.name]


def _check_range(what: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{what} is {value}; it must fit in {bits} bits: 0 to {(1 << bits) - 1}")


def check_mac(what: str, mac: str) -> None:
    """Raise ValueError unless `mac` is written like 'aa:bb:cc:dd:ee:ff' in lower case."""
    if not _MAC.fullmatch(mac):
        raise ValueError(f"{what} is {mac!r}; write six octets in lower case, like '02:00:00:00:00:01'")


def _mac_octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A port as in a LACPDU: its identity and its state (6.4.2.3 g to m)."""

    system_priority: int = 0
    system: str = "00:00:00:00:00:00"
    key: int = 0
    port_priority: int = 0
    port: int = 0
    state: State = field(default=State(0))

    def __post_init__(self) -> None:
        check_mac("system", self.system)
        for what in ("system_priority", "key", "port_priority", "port"):
            _check_range(what, getattr(self, what), 16)
        _check_range("state", self.state, 8)

    @property
    def identity(self) -> tuple[int, str, int, int, int, bool]:
        """The parameters that update_Selected compares (6.4.9): all but the state, plus Aggregation."""
        aggregation = self.state.has(State.AGGREGATION)
        return (self.system_priority, self.system, self.key, self.port_priority, self.port, aggregation)

    def _fields(self, tlv_type: int) -> tuple[int | bytes, ...]:
        system = _mac_octets(self.system)
        info = (self.system_priority, system, self.key, self.port_priority, self.port, int(self.state))
        return (tlv_type, 20, *info)


@dataclass(frozen=True, slots=True)
class Lacpdu:
    """One LACPDU. `collector_max_delay` is in tens of microseconds; we send version 1."""

    actor: PortInfo
    partner: PortInfo
    collector_max_delay: int = 0
    version: int = 1

    def __post_init__(self) -> None:
        _check_range("collector_max_delay", self.collector_max_delay, 16)
        _check_range("version", self.version, 8)

    def encode(self) -> bytes:
        """The 110 octets from the subtype on, without the Ethernet type."""
        actor, partner = self.actor._fields(1), self.partner._fields(2)
        collector = (3, 16, self.collector_max_delay)
        return _LACPDU.pack(LACP_SUBTYPE, self.version, *actor, *partner, *collector, 0, 0)


@dataclass(frozen=True, slots=True)
class Marker:
    """A Marker PDU (6.5.3.3), or with `response` set the Marker Response PDU that answers it."""

    port: int
    system: str
    transaction: int
    response: bool = False

    def __post_init__(self) -> None:
        check_mac("system", self.system)
        _check_range("port", self.port, 16)
        _check_range("transaction", self.transaction, 32)

    def encode(self) -> bytes:
        """The 110 octets from the subtype on, without the Ethernet type."""
        tlv_type = 2 if self.response else 1
        requester = (self.port, _mac_octets(self.system), self.transaction)
        return _MARKER.pack(MARKER_SUBTYPE, 1, tlv_type, 16, *requester, 0, 0)


Pdu = Lacpdu | Marker


def decode(payload: bytes) -> Pdu:
    """Decode the octets that follow the Ethernet type 0x8809. Errors: `PduError`."""
    if len(payload) < PAYLOAD_OCTETS:
        raise PduError(f"{len(payload)} octets; a LACPDU or Marker PDU has {PAYLOAD_OCTETS}")
    if payload[0] == LACP_SUBTYPE:
        return _decode_lacpdu(payload)
    if payload[0] == MARKER_SUBTYPE:
        return _decode_marker(payload)
    raise PduError(f"subtype {payload[0]}; LACP is {LACP_SUBTYPE} and Marker is {MARKER_SUBTYPE}")


def _decode_lacpdu(payload: bytes) -> Lacpdu:
    fields = _LACPDU.unpack_from(payload)
    actor, partner, collector = fields[2:10], fields[10:18], fields[18:21]
    for name, length, wanted in (
        ("actor", actor[1], 20),
        ("partner", partner[1], 20),
        ("collector", collector[1], 16),
    ):
        if length != wanted:
            raise PduError(f"the {name} information has length {length}; the standard fixes {wanted}")
    return Lacpdu(_port_info(actor), _port_info(partner), collector[2], version=fields[1])


def _port_info(fields: tuple[int | bytes, ...]) -> PortInfo:
    _type, _length, system_priority, system, key, port_priority, port, state = fields
    assert isinstance(system, bytes)
    numbers = (int(system_priority), int(key), int(port_priority), int(port), int(state))
    return PortInfo(numbers[0], system.hex(":"), numbers[1], numbers[2], numbers[3], State(numbers[4]))


def _decode_marker(payload: bytes) -> Marker:
    _subtype, _version, tlv_type, length, port, system, transaction, *_terminator = _MARKER.unpack_from(payload)
    if tlv_type not in (1, 2):
        raise PduError(f"marker TLV type {tlv_type}; information is 1 and response is 2")
    if length != 16:
        raise PduError(f"the marker information has length {length}; the standard fixes 16")
    return Marker(port, system.hex(":"), transaction, response=tlv_type == 2)


def wrap(payload: bytes, source: str) -> bytes:
    """The Ethernet frame for a payload, without frame check sequence; `source` is the sending port's MAC."""
    check_mac("source", source)
    header = _HEADER.pack(_mac_octets(SLOW_PROTOCOLS_ADDRESS), _mac_octets(source), SLOW_PROTOCOLS_ETHERTYPE)
    return header + payload.ljust(PAYLOAD_OCTETS, b"\0")


def unwrap(frame: bytes) -> bytes:
    """The payload of an untagged Slow Protocols frame. Errors: `PduError` for any other frame."""
    if len(frame) < _HEADER.size:
        raise PduError(f"{len(frame)} octets; an Ethernet header alone has {_HEADER.size}")
    destination, _source, ethertype = _HEADER.unpack_from(frame)
    if destination != _mac_octets(SLOW_PROTOCOLS_ADDRESS):
        raise PduError(f"destination {destination.hex(':')}; Slow Protocols use {SLOW_PROTOCOLS_ADDRESS}")
    if ethertype != SLOW_PROTOCOLS_ETHERTYPE:
        raise PduError(f"Ethernet type {ethertype:#06x}; Slow Protocols use {SLOW_PROTOCOLS_ETHERTYPE:#06x}")
    return frame[_HEADER.size :]
