"""Multipath TCP: when data go on by another way, when theory does not say, and how long a transfer takes."""

from __future__ import annotations

import pytest

from testbed import theory
from testbed.spec import Bond, BondOptions
from testbed.theory import multipath


def mptcp(*, backup: bool = False, losses: int = 4) -> Bond:
    return BondOptions(mode="mptcp", mptcp_backup=backup, mptcp_stale_losses=losses).over(("h1-eth0", "h1-eth1"))


@pytest.mark.parametrize("fault", ["carrier_loss", "silent_loss", "switch_crash"])
def test_a_silent_subflow_is_stale_once_it_has_had_more_losses_than_are_allowed(fault: str) -> None:
    """net/mptcp/pm.c, mptcp_pm_subflow_chk_stale: stale_count > stale_loss_cnt; one is counted at each timer of 200 ms
    and a round-trip time, for which the kernel's wheel takes up to 8 ms more."""
    found = theory.failover_bound(mptcp(), fault)
    assert found is not None and 5 * 0.200 < found.bound_s <= 5 * (0.200 + 0.041 + 0.008)
    assert found.low_s == 0.200
    shorter = theory.handover(mptcp(losses=3), fault, rtt_s=0.001)
    assert isinstance(shorter, theory.OutageBound) and 4 * 0.201 <= shorter.bound_s <= 4 * 0.209


def test_with_few_allowed_losses_the_other_subflow_is_an_alternative_at_every_second_timer() -> None:
    """pm.c: it must have had fewer than max(stale_loss_cnt - 1, 1), and its own count goes from 0 to 1 and back."""
    assert [multipath.timers(mptcp(losses=losses)) for losses in (1, 2, 3, 4, 255)] == [3, 4, 4, 5, 256]


def test_a_backup_repeats_when_the_others_made_no_progress_between_two_timers() -> None:
    """protocol.c, mptcp_subflow_get_retrans: min_stale_count > 1."""
    for losses in (0, 1, 4, 255):
        found = theory.handover(mptcp(backup=True, losses=losses), "silent_loss", rtt_s=0.001)
        assert isinstance(found, theory.OutageBound) and 3 * 0.201 <= found.bound_s <= 3 * 0.209


@pytest.mark.parametrize(
    ("bond", "fault", "why"),
    [
        (mptcp(losses=0), "silent_loss", "mptcp_stale_losses=0"),
        (mptcp(), "lossy", "never stale"),
        (mptcp(), "slow", "never stale"),
        (mptcp(), "flapping", "counts its losses anew"),
        (mptcp(), "lacp_loss", "fault lacp_loss"),
    ],
)
def test_where_there_is_no_law_it_says_why(bond: Bond, fault: str, why: str) -> None:
    assert theory.failover_bound(bond, fault) is None
    assert why in theory.why_unbounded(bond, fault)


def test_a_transfer_takes_what_the_kernels_own_test_allows() -> None:
    """simult_flows.sh: bits over nine tenths of both rates, and 450 ms; here 160 Mbit over 2 x 100 Mbit/s."""
    assert theory.transfer_s(20_000_000, [100.0, 100.0]) == pytest.approx(160 / 180 + 0.45)
