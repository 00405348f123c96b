"""1,000 ports under one system: the work per call depends on the ports concerned, not on how many there are.

Work is counted in tested guards, not in seconds, so the result is the same on any machine.
"""

from __future__ import annotations

import pytest

from testbed.lacp import LagConfig, PortConfig, System, Transmit
from tests.lacp.wire import DELAY_S

LAGS, MEMBERS = 250, 4
GUARDS_PER_LACPDU = 40
"""About two dozen guards per port, and a margin for the ports of one LAG that depend on each other."""


def system(mac: str) -> System:
    made = System(mac)
    for lag in range(LAGS):
        made.add_lag(LagConfig(f"lag{lag}", lag + 1))
        for member in range(MEMBERS):
            number = lag * MEMBERS + member + 1
            made.add_port(PortConfig(number, f"lag{lag}", number), 0.0)
    return made


@pytest.mark.slow
def test_1000_ports_keep_their_timers_at_constant_work() -> None:
    ends = [system("02:00:00:00:00:0a"), system("02:00:00:00:00:0b")]
    flying: list[tuple[int, Transmit]] = []
    # Carrier comes up over one second, so that the ports' timers are due at different times.
    for number in range(1, LAGS * MEMBERS + 1):
        for end in (0, 1):
            effects = ends[end].set_carrier(number, True, number / 1000)
            flying += [(1 - end, e) for e in effects if isinstance(e, Transmit)]
    now, received, measured, calls, start = 1.0, 0, 0, 0, (0, 0)
    while now < 4.7:
        arrived, flying = flying, []
        for end, sent in arrived:
            effects = ends[end].receive(sent.port, sent.pdu, now)
            flying += [(1 - end, e) for e in effects if isinstance(e, Transmit)]
            received += 1
        for end in (0, 1):
            effects = ends[end].handle_timer(now)
            flying += [(1 - end, e) for e in effects if isinstance(e, Transmit)]
            calls += 1
        timers = [timer for timer in (end.next_timer() for end in ends) if timer is not None]
        now = now + DELAY_S if flying else max(now, min(timers))
        if now >= 4.2 and not measured:
            measured, start = received, (received, ends[0].rule_evaluations + ends[1].rule_evaluations)
    for each in ends:
        for port in each._ports.values():
            assert port.rx == "CURRENT"
            assert port.mux == "COLLECTING_DISTRIBUTING"
    lacpdus = received - start[0]
    assert 900 <= lacpdus <= 1100, "one from each port in a second, for half a second"
    # One LACPDU is one timer at the sender and one call at the receiver.
    asked = ends[0].rule_evaluations + ends[1].rule_evaluations - start[1]
    assert asked / lacpdus <= 2 * GUARDS_PER_LACPDU


def test_an_event_costs_nothing_in_other_lags() -> None:
    a = system("02:00:00:00:00:0a")
    before = a.rule_evaluations
    a.set_carrier(1, True, 0.0)
    assert a.rule_evaluations - before <= 4 * GUARDS_PER_LACPDU, "rounds of one port and its LAG, not of 1,000"
    assert len(a._queue) == 1
