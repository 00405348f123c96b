"""IEEE 802.1AX as it stands: no clock, no input or output. It needs only the standard library.

The caller passes events and the time to a `System`, which returns what to do:

>>> from testbed.lacp import Distribute, LagConfig, PortConfig, System
>>> switch, host = System("02:00:00:00:00:01"), System("02:00:00:00:00:02")
>>> for end in (switch, host):
...     end.add_lag(LagConfig("lag1", key=1))
...     _ = end.add_port(PortConfig("port1", lag="lag1", number=1), now=0.0)
>>> inbox = [(switch, effect) for effect in host.set_carrier("port1", up=True, now=0.0)]
>>> inbox += [(host, effect) for effect in switch.set_carrier("port1", up=True, now=0.0)]
>>> now = 0.0
>>> while not [effect for end, effect in inbox if end is host and isinstance(effect, Distribute)]:
...     now = min(end.next_timer() for end in (switch, host)) if not inbox else now
...     mail, inbox = [item for item in inbox if hasattr(item[1], "payload")], []
...     for end, other in ((switch, host), (host, switch)):
...         effects = end.handle_timer(now)
...         effects += [e for to, sent in mail if to is end for e in end.receive("port1", sent.payload, now)]
...         inbox += [(other, effect) for effect in effects]
>>> now, switch.snapshot()["lags"]["lag1"]["distributing"]
(2.0, ['port1'])

The tables of the machines (`MACHINES`) are data: `diagram` draws each as a Mermaid state diagram.
"""

from testbed.lacp.config import LagConfig, PortConfig, PortId, SystemId
from testbed.lacp.effects import Collect, Distribute, Effect, Event, Transmit
from testbed.lacp.machines import MACHINES
from testbed.lacp.pdu import Lacpdu, Marker, PduError, PortInfo, State, decode, unwrap, wrap
from testbed.lacp.port import LagId
from testbed.lacp.rules import Guard, Machine, Rule, diagram
from testbed.lacp.system import System

__all__ = [
    "MACHINES",
    "Collect",
    "Distribute",
    "Effect",
    "Event",
    "Guard",
    "Lacpdu",
    "LagConfig",
    "LagId",
    "Machine",
    "Marker",
    "PduError",
    "PortConfig",
    "PortId",
    "PortInfo",
    "Rule",
    "State",
    "System",
    "SystemId",
    "Transmit",
    "decode",
    "diagram",
    "unwrap",
    "wrap",
]
