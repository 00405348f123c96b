"""The benchmark of LACP at scale: another implementation reads its OpenFlow messages, and what it counts."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import lacp_scale
from testbed.controller.config import parse
from testbed.controller.forwarding import ADMIT
from testbed.lacp import Lacpdu, PortInfo, wrap

FRAME = wrap(Lacpdu(PortInfo(), PortInfo()).encode(), "02:00:00:00:01:01")
of = pytest.importorskip("os_ken.ofproto.ofproto_v1_5")


@pytest.fixture
def parser() -> Any:
    """os-ken's parser of OpenFlow 1.5."""
    return pytest.importorskip("os_ken.ofproto.ofproto_v1_5_parser")


@pytest.fixture
def connection(parser: Any) -> Any:
    """What os-ken's messages need of a connection."""
    return SimpleNamespace(ofproto=of, ofproto_parser=parser, id=1)


def read(parser: Any, connection: Any, octets: bytes) -> Any:
    """The message as os-ken's parser reads it."""
    version, kind, length, xid = lacp_scale._HEADER.unpack_from(octets)
    return parser.msg_parser(connection, version, kind, length, xid, octets)


def test_a_packet_in_is_one_to_os_ken(parser: Any, connection: Any) -> None:
    octets = lacp_scale.message(of.OFPT_PACKET_IN, 7, lacp_scale.packet_in(3, FRAME))
    message = read(parser, connection, octets)
    assert (message.match["in_port"], message.table_id, bytes(message.data)) == (3, ADMIT, FRAME)


def test_ports_and_features_are_such_to_os_ken(parser: Any, connection: Any) -> None:
    macs = {1: "02:00:00:00:01:01", 2: "02:00:00:00:01:02"}
    octets = lacp_scale.message(of.OFPT_MULTIPART_REPLY, 7, lacp_scale.port_descriptions(macs))
    message = read(parser, connection, octets)
    assert message.type == of.OFPMP_PORT_DESC
    assert {port.port_no: port.hw_addr for port in message.body} == macs
    assert {(port.config, port.state) for port in message.body} == {(0, 0)}
    message = read(parser, connection, lacp_scale.message(of.OFPT_FEATURES_REPLY, 7, lacp_scale.features(0x1234)))
    assert message.datapath_id == 0x1234


def test_a_packet_out_of_os_ken_is_understood(parser: Any, connection: Any) -> None:
    message = parser.OFPPacketOut(
        connection,
        buffer_id=of.OFP_NO_BUFFER,
        match=parser.OFPMatch(in_port=of.OFPP_CONTROLLER),
        actions=[parser.OFPActionOutput(9)],
        data=FRAME,
    )
    message.set_xid(5)
    message.serialize()
    ((kind, xid, body),) = lacp_scale.messages(bytearray(message.buf))
    assert (kind, xid) == (of.OFPT_PACKET_OUT, 5)
    assert lacp_scale.packet_out(body) == (9, FRAME)


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 50))
def test_messages_survive_however_they_are_cut(bodies: list[bytes], piece: int) -> None:
    octets = b"".join(lacp_scale.message(10, number, body) for number, body in enumerate(bodies))
    buffer, found = bytearray(), []
    for start in range(0, len(octets), piece):
        buffer += octets[start : start + piece]
        found += list(lacp_scale.messages(buffer))
    assert found == [(10, number, body) for number, body in enumerate(bodies)]
    assert buffer == b""


def test_lateness_is_what_is_beyond_a_period() -> None:
    assert lacp_scale.lateness_s([0.0, 1.0, 2.5, 2.75], 0.5) == [0.0, 0.5, 0.0]
    assert lacp_scale.lateness_s([0.0, 1.5, 2.75], 2.0) == [0.25]


def test_quantiles_are_values_that_were_seen() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [lacp_scale.quantile(values, part) for part in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert lacp_scale.quantile([3.0], 0.5) == 3.0


def test_the_controller_gets_lags_of_all_ports() -> None:
    found = parse(yaml.safe_load(lacp_scale.configuration(3, 5)), "file")
    ports = list(itertools.chain.from_iterable(found.ports.values()))
    assert sorted(ports) == [(dpid, number) for dpid in (1, 2, 3) for number in range(1, 6)]
    assert {len(members) for members in found.ports.values()} == {1, 2}


def test_ports_that_expired_are_found_in_the_log() -> None:
    log = (
        'junk\n{"time": 1.5, "event": "port_status"}\n'
        '{"time": 2.5, "machine": "receive", "old": "PORT_DISABLED", "new": "EXPIRED", "port": "1:1"}\n'
        '{"time": 3.5, "machine": "receive", "old": "CURRENT", "new": "EXPIRED", "port": "1:2"}\n'
    )
    assert lacp_scale.expired(log) == [3.5]
