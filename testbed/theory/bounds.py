"""How long an outage may last: what each detector needs to notice each fault. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from testbed.errors import unknown
from testbed.spec import Bond

#: On top of a carrier bound: the gap is seen at the probe's resolution (1 ms), the new member is announced by
#: gratuitous ARP, packets take the path's delay, and the monitor's timer is as fine as the kernel's tick.
TOLERANCE_S = 0.010
#: How far LACP's timers may be off (IEEE 802.1AX, 6.4.10).
LACP_TOLERANCE_S = 0.250
#: IEEE 802.1AX, 6.4.4: Fast_ and Slow_Periodic_Time, Short_ and Long_Timeout_Time.
LACP_PERIOD_S = {"fast": 1.0, "slow": 30.0}
LACP_TIMEOUT_S = {"fast": 3.0, "slow": 90.0}

#: Modes that may leave a dead member before the monitor looks. The driver asks for the carrier with every
#: packet (balance-rr, balance-tlb, balance-alb: bond_slave_can_tx), or rebuilds the array of usable members
#: on the carrier event (balance-xor, 802.3ad: bond_slave_netdev_event).
AT_ONCE_MODES = ("balance-rr", "balance-xor", "802.3ad", "balance-tlb", "balance-alb")
#: Modes whose members are one LAG to the switch, which must notice by itself (bonding.rst, section 5).
LAG_MODES = ("balance-rr", "balance-xor", "802.3ad")
FAULTS = ("none", "carrier_loss", "silent_loss")


@dataclass(frozen=True)
class OutageBound:
    """What theory says of an outage: from ``low_s`` to ``bound_s``, evenly spread if ``uniform``."""

    low_s: float
    bound_s: float
    label: str
    uniform: bool = False
    tolerance_s: float = TOLERANCE_S

    @property
    def limit_s(self) -> float:
        """The longest outage that agrees with theory."""
        return self.bound_s + self.tolerance_s

    @property
    def expected_s(self) -> float | None:
        """The mean outage, where theory gives its distribution."""
        return (self.low_s + self.bound_s) / 2 if self.uniform else None


def mii_bound(miimon_ms: int, downdelay_ms: int = 0, *, at_once: bool = False) -> OutageBound:
    """Carrier loss seen by the MII monitor: uniform in (d, m + d], d being downdelay as a multiple of m.

    bonding.rst, "miimon" and "downdelay" (rounded down). ``at_once``: the mode may leave the dead member
    before the monitor looks, so that only the upper bound holds.
    """
    delay_s = downdelay_ms // miimon_ms * miimon_ms / 1e3
    label = f"miimon {miimon_ms} ms" + (f" + downdelay {delay_s * 1e3:.0f} ms" if delay_s else "")
    return OutageBound(0.0 if at_once else delay_s, miimon_ms / 1e3 + delay_s, label, uniform=not at_once)


def lacp_bound(rate: str) -> OutageBound:
    """A partner that falls silent: its last LACPDU is up to a period old, and the timeout is three periods.

    IEEE 802.1AX, 6.4.12: current_while is set to the timeout by each LACPDU. Uniform in (2, 3] s with rate
    fast, in (60, 90] s with rate slow.
    """
    timeout_s = LACP_TIMEOUT_S[rate]
    low_s = timeout_s - LACP_PERIOD_S[rate]
    return OutageBound(low_s, timeout_s, f"LACP timeout {timeout_s:.0f} s", True, LACP_TOLERANCE_S)


def arp_bound(arp_interval_ms: int, arp_missed_max: int = 2) -> OutageBound:
    """The ARP monitor with interval a and n checks that must fail: from n a to (n + 1) a.

    bonding.rst, "arp_interval" and "arp_missed_max".
    """
    interval_s = arp_interval_ms / 1e3
    label = f"ARP monitor {arp_missed_max} x {arp_interval_ms} ms"
    return OutageBound(arp_missed_max * interval_s, (arp_missed_max + 1) * interval_s, label, uniform=True)


def failover_bound(
    bond: Bond, fault: str, side: Literal["host", "switch", "both"] = "both", *, lacp: bool = True
) -> OutageBound | None:
    """The outage to expect when a member of ``bond`` suffers ``fault``; None: it cannot recover by itself.

    ``side`` is who must notice: the bonded ``host`` for what it sends, the ``switch`` for what it sends to
    that host; ``both`` is the longer of the two. ``lacp`` is whether anybody answers the bond's LACP.

    - ``carrier_loss``, host: the MII monitor is the bound. Modes of ``AT_ONCE_MODES`` may beat it; a
      broadcast bond still sends every packet on the other members.
    - ``carrier_loss``, switch: a LAG leaves a port that is down at once. Without a LAG the switch learns
      where the host is from the host's own frames, so the host's bound holds.
    - ``silent_loss`` (frames vanish, carrier stays): LACP's timeout notices, the MII monitor never does. A
      broadcast bond need not notice, but a switch sends each frame by one member only.
    """
    if fault not in FAULTS:
        raise unknown("fault", fault, FAULTS)
    if fault == "none":
        return OutageBound(0.0, 0.0, "no fault", tolerance_s=0.0)
    if bond.mode == "broadcast" and (fault == "carrier_loss" or side == "host"):
        return OutageBound(0.0, 0.0, "every member sends all")
    if fault == "silent_loss":
        return lacp_bound(bond.lacp_rate) if bond.mode == "802.3ad" and lacp else None
    if side == "switch" and bond.mode in LAG_MODES:
        return OutageBound(0.0, 0.0, "port down")
    return mii_bound(bond.miimon_ms, bond.downdelay_ms, at_once=bond.mode in AT_ONCE_MODES)
