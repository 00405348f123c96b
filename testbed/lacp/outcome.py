"""The effects for the caller once ports have settled: changes of collecting and distributing, and LACPDUs."""

from collections.abc import Iterable

from testbed.lacp.effects import Collect, Distribute, Effect, Transmit
from testbed.lacp.port import Lag, Port
from testbed.lacp.states import COLLECTING, DISTRIBUTING, IN_SYNC


def forwarding(lag: Lag) -> list[Effect]:
    """The changes of collecting and distributing since the last call, in an order that loses no frame."""
    name = lag.config.name
    accepting = IN_SYNC if lag.config.early_collecting else COLLECTING
    collecting = tuple(port.config.port for port in lag.ports if port.mux in accepting)
    distributing = tuple(port.config.port for port in lag.ports if port.mux in DISTRIBUTING)
    kept = tuple(port for port in lag.distributing if port in distributing)
    effects: list[Effect] = []
    if kept != lag.distributing:
        effects.append(Distribute(name, kept))
    if collecting != lag.collecting:
        effects.append(Collect(name, collecting))
    if distributing != kept:
        effects.append(Distribute(name, distributing))
    lag.collecting, lag.distributing = collecting, distributing
    return effects


def take_outbox(ports: Iterable[Port]) -> list[Effect]:
    """The LACPDUs that these ports have to send; their outboxes are then empty."""
    effects: list[Effect] = [Transmit(port.config.port, pdu) for port in ports for pdu in port.outbox]
    for port in ports:
        port.outbox.clear()
    return effects
