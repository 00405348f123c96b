"""The controller's state as text: tables, state octets, and the command that prints them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from testbed.cli import cli
from testbed.controller.state import metrics
from testbed.controller.text import octet, plain, tables
from testbed.errors import TestbedError
from testbed.spec import BondOptions
from tests.controller.rig import Rig
from tests.synthetic import manifest, record, write
from topologies.mlag import mlag
from topologies.single_switch import single_switch


@pytest.fixture(scope="module")
def rig() -> Rig:
    rig = Rig(mlag())
    rig.answer()
    rig.run(4.0)
    rig.set_link("s1-eth1", False)
    rig.run(0.5)
    return rig


@pytest.mark.parametrize(
    ("state", "text"),
    [
        # IEEE 802.1AX-2014, 6.4.2.3 m: bit 0 is LACP_Activity, bit 7 is Expired.
        (0x3D, "3D **DCSG*A"),
        (0x3F, "3F **DCSGSA"),
        (0xC7, "C7 EF***GSA"),
        (0x00, "00 ********"),
    ],
)
def test_an_octet_has_its_most_significant_bit_first(state: int, text: str) -> None:
    assert octet(state) == text


def test_the_tables_show_each_lag_and_port(rig: Rig) -> None:
    shown = {table.title: table for table in tables(json.loads(json.dumps(rig.state())))}
    lags = {row[0]: dict(zip(shown["LAGs"].header, row, strict=True)) for row in shown["LAGs"].rows}
    assert (lags["lag-h1"]["distributing"], lags["lag-h1"]["unselected"]) == ("2:1", "1:1")
    assert (lags["lag-h2"]["distributing"], lags["lag-h2"]["forwarder"]) == ("1:2, 2:2", "1")
    assert {lag["mux"] for lag in lags.values()} == {"independent"}
    ports = {row[0]: dict(zip(shown["Ports"].header, row, strict=True)) for row in shown["Ports"].rows}
    assert (ports["2:1"]["actor"], ports["2:1"]["carrier"], ports["1:1"]["carrier"]) == ("3F **DCSGSA", "yes", "no")
    machines = {row[0]: dict(zip(shown["Machines"].header, row, strict=True)) for row in shown["Machines"].rows}
    assert (machines["2:1"]["mux"], machines["1:1"]["receive"]) == ("DISTRIBUTING", "PORT_DISABLED")
    assert machines["1:1"]["reason"] == "no carrier"
    assert ("2", "0x10000", "select", "port 1") in shown["Groups"].rows


def test_a_static_lag_is_shown() -> None:
    rig = Rig(single_switch(bonding=BondOptions(mode="balance-xor")))
    rig.answer()
    (lags,) = (table for table in tables(rig.state()) if table.title == "LAGs")
    assert [(row[0], row[3], row[5], row[10]) for row in lags.rows] == [
        ("lag-h1", "off", "up", "1:1, 1:2"),
        ("lag-h2", "off", "up", "1:3, 1:4"),
    ]


def test_plain_text_has_columns(rig: Rig) -> None:
    lines = plain(tables(rig.state())).splitlines()
    assert lines[0] == "LAGs"
    assert lines[1].index("key") == lines[2].index("1    ")
    assert not any(line.endswith(" ") for line in lines)


@pytest.fixture
def run(tmp_path: Path, rig: Rig) -> Path:
    """A run of two trials, of which the first has a state."""
    path = tmp_path / "run"
    write(path, manifest("failover", {}, []), [record(number, "failover", {}, {}) for number in (1, 2)])
    for number in (1, 2):
        (path / f"raw/{number:03d}").mkdir(parents=True)
    (path / "raw/001/controller_state.json").write_text(json.dumps(rig.state()))
    (path / "raw/001/controller_metrics.prom").write_text(metrics(rig.state()))
    return path


def asked(*words: str) -> Result:
    return CliRunner().invoke(cli, ["state", *words])


def test_the_command_prints_tables_json_and_metrics(run: Path, rig: Rig) -> None:
    assert "**DCSGSA" in asked(str(run)).output
    assert json.loads(asked(str(run), "--json").output) == json.loads(json.dumps(rig.state()))
    assert asked(str(run), "--metrics").output == metrics(rig.state())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--trial", "2"), "has no controller_state.json: our controller did not control its switches, or"),
        (("--trial", "2", "--metrics"), "has no controller_metrics.prom"),
        (("--trial", "3"), "has no trial 3; it has 1 to 2"),
        (("--json", "--metrics"), "--json and --metrics exclude each other"),
    ],
)
def test_a_missing_file_or_trial_is_an_error(run: Path, words: tuple[str, ...], text: str) -> None:
    answer = asked(str(run), *words)
    assert isinstance(answer.exception, TestbedError)
    assert text in answer.exception.message
