"""Any frame that a switch sends to the controller: no exception, and only a LACPDU changes LACP's state.

packet-in --> application (os-ken) --> core --> LACP systems, or learning
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.controller.forwarding import ADMIT, LEARN
from testbed.lacp import Lacpdu, PduError, PortInfo, decode
from tests.controller.rig import Rig
from topologies.mlag import mlag

PORTS = st.sampled_from([(1, 1), (1, 2), (2, 1), (1, 3), (2, 3), (1, 4), (9, 9)])
_MAC = "02:00:00:00:01:01"
_HEADER = bytes.fromhex("0180c2000002") + bytes.fromhex(_MAC.replace(":", "")) + bytes.fromhex("8809")
#: Any octets; any octets of Slow Protocols; LACPDUs with a wrong octet, or cut short.
_PDU = Lacpdu(PortInfo(), PortInfo()).encode()
JUNK = st.binary(max_size=300)
SLOW = st.binary(max_size=140).map(lambda octets: _HEADER + octets)
DAMAGED = st.tuples(st.integers(0, 39), st.integers(0, 255), st.integers(0, len(_PDU))).map(
    lambda it: _HEADER + (_PDU[: it[0]] + bytes([it[1]]) + _PDU[it[0] + 1 :])[: it[2]]
)
FRAMES = st.one_of(JUNK, SLOW, DAMAGED)


def is_lacp(frame: bytes) -> bool:
    """Whether the frame holds a PDU that a port has to process."""
    try:
        return frame[:6] == _HEADER[:6] and frame[12:14] == _HEADER[12:] and bool(decode(frame[14:]))
    except PduError:
        return False


def lacp_state(rig: Rig) -> str:
    """The state of LACP, LAGs and links, without the counters of received PDUs."""
    state = rig.state()
    ports = [port for system in state["systems"].values() for lag in system["lags"].values() for port in lag["ports"]]
    for port in ports:
        del port["counters"]
    return json.dumps([state["systems"], state["lags"], state["links"], state["held"]])


@pytest.fixture(scope="module")
def converged() -> Rig:
    """A multi-chassis LAG to either of two hosts, all members in use."""
    rig = Rig(mlag())
    rig.run(4.0)
    assert all(len(rig.distributing(lag)) == 2 for lag in ("lag-h1", "lag-h2"))
    return rig


@given(frames=st.lists(st.tuples(PORTS, FRAMES), max_size=20))
@settings(max_examples=60)
def test_a_frame_that_is_no_lacpdu_changes_nothing(converged: Rig, frames: list[tuple[tuple[int, int], bytes]]) -> None:
    before = lacp_state(converged)
    for port, frame in frames:
        if not is_lacp(frame):
            converged.core.receive(port, frame, converged.now)
        converged.core.learn(port, frame, converged.now)
    converged.answer()
    assert lacp_state(converged) == before


def test_a_forged_lacpdu_changes_the_state(converged: Rig) -> None:
    """The comparison of the test above can fail: a valid PDU does change what it compares."""
    before = lacp_state(converged)
    assert is_lacp(_HEADER + _PDU)
    converged.core.receive((1, 1), _HEADER + _PDU, converged.now)
    assert lacp_state(converged) != before


@given(port=PORTS, frame=FRAMES, table=st.sampled_from([ADMIT, LEARN]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_application_survives_every_packet_in(
    application: Any, capsys: pytest.CaptureFixture[str], port: tuple[int, int], frame: bytes, table: int
) -> None:
    """A handler's exception would be in the log."""
    message = SimpleNamespace(
        datapath=SimpleNamespace(id=port[0]), match={"in_port": port[1]}, table_id=table, data=frame
    )
    application.on_packet_in(SimpleNamespace(msg=message))
    assert "exception" not in capsys.readouterr().out
