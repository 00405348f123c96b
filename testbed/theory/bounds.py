"""How long an outage may last: what each detector needs to detect each fault. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from testbed.design.factor import Level
from testbed.faults.catalogue import FAULTS, named
from testbed.spec import Bond
from testbed.theory.ticks import monitor_period_s

#: On top of a carrier bound: the gap is seen at the probe's resolution (1 ms), the new member is announced by
#: gratuitous ARP, packets take the path's delay, and the monitor's timer is as fine as the kernel's tick.
TOLERANCE_S = 0.010
#: How far LACP's timers may be off (IEEE 802.1AX, 6.4.10).
LACP_TOLERANCE_S = 0.250
#: IEEE 802.1AX, 6.4.4: Fast_ and Slow_Periodic_Time, Short_ and Long_Timeout_Time.
LACP_PERIOD_S = {"fast": 1.0, "slow": 30.0}
LACP_TIMEOUT_S = {"fast": 3.0, "slow": 90.0}
#: The bonding driver counts LACP's timers down every so often (bond_3ad.c, AD_TIMER_INTERVAL).
LACP_STEP_MS = 100

#: Modes that may leave a dead member before the monitor checks. The driver asks for the carrier with every
#: packet (balance-rr, balance-tlb, balance-alb: bond_slave_can_tx), or rebuilds the array of usable members
#: on the carrier event (balance-xor, 802.3ad: bond_slave_netdev_event).
AT_ONCE_MODES = ("balance-rr", "balance-xor", "802.3ad", "balance-tlb", "balance-alb")
#: Modes whose members are one LAG to the switch, which has to detect the loss itself (bonding.rst, section 5).
LAG_MODES = ("balance-rr", "balance-xor", "802.3ad")
#: Those of them that avoid a dead member without the monitor, and may have the ARP monitor.
ARP_AT_ONCE_MODES = ("balance-rr", "balance-xor")

Side = Literal["host", "switch", "both"]


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
    """Carrier loss detected by the MII monitor: uniform in (d, m + d], d being downdelay as a multiple of m.

    bonding.rst, "miimon" and "downdelay" (rounded down). ``at_once``: the mode may leave the dead member
    before the monitor checks, so that only the upper bound holds. The tolerance has room for how much longer the
    kernel's timers make each check (`monitor_period_s`).
    """
    checks = 1 + downdelay_ms // miimon_ms
    delay_s = (checks - 1) * miimon_ms / 1e3
    late_s = checks * (monitor_period_s(miimon_ms) - miimon_ms / 1e3)
    label = f"miimon {miimon_ms} ms" + (f" + downdelay {delay_s * 1e3:.0f} ms" if delay_s else "")
    low_s = 0.0 if at_once else delay_s
    return OutageBound(low_s, miimon_ms / 1e3 + delay_s, label, not at_once, TOLERANCE_S + late_s)


def lacp_bound(rate: str) -> OutageBound:
    """A partner that becomes silent: its last LACPDU is up to a period old, and the timeout is three periods.

    IEEE 802.1AX, 6.4.12: current_while is set to the timeout by each LACPDU. Uniform in (2, 3] s with rate
    fast, in (60, 90] s with rate slow.
    """
    timeout_s = LACP_TIMEOUT_S[rate]
    low_s = timeout_s - LACP_PERIOD_S[rate]
    return OutageBound(low_s, timeout_s, f"LACP timeout {timeout_s:.0f} s", True, LACP_TOLERANCE_S)


def arp_bound(arp_interval_ms: int, arp_missed_max: int = 2, driver: str = "bonding") -> OutageBound:
    """The ARP monitor with interval a, of which n may pass without an answer: from (n + 1/2) a to (n + 3/2) a.

    bonding.rst, "arp_interval" and "arp_missed_max"; the driver (bond_time_in_interval) allows half an interval more,
    and checks once in each. teamd's arp_ping checks when it sends the next request, when the last reply before the
    fault may just have come, and takes the link down when more than n are missing (teamd_lw_psr.c): from (n + 1) a to
    (n + 2) a.
    """
    interval_s = arp_interval_ms / 1e3
    low_s = (arp_missed_max + (1.0 if driver == "team" else 0.5)) * interval_s
    label = f"ARP monitor {arp_missed_max} x {arp_interval_ms} ms"
    return OutageBound(low_s, low_s + interval_s, label, uniform=True)


def failover_bound(
    bond: Bond,
    fault: str,
    side: Side = "both",
    *,
    lacp: bool = True,
    lasts_s: float | None = None,
    parameters: Mapping[str, Level] = MappingProxyType({}),
) -> OutageBound | None:
    """The outage to expect when ``fault`` hits ``bond``; None: there is no bound, and `why_unbounded` says why.

    The fault hits the member in use, or what that leads to. ``side`` is the end that has to detect it: the bonded
    ``host`` for what it sends, the ``switch`` for what it sends to that host; ``both`` is the longer of the two.
    ``lacp`` is whether a partner answers the bond's LACP, ``lasts_s`` how long the fault lasts, ``parameters`` are the
    fault's (testbed.faults.catalogue). A crashed switch counts as a lost carrier: whether another one is left, the bond
    cannot say.
    """
    found = _predicted(bond, fault, side, lacp, lasts_s, parameters)
    return found if isinstance(found, OutageBound) else None


def why_unbounded(
    bond: Bond,
    fault: str,
    *,
    lacp: bool = True,
    lasts_s: float | None = None,
    parameters: Mapping[str, Level] = MappingProxyType({}),
) -> str:
    """Why `failover_bound` gives no bound; empty if it does."""
    found = _predicted(bond, fault, "both", lacp, lasts_s, parameters)
    return "" if isinstance(found, OutageBound) else found


def _predicted(
    bond: Bond, fault: str, side: Side, lacp: bool, lasts_s: float | None, parameters: Mapping[str, Level]
) -> OutageBound | str:
    named(fault)
    spoken = bond.mode == "802.3ad" and lacp
    if fault == "none":
        return OutageBound(0.0, 0.0, "no fault", tolerance_s=0.0)
    if fault in ("carrier_loss", "flapping", "switch_crash"):
        return _carrier(bond, side)
    if fault == "silent_loss":
        return _silent(bond, side, spoken, str(parameters.get("direction", "both")))
    if fault == "lacp_loss":
        return _lacp_alone(bond, spoken)
    if fault == "slow":
        if parameters.get("rate_mbps"):
            return "at a lower rate the delay is that of the queue, whatever it grows to"
        delay_s = float(parameters.get("delay_ms", FAULTS[fault].parameters[0].default)) / 1e3
        return OutageBound(0.0, delay_s, f"{delay_s * 1e3:g} ms of added delay")
    if fault == "miscabling":
        return _miscabled(bond, spoken, float(parameters.get("unplugged_ms", FAULTS[fault].parameters[1].default)))
    if fault in ("controller_crash", "controller_pause", "controller_cut", "switch_software_crash"):
        return _uncontrolled(bond, spoken, lasts_s, fault)
    return _UNBOUNDED[fault]


#: Faults that no formula bounds, whatever the bond.
_UNBOUNDED = {
    "lossy": "frames still pass, so no monitor takes the link out",
    "switch_restart": "nothing says how soon the tables of a restarted switch are filled again",
    "peer_link_loss": "it depends on what crosses the peer link",
    "uplink_loss": "it depends on what crosses the uplinks",
    "host_reboot": "the host itself is down",
}


def _carrier(bond: Bond, side: Side) -> OutageBound | str:
    """The monitor is the bound for what the host sends; modes of ``AT_ONCE_MODES`` may beat it, and a broadcast
    bond sends every packet on the other members as well. A LAG of the switch leaves a port that is down at once;
    without a LAG the switch learns where the host is from the host's own frames, so the host's bound holds.
    """
    if bond.mode == "broadcast":
        return OutageBound(0.0, 0.0, "every member sends all")
    if side == "switch" and bond.mode in LAG_MODES:
        return OutageBound(0.0, 0.0, "port down")
    if bond.miimon_ms:
        return mii_bound(bond.miimon_ms, bond.downdelay_ms, at_once=bond.mode in AT_ONCE_MODES)
    if bond.mode in ARP_AT_ONCE_MODES:  # the event, not the monitor
        return OutageBound(0.0, 0.0, "the driver asks for the carrier with every packet")
    return arp_bound(bond.arp_interval_ms, bond.arp_missed_max, bond.driver)


def _silent(bond: Bond, side: Side, spoken: bool, direction: str) -> OutageBound | str:
    """Frames are lost and the carrier stays: LACP's timeout detects it, and so may the ARP monitor; MII never does."""
    if bond.mode == "broadcast" and (side == "host" or direction == "from_host"):
        return OutageBound(0.0, 0.0, "every member sends all")
    if spoken:
        found = lacp_bound(bond.lacp_rate)
        if side == "switch":
            return found
        # The driver counts the timeout down in steps, each of which the kernel's timers make longer.
        late = monitor_period_s(LACP_STEP_MS) * 1e3 / LACP_STEP_MS - 1
        return replace(found, tolerance_s=found.tolerance_s + late * found.bound_s)
    if not bond.arp_interval_ms:
        return "the MII monitor cannot detect a silent loss" + (
            ", and LACP has no partner" if bond.mode == "802.3ad" else ""
        )
    if bond.mode != "active-backup":
        return (
            "a switch that hashes sends the ARP monitor's answers to one member,"
            " so that it does not know the others' state (bonding.rst, arp_interval)"
        )
    if direction == "from_host" and bond.arp_validate in ("none", "backup", "filter", "filter_active", "filter_backup"):
        return "without arp_validate any frame that arrives counts as an answer to the ARP monitor"
    return arp_bound(bond.arp_interval_ms, bond.arp_missed_max, bond.driver)


def _lacp_alone(bond: Bond, spoken: bool) -> OutageBound | str:
    """Both ends time out, up to a period apart, depending on when their last LACPDUs came (IEEE 802.1AX, 6.4.12).

    In between, the end that timed out drops frames that the other still sends.
    """
    if not spoken:
        return "no LACP is spoken"
    period_s = LACP_PERIOD_S[bond.lacp_rate]
    label = f"the ends time out within {period_s:g} s"
    return OutageBound(0.0, period_s, label, tolerance_s=2 * LACP_TOLERANCE_S)


def _miscabled(bond: Bond, spoken: bool, unplugged_ms: float) -> OutageBound | str:
    """By then both ends have left the member, and LACP does not let it in again with another partner (6.4.8)."""
    if not spoken:
        return "a LAG without LACP does not detect where its cables lead"
    found = _carrier(bond, "both")
    if isinstance(found, OutageBound) and unplugged_ms / 1e3 <= found.limit_s:
        return "the cables are moved faster than the monitor checks"
    return found


def _uncontrolled(bond: Bond, spoken: bool, lasts_s: float | None, fault: str) -> OutageBound | str:
    """Flows that are in place continue: without a controller in the switch (OpenFlow Switch Specification 1.5.1, 6.4),
    without its software in the kernel's datapath. LACPDUs stop: for up to a period less than the timeout
    that has no effect.
    """
    what = "software" if fault == "switch_software_crash" else "controller"
    if spoken and (lasts_s is None or lasts_s >= LACP_TIMEOUT_S[bond.lacp_rate] - LACP_PERIOD_S[bond.lacp_rate]):
        return f"without the {what} no LACPDU is sent, and the hosts' bonds time out"
    return OutageBound(0.0, 0.0, f"the switch continues without its {what}")
