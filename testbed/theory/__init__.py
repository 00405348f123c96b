"""What theory predicts, to be drawn beside what was measured. Pure; every formula names its source.

bonding.rst is the kernel's Documentation/networking/bonding.rst; "the driver" is its drivers/net/bonding.
IEEE 802.1AX is the 2014 edition. Rates are in 10^6 bit/s, times in seconds unless a name says otherwise.
"""

from __future__ import annotations

from testbed.theory.bounds import (
    AT_ONCE_MODES,
    LACP_PERIOD_S,
    LACP_TIMEOUT_S,
    LACP_TOLERANCE_S,
    LAG_MODES,
    TOLERANCE_S,
    OutageBound,
    arp_bound,
    failover_bound,
    lacp_bound,
    mii_bound,
    why_unbounded,
)
from testbed.theory.goodput import (
    ETHERNET_HEADER_BYTES,
    ETHERNET_OVERHEAD_BYTES,
    IPV4_TCP_HEADER_BYTES,
    ONE_MEMBER_MODES,
    expected_links_used,
    ideal_mbps,
    jain_index,
    queue_s,
    random_hash_expectation_mbps,
    tcp_goodput_fraction,
    udp_goodput_fraction,
    udp_payload_bytes,
)
from testbed.theory.hashing import (
    HASH_MODES,
    ByteOrder,
    Tuple5,
    member_of_flow,
    xmit_hash,
)
from testbed.theory.tcp import RTO_MIN_S, longest_stall_s, mistaken_s, next_try_s, tries_s
from testbed.theory.ticks import GUEST_HZ, monitor_period_s
from testbed.theory.timers import bonding_lacp_bound, facing_bonding_lacp_bound

__all__ = [
    "AT_ONCE_MODES",
    "ETHERNET_HEADER_BYTES",
    "ETHERNET_OVERHEAD_BYTES",
    "GUEST_HZ",
    "HASH_MODES",
    "IPV4_TCP_HEADER_BYTES",
    "LACP_PERIOD_S",
    "LACP_TIMEOUT_S",
    "LACP_TOLERANCE_S",
    "LAG_MODES",
    "ONE_MEMBER_MODES",
    "RTO_MIN_S",
    "TOLERANCE_S",
    "ByteOrder",
    "OutageBound",
    "Tuple5",
    "arp_bound",
    "bonding_lacp_bound",
    "expected_links_used",
    "facing_bonding_lacp_bound",
    "failover_bound",
    "ideal_mbps",
    "jain_index",
    "lacp_bound",
    "longest_stall_s",
    "member_of_flow",
    "mii_bound",
    "mistaken_s",
    "monitor_period_s",
    "next_try_s",
    "queue_s",
    "random_hash_expectation_mbps",
    "tcp_goodput_fraction",
    "tries_s",
    "udp_goodput_fraction",
    "udp_payload_bytes",
    "why_unbounded",
    "xmit_hash",
]
