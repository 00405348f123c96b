"""What theory predicts, to be drawn beside what was measured. Pure; every formula names its source.

bonding.rst is the kernel's Documentation/networking/bonding.rst; "the driver" is its drivers/net/bonding.
IEEE 802.1AX is the 2014 edition. Rates are in 10^6 bit/s, times in seconds unless a name says otherwise.
"""

from __future__ import annotations

from testbed.theory.bounds import AT_ONCE_MODES, LAG_MODES, UNMONITORED, failover_bound, why_unbounded
from testbed.theory.capacity import pair_mbps
from testbed.theory.displacement import (
    Displacement,
    displacement,
    host_rule,
    maglev_displacement,
    resilient_entries,
)
from testbed.theory.goodput import (
    ETHERNET_HEADER_BYTES,
    ETHERNET_OVERHEAD_BYTES,
    ONE_MEMBER_MODES,
    expected_links_used,
    frame_bytes,
    goodput_fraction,
    ideal_mbps,
    jain_index,
    payload_bytes,
    queue_s,
)
from testbed.theory.hashing import (
    HASH_MODES,
    ByteOrder,
    Tuple5,
    member_of_flow,
    xmit_hash,
)
from testbed.theory.laws import Apart, Later, Law, Longest, Rest, Sum, mean_s, quantile_s, quantiles_s
from testbed.theory.monitors import arp_bound, carrier_event_bound, mii_bound
from testbed.theory.multipath import handover, transfer_s
from testbed.theory.outage_bound import PROBE_INTERVALS, RELEARN_PAUSE_S, REVALIDATION_S, SWITCH_PAUSE_S, OutageBound
from testbed.theory.sharing import Band, max_min_links, max_min_mbps, most_links, most_mbps, random_links
from testbed.theory.tcp import RTO_MIN_S, longest_stall_s, mistaken_s, next_try_s, second_try_s, tries_s
from testbed.theory.ticks import GUEST_HZ, monitor_period_s
from testbed.theory.timers import (
    LACP_PERIOD_S,
    LACP_TIMEOUT_S,
    LACP_TOLERANCE_S,
    apart_bound,
    bonding_lacp_bound,
    bonding_lacp_period_s,
    excluded_bound,
    facing_bonding_lacp_bound,
    lacp_bound,
)

__all__ = [
    "AT_ONCE_MODES",
    "ETHERNET_HEADER_BYTES",
    "ETHERNET_OVERHEAD_BYTES",
    "GUEST_HZ",
    "HASH_MODES",
    "LACP_PERIOD_S",
    "LACP_TIMEOUT_S",
    "LACP_TOLERANCE_S",
    "LAG_MODES",
    "ONE_MEMBER_MODES",
    "PROBE_INTERVALS",
    "RELEARN_PAUSE_S",
    "REVALIDATION_S",
    "RTO_MIN_S",
    "SWITCH_PAUSE_S",
    "UNMONITORED",
    "Apart",
    "Band",
    "ByteOrder",
    "Displacement",
    "Later",
    "Law",
    "Longest",
    "OutageBound",
    "Rest",
    "Sum",
    "Tuple5",
    "apart_bound",
    "arp_bound",
    "bonding_lacp_bound",
    "bonding_lacp_period_s",
    "carrier_event_bound",
    "displacement",
    "excluded_bound",
    "expected_links_used",
    "facing_bonding_lacp_bound",
    "failover_bound",
    "frame_bytes",
    "goodput_fraction",
    "handover",
    "host_rule",
    "ideal_mbps",
    "jain_index",
    "lacp_bound",
    "longest_stall_s",
    "maglev_displacement",
    "max_min_links",
    "max_min_mbps",
    "mean_s",
    "member_of_flow",
    "mii_bound",
    "mistaken_s",
    "monitor_period_s",
    "most_links",
    "most_mbps",
    "next_try_s",
    "pair_mbps",
    "payload_bytes",
    "quantile_s",
    "quantiles_s",
    "queue_s",
    "random_links",
    "resilient_entries",
    "second_try_s",
    "transfer_s",
    "tries_s",
    "why_unbounded",
    "xmit_hash",
]
