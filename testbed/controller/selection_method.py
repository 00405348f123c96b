"""How a select group picks a bucket: Open vSwitch's group property "selection method" with a list of header fields.

Without it Open vSwitch uses a hash of its own choice. With the method ``hash`` it hashes the listed fields for each
bucket, and takes the live bucket with the highest score: when a member fails, only the flows on that member move
(ovs-ofctl(8), "selection_method"; Open vSwitch's "NTR" extension of OpenFlow 1.5 group properties).
"""

from __future__ import annotations

import struct

_EXPERIMENTER = 0x0000154D  # Netronome, which defined the extension
_SELECTION_METHOD = 1
#: OpenFlow's OXM field numbers and lengths in octets (OpenFlow Switch Specification 1.5.1, table 13).
_FIELDS = (
    (3, 6),  # eth_dst
    (4, 6),  # eth_src
    (11, 4),  # ipv4_src
    (12, 4),  # ipv4_dst
    (13, 2),  # tcp_src
    (14, 2),  # tcp_dst
    (15, 2),  # udp_src
    (16, 2),  # udp_dst
    (26, 16),  # ipv6_src
    (27, 16),  # ipv6_dst
)
_OPENFLOW_BASIC = 0x8000


def experimenter_data() -> tuple[int, int, list[int]]:
    """Experimenter id, its type, and the property's data as 32-bit words: hash all bits of addresses and ports."""
    fields = b"".join(
        struct.pack("!HBB", _OPENFLOW_BASIC, number << 1, length) + b"\xff" * length for number, length in _FIELDS
    )
    data = struct.pack("!I16sQ", 0, b"hash", 0) + fields
    return _EXPERIMENTER, _SELECTION_METHOD, [word for (word,) in struct.iter_unpack("!I", data)]
