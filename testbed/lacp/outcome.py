"""What the caller is told once ports have settled: what they collect and distribute now, and their LACPDUs."""

from collections.abc import Iterable

from testbed.lacp.effects import Collect, Distribute, Effect, Transmit
from testbed.lacp.port import Lag, Port
from testbed.lacp.states import COLLECTING, DISTRIBUTING, IN_SYNC


def forwarding(lag: Lag) -> list[Effect]:
    """What changed in collecting and distributing since last told, in an order that loses nothing."""
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
    """The LACPDUs that these ports want to send, once."""
    effects: list[Effect] = [Transmit(port.config.port, pdu) for port in ports for pdu in port.outbox]
    for port in ports:
        port.outbox.clear()
    return effects
