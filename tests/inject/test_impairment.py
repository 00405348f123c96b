"""Loss, delay and rate as the options of a netem queue."""

from __future__ import annotations

import pytest

from testbed.inject.impairment import NETEM, Impairment, Queue, netem
from testbed.inject.rtnetlink import attributes
from testbed.inject.tc import ROOT
from testbed.spec import Link


def options(text: bytes) -> tuple[tuple[int, ...], dict[int, bytes]]:
    return NETEM.unpack_from(text), attributes(text, NETEM.size)


def test_impairments_add_up_to_what_was_there() -> None:
    """tc-netem(8), linux/pkt_sched.h: struct tc_netem_qopt, TCA_NETEM_LATENCY64 and TCA_NETEM_PRNG_SEED."""
    link = Link("h1", "h1-eth0", "s1", "s1-eth1", rate_mbps=1000.0, delay_ms=1.0)
    before = netem(Queue("", 0, ROOT), link, [Impairment(delay_ms=1.0)])
    found = Queue("netem", 0x20000, 0x10001, before)
    settings_, given = options(netem(found, link, [Impairment(loss=0.5, seed=7), Impairment(loss=0.5, delay_ms=2.0)]))
    assert int.from_bytes(given[10], "little") == 3_000_000  # ns: 1 ms was there, 2 came
    assert settings_[2] / 0xFFFF_FFFF == pytest.approx(0.75)
    assert int.from_bytes(given[14], "little") == 7
    assert 6 not in given  # no rate asked for: none set
