"""Failover with one thing made worse on purpose, as a regression would: each must be found beyond its bound.

    regression         what is made worse                                 what theory allows
    none               nothing                                            kept
    slow_timer         the monitor of the client's bond looks each        one real period of the 100 ms that the
                       112 ms (miimon 110)                                specification says: 104 ms
    late_hash          a dead member stays in the hash for 30 ms          802.3ad leaves it on the event
    lost_arp           no gratuitous ARP leaves the client                the switch learns the new path from it
    late_arp           none does, and the client's next frame comes       the same, and 500 ms until cached flows follow
                       700 ms after the cut: the bridge learns then
    slow_controller    the controller stands still from before the cut    a host's move: 10 ms at most after the look
                       until 20 ms after the monitor's look

The monitor's phase is set: it starts anew when it is switched off and on (bond_option_miimon_set). The fault comes
right after a look, so that the outage is as long as it may be.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from testbed import schemes
from testbed.experiment import Experiment, Factor, Measured, Trial
from testbed.inject import tc
from testbed.lab import steps
from testbed.lab.lab import Lab
from testbed.measure.failover import measure
from testbed.observe.probe import flows, probing

REGRESSIONS = ("none", "slow_timer", "late_hash", "lost_arp", "late_arp", "slow_controller")
_ARP = 0x0806  # linux/if_ether.h: ETH_P_ARP
_INTERVAL_S = 0.001
_LOOKS = 10
_AFTER_LOOK_S = 0.001
_SLOWER_MS = 110
_LATE_S = 0.030
_WAITS_S = 0.020
_LEARNS_S = 0.700
_DISCARD = 9  # RFC 863
_LASTS_S = 1.0


def procedure(lab: Lab) -> None:
    """Inside: probe, set the monitor's phase, cut right after a look, with the regression."""
    regression, bond = str(lab.case["regression"]), lab.topology.bond(lab.client)
    miimon_ms = _SLOWER_MS if regression == "slow_timer" else bond.miimon_ms
    mute = regression in ("lost_arp", "late_arp")
    ways = [lab.pair[::-1]] if mute else [lab.pair, lab.pair[::-1]]
    with (
        flows(lab, ways) as found,
        probing(found, _INTERVAL_S, lab.raw / "probe.csv", clocks=lab.clocks),
        contextlib.ExitStack() as stack,
    ):
        if mute:
            member = steps.receiving(lab, lab.client)
            for each in lab.members(lab.client):
                stack.enter_context(tc.dropping(lab._injection, each, _ARP))
        else:
            member = steps.carrying(lab, lab.client)
        look_s, period_s = look_after(lab, miimon_ms)
        begin_s = look_s + _AFTER_LOOK_S
        lab.sleep_until(begin_s)
        process = lab.network.controller
        if regression == "slow_controller":
            assert process is not None
            process.halt()
        with cut(lab, member, late=regression == "late_hash"):
            if regression == "late_arp":
                lab.sleep_until(begin_s + _LEARNS_S)
                stack.close()
                with lab.network.socket(lab.client) as sock:
                    sock.sendto(b"here", (lab.topology.host(lab.server).ip, _DISCARD))
            if process is not None:
                lab.sleep_until(look_s + period_s + _WAITS_S)
                process.resume()
            # Cached flows may follow 500 ms after the bridge has learned (ovs-vswitchd.conf.db(5), max-revalidator).
            lab.sleep_until(begin_s + _LASTS_S + (_LEARNS_S if regression == "late_arp" else 0.0))
        steps.wait_back(lab, lab.client)


def look_after(lab: Lab, miimon_ms: int) -> tuple[float, float]:
    """Start the client's monitor anew with this interval: when it looks some periods later, and its period.

    The timer wheel expires a delay of 64 to 511 ticks at the next multiple of 8 ticks (kernel/time/timer.c); the guest
    has 1000 ticks a second, counted by CLOCK_MONOTONIC.
    """
    bond, netlink = lab.topology.bond(lab.client), lab.network.netlink(lab.client)
    (index,) = netlink.link_lookup(ifname=bond.name)
    netlink.link("set", index=index, kind="bond", bond_miimon=0)
    time.sleep((1.5 - time.monotonic() * 1e3 % 1) / 1e3)  # to the middle of a tick
    ticks = int(time.monotonic() * 1e3)
    netlink.link("set", index=index, kind="bond", bond_miimon=miimon_ms)
    first, period = -(-(ticks + miimon_ms) // 8) * 8, -(-miimon_ms // 8) * 8
    return first / 1e3 + (_LOOKS - 1) * period / 1e3 - time.monotonic() + lab.now(), period / 1e3


@contextlib.contextmanager
def cut(lab: Lab, member: str, *, late: bool) -> Iterator[None]:
    """The member's cable is pulled; ``late``: the driver hears of it only after a while, and goes on using it."""
    port = steps.far_end(lab, member)
    if not late:
        with lab.fault("carrier_loss", port):
            yield
        return
    lab.note("fault", "begin", fault="carrier_loss", element=port, parameters={"side": "switch"})
    with contextlib.ExitStack() as dropped:
        for end in (member, port):
            dropped.enter_context(tc.dropping(lab._injection, end))
        lab.sleep_until(lab.now() + _LATE_S)
        lab.network.set_link(port, up=False)
        yield
    lab.note("fault", "end", fault="carrier_loss", element=port, parameters={"side": "switch"})
    lab.network.set_link(port, up=True)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a failover trial."""
    return measure(raw, trial, interval_s=_INTERVAL_S)


def regressed() -> Experiment:
    """The experiment."""
    return Experiment(
        name="regressed",
        title="Regressions",
        question="Is what is made worse on purpose found beyond its bound?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup",), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("regression", REGRESSIONS, "what is made worse", known=REGRESSIONS),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=(),
    )
