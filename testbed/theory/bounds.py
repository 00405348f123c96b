"""How long an outage may last: the detector of each fault, and by it the limits and the distribution. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from testbed.design.factor import Level
from testbed.faults.catalogue import FAULTS, named
from testbed.spec import Bond
from testbed.theory.laws import Apart, Later, Longest, Sum
from testbed.theory.monitors import ANY_FRAME, arp_bound, carrier_event_bound, mii_bound
from testbed.theory.multipath import handover
from testbed.theory.outage_bound import LEAVE_PAUSE_S, RELEARN_PAUSE_S, OutageBound, of_law, slowed
from testbed.theory.routed import AT_THE_EVENT, detection, watched
from testbed.theory.seamless import FAULTS_OF_A_WAY, SEAMLESS
from testbed.theory.ticks import monitor_period_s
from testbed.theory.timers import (
    LACP_PERIOD_S,
    LACP_STEP_MS,
    LACP_TIMEOUT_S,
    bonding_lacp_bound,
    facing_bonding_lacp_bound,
    lacp_bound,
)

#: Modes that may leave a dead member before the monitor looks. The driver asks for the carrier with every
#: packet (balance-rr, balance-tlb, balance-alb: bond_slave_can_tx), or rebuilds the array of usable members
#: on the carrier event (balance-xor, 802.3ad: bond_slave_netdev_event).
AT_ONCE_MODES = ("balance-rr", "balance-xor", "802.3ad", "balance-tlb", "balance-alb")
#: Modes whose members are one LAG to the switch, which has to detect the loss itself (bonding.rst, section 5).
LAG_MODES = ("balance-rr", "balance-xor", "802.3ad")
#: Why an outage has no end (bonding.rst, "miimon": without miimon or arp_interval "serious network degradation will
#: occur during link failures").
UNMONITORED = "miimon_ms=0 and no ARP monitor: the driver never leaves a dead member"

Side = Literal["host", "switch", "both"]


@dataclass(frozen=True)
class _Bonded:
    """A bond and what the switch side is to it (`failover_bound`)."""

    bond: Bond
    lacp: bool
    lag_rate: str
    lags: bool
    early_collecting: bool = True

    @property
    def spoken(self) -> bool:
        """Whether LACP has a partner."""
        return self.bond.mode == "802.3ad" and self.lacp

    @property
    def aggregated(self) -> bool:
        """Whether the members are one LAG to the switch."""
        return self.bond.mode in LAG_MODES and self.lags and (self.bond.mode != "802.3ad" or self.lacp)


def failover_bound(
    bond: Bond,
    fault: str,
    side: Side = "both",
    *,
    lacp: bool = True,
    lag_rate: str = "",
    lags: bool = True,
    early_collecting: bool = True,
    lasts_s: float | None = None,
    parameters: Mapping[str, Level] = MappingProxyType({}),
) -> OutageBound | None:
    """The outage to expect when ``bond`` suffers ``fault``; None: there is no bound, and `why_unbounded` says why.

    The fault hits the member in use, or what that leads to. ``side`` is the end that has to detect it: the bonded
    ``host`` for what it sends, the ``switch`` for what it sends to that host; ``both`` is the longer of the two, for
    traffic that crosses the member both ways. ``lacp`` is whether a partner answers the bond's LACP, ``lag_rate`` the
    rate that this asks for (empty: the bond's own), ``lags`` whether the switch side has LAGs, ``early_collecting``
    whether these take in frames of a member in sync whatever its partner says; ``lasts_s`` is how long the fault lasts,
    ``parameters`` are its own (testbed.faults.catalogue). A crashed switch counts as a lost carrier:
    whether another one is left, the bond cannot say.
    """
    bonded = _Bonded(bond, lacp, lag_rate or bond.lacp_rate, lags, early_collecting)
    found = _predicted(bonded, fault, side, lasts_s, parameters)
    return found if isinstance(found, OutageBound) else None


def why_unbounded(
    bond: Bond,
    fault: str,
    *,
    lacp: bool = True,
    lasts_s: float | None = None,
    parameters: Mapping[str, Level] = MappingProxyType({}),
) -> str:
    """Why `failover_bound` knows no bound; empty if it does."""
    found = _predicted(_Bonded(bond, lacp, bond.lacp_rate, True), fault, "both", lasts_s, parameters)
    return "" if isinstance(found, OutageBound) else found


def _predicted(
    bonded: _Bonded, fault: str, side: Side, lasts_s: float | None, parameters: Mapping[str, Level]
) -> OutageBound | str:
    named(fault)
    direction = str(parameters.get("direction", "both"))
    if fault == "none":
        return OutageBound(0.0, 0.0, "no fault", tolerance_s=0.0)
    if bonded.bond.driver == "hsr" and fault in FAULTS_OF_A_WAY:
        return SEAMLESS
    if bonded.bond.driver == "mptcp":
        return handover(bonded.bond, fault)
    if watched(bonded.bond) and fault in ("carrier_loss", "switch_crash", "flapping", "silent_loss"):
        found = detection(bonded.bond)  # who sees a lost carrier is a matter of the network (testbed.theory.routed)
        return replace(found, low_s=found.low_s if fault == "silent_loss" else 0.0, law=None)
    if bonded.bond.mode == "ecmp" and bonded.bond.ecmp_group == "resilient" and fault == "flapping":
        return "the kernel deletes a next hop at each loss of carrier, and the host makes it again at each return"
    if bonded.bond.driver == "nexthop" and fault in ("carrier_loss", "switch_crash", "flapping"):
        return AT_THE_EVENT
    if bonded.bond.driver == "nexthop" and fault == "silent_loss":
        return "a route sees the carrier of its next hop's interface, and a silent loss leaves that"
    if fault in ("carrier_loss", "switch_crash"):
        return _carrier(bonded, side)
    if fault == "flapping":  # the longest of several outages, each from another phase of the monitor
        each = _carrier(bonded, side)
        if isinstance(each, str):
            return each
        return OutageBound(0.0, each.bound_s, each.label, tolerance_s=each.tolerance_s)
    if fault == "silent_loss":
        return _silent(bonded, side, direction)
    if fault == "lacp_loss":
        return _lacp_alone(bonded, direction)
    if fault == "slow":
        return slowed(parameters)
    if fault == "miscabling":
        return _miscabled(bonded, float(parameters.get("unplugged_ms", FAULTS[fault].parameters[1].default)))
    if fault in ("controller_crash", "controller_pause", "controller_cut", "switch_software_crash"):
        return _uncontrolled(bonded, lasts_s, fault)
    return _UNBOUNDED[fault]


#: Faults that no formula bounds, whatever the bond.
_UNBOUNDED = {
    "lossy": "frames still pass, so no monitor takes the link out",
    "switch_restart": "nothing says how soon the tables of a restarted switch are filled again",
    "peer_link_loss": "it depends on what crosses the peer link",
    "uplink_loss": "it depends on what crosses the uplinks",
    "host_reboot": "the host itself is down",
    **dict.fromkeys(
        (
            "router_crash",
            "router_hang",
            "site_loss",
            "split_brain",
            "announcement_loss",
            "service_stop",
            "service_crash",
            "service_pause",
        ),
        "no bond decides what another router or daemon does (testbed.theory.vrrp)",
    ),
    "route_withdrawal": "no bond decides by which routers packets go (testbed.theory.bgp)",
}


def _carrier(bonded: _Bonded, side: Side) -> OutageBound | str:
    """Members of one LAG are left on the carrier event, by the driver and by the switch; a broadcast bond sends every
    packet on the other members as well. In active-backup the monitor moves the traffic, and the switch learns where the
    host is from the host's own frames. In the other modes the monitor is the upper limit: what the host receives, or
    sends by the current member, waits for it; without a monitor for ever. teamd gets the event itself.
    """
    bond = bonded.bond
    if bond.mode == "broadcast":
        return OutageBound(0.0, 0.0, "every member sends all")
    if side == "switch" and bonded.aggregated:
        return OutageBound(0.0, 0.0, "port down", tolerance_s=LEAVE_PAUSE_S)
    if bond.driver == "team" and not bond.arp_interval_ms:  # a process gets the event, and moves the traffic
        return replace(carrier_event_bound(bond.downdelay_ms / 1e3), tolerance_s=RELEARN_PAUSE_S)
    if bonded.aggregated:
        return replace(carrier_event_bound(), tolerance_s=LEAVE_PAUSE_S)
    if bond.miimon_ms:
        return mii_bound(bond.miimon_ms, bond.downdelay_ms, at_once=bond.mode in AT_ONCE_MODES)
    if bond.arp_interval_ms:
        return arp_bound(bond, relearn=False)
    return UNMONITORED


def _silent(bonded: _Bonded, side: Side, direction: str) -> OutageBound | str:
    """Frames vanish and the carrier stays: LACP's timeout notices, and so may the ARP monitor; MII never does."""
    bond = bonded.bond
    if bond.mode == "broadcast" and (side == "host" or direction == "from_host"):
        return OutageBound(0.0, 0.0, "every member sends all")
    if bonded.spoken:
        return _timed_out(bonded, side, direction)
    if not bond.miimon_ms and not bond.arp_interval_ms:
        return UNMONITORED
    if not bond.arp_interval_ms:
        return "the MII monitor cannot detect a silent loss" + (
            ", and LACP has no partner" if bond.mode == "802.3ad" else ""
        )
    if bond.mode != "active-backup":
        return (
            "a switch that hashes sends the ARP monitor's answers to one member,"
            " so that it does not know the others' state (bonding.rst, arp_interval)"
        )
    if direction == "from_host" and bond.arp_validate in ANY_FRAME:
        return "without arp_validate any frame that arrives counts as an answer to the ARP monitor"
    if direction == "from_host":
        # The requests that go out by the next member come back on this one: a backup member is up by those.
        return "ARP requests that still arrive take the member for up again (bonding.rst, arp_validate)"
    return arp_bound(bond)


def _ends(bonded: _Bonded) -> tuple[Sum, Sum]:
    """When each end of a silent link times out by itself: the bond, and its partner."""
    bond = bonded.bond
    if bond.driver == "team":  # its timers are the standard's
        bounds = lacp_bound(bond.lacp_rate), lacp_bound(bonded.lag_rate)
    else:
        bounds = bonding_lacp_bound(bond.lacp_rate), facing_bonding_lacp_bound(bonded.lag_rate)
    host, switch = (Sum(bound.low_s, bound.law.widths_s) for bound in bounds if isinstance(bound.law, Sum))
    return host, switch


def _timed_out(bonded: _Bonded, side: Side, direction: str) -> OutageBound:
    """Each end times out by the rate that it asked for, independently of the other, whose LACPDUs are lost.

    If only frames to the host are lost, the host times out and says so, and the switch follows. If only those from the
    host are, the switch times out; the driver ignores Collecting (bond_3ad.c, coupled control), and goes on sending
    until the switch has given its partner up as well, a Short_Timeout_Time later (IEEE 802.1AX-2014, 6.4.12: EXPIRED,
    then DEFAULTED, which is out of sync), and its own next step.
    """
    host, switch = _ends(bonded)
    rates = f"LACP timeout {LACP_TIMEOUT_S[bonded.bond.lacp_rate]:.0f} s"
    if bonded.lag_rate != bonded.bond.lacp_rate:
        rates += f" at the host, {LACP_TIMEOUT_S[bonded.lag_rate]:.0f} s at the switch"
    if direction == "from_host":
        step_s = monitor_period_s(LACP_STEP_MS)
        law = Sum(switch.low_s + LACP_TIMEOUT_S["fast"], (*switch.widths_s, step_s))
        return of_law(law, f"{rates}, then the partner's default", RELEARN_PAUSE_S)
    if side == "host" or direction == "to_host":
        return of_law(host, rates, RELEARN_PAUSE_S)
    if side == "switch":
        return of_law(switch, rates, RELEARN_PAUSE_S)
    return of_law(Longest((host, switch)), f"{rates}, the later end", RELEARN_PAUSE_S)


def _lacp_alone(bonded: _Bonded, direction: str) -> OutageBound | str:
    """Both ends time out, each by the rate that it asked for; in between, the end that timed out first drops frames
    that the other still sends (IEEE 802.1AX, 6.4.12).

    A switch that collects early drops none until it gives its partner up, a Short_Timeout_Time later, when the host has
    timed out as well if both rates are fast.
    """
    if not bonded.spoken:
        return "no LACP is spoken"
    if len(bonded.bond.members) == 1:
        return "LACP takes the only member out, and nothing is left"
    host, switch = _ends(bonded)
    if direction == "to_host":
        return OutageBound(0.0, 0.0, "the end that times out says so to the other", tolerance_s=RELEARN_PAUSE_S)
    if direction == "from_host":
        longest_s = LACP_TIMEOUT_S["fast"] + monitor_period_s(LACP_STEP_MS)
        label = "from the switch's timeout until it is out of sync"
        return OutageBound(0.0, longest_s, label, tolerance_s=RELEARN_PAUSE_S)
    if bonded.early_collecting and host.high_s <= switch.low_s + LACP_TIMEOUT_S["fast"]:
        return of_law(Later(switch, host), "from the host's timeout until the switch's", RELEARN_PAUSE_S)
    if bonded.early_collecting:
        longest_s = max(host.high_s - switch.low_s, switch.high_s - host.low_s)
        return OutageBound(0.0, longest_s, "between the timeouts of the two ends", tolerance_s=RELEARN_PAUSE_S)
    return of_law(Apart(host, switch), "between the timeouts of the two ends", RELEARN_PAUSE_S)


def _miscabled(bonded: _Bonded, unplugged_ms: float) -> OutageBound | str:
    """By then both ends have left the member, and LACP does not let it in again with another partner (6.4.8)."""
    if not bonded.spoken:
        return "a LAG without LACP believes its cables"
    bond = bonded.bond
    if not bond.miimon_ms:
        return UNMONITORED
    if unplugged_ms / 1e3 <= mii_bound(bond.miimon_ms, bond.downdelay_ms).bound_s:
        return "the cables are moved faster than the monitor looks"
    return _carrier(bonded, "both")


def _uncontrolled(bonded: _Bonded, lasts_s: float | None, fault: str) -> OutageBound | str:
    """Flows that are in place go on: without a controller in the switch (OpenFlow Switch Specification 1.5.1, 6.4),
    without its software in the kernel's datapath. LACPDUs stop: for up to a period less than the timeout
    that has no effect.
    """
    what = "software" if fault == "switch_software_crash" else "controller"
    rate = bonded.bond.lacp_rate
    if bonded.spoken and (lasts_s is None or lasts_s >= LACP_TIMEOUT_S[rate] - LACP_PERIOD_S[rate]):
        return f"without the {what} no LACPDU is sent, and the hosts' bonds time out"
    return OutageBound(0.0, 0.0, f"the switch goes on without its {what}")
