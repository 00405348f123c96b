"""Why no case of a run can be carried out: once, in the words of the command, with advice that leads on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.plan import factor_levels, list_cases

LONELY = """
from testbed.spec import Cable, VrrpOptions
from testbed.spec.wiring import Wiring


def lonely(*, cable=Cable(), vrrp=VrrpOptions()):
    net = Wiring(cable=cable)
    near, far = net.switches(2)
    net.single("h1", near)
    net.single("h2", far)
    net.router("west", [(near, 0)])
    return net.topology("lonely", vrrp=(vrrp.over(("west", "east"), (net.virtual(0),)),))
"""


def refused(experiment: str, topology: str = "", **settings: str) -> SpecError:
    found = discovery.experiment(experiment)
    function = discovery.topology(topology or found.topology)
    with pytest.raises(SpecError) as caught:
        list_cases(found, function, factor_levels(found, function, settings, quick=False), named=set(settings))
    return caught.value


def test_a_reason_that_holds_whatever_the_levels_are_is_given_once(tmp_path: Path) -> None:
    path = tmp_path / "lonely.py"
    path.write_text(LONELY)
    message = refused("gateway", str(path)).message
    assert message == "router 'west' is in one subnet; wanted two or more to forward between"


@pytest.mark.parametrize(
    ("experiment", "topology", "settings", "hint"),
    [
        ("gateway", "mlag", {}, "Type: --topology gateway_pair"),
        ("gateway", "firewall_pair", {}, "Type: --set vrrp_preempt=true"),
        ("atlas", "gateway_pair", {}, "Type: --topology two_ways"),
        ("atlas", "", {"technique": "ecmp", "ecmp_bfd_ms": "50"}, "Type: --set technique=ecmp-bfd"),
        (
            "tcp_failover",
            "two_ways",
            {"mode": "mptcp"},
            "Type: testbed run messages --topology two_ways --set mode=mptcp",
        ),
    ],
)
def test_the_advice_names_the_cure(experiment: str, topology: str, settings: dict[str, str], hint: str) -> None:
    assert refused(experiment, topology, **settings).hint == hint


def test_the_advice_leads_on() -> None:
    """What each advice above says to type is taken."""
    for experiment, topology, settings in (
        ("gateway", "firewall_pair", {"vrrp_preempt": "true"}),
        ("gateway", "gateway_pair", {}),
        ("atlas", "two_ways", {"technique": "ecmp-bfd", "ecmp_bfd_ms": "50"}),
        ("messages", "two_ways", {"mode": "mptcp"}),
    ):
        found, function = discovery.experiment(experiment), discovery.topology(topology)
        assert list_cases(
            found, function, factor_levels(found, function, settings, quick=False), named=set(settings)
        ).kept


def test_what_a_level_stands_for_is_said_of_that_level() -> None:
    error = refused("atlas", technique="active-backup,ecmp", ways="3", length="0")
    assert error.message.startswith(
        "technique=active-backup sets peer_links=1: two_ways takes no peer_links with length=0"
    )
    assert "peer_links" not in error.hint and len(error.message.splitlines()) == 1


def test_several_reasons_are_lines_and_the_first_is_of_what_was_typed() -> None:
    lines = refused("tcp_failover", "two_ways", mode="mptcp").message.splitlines()
    assert lines[0] == "no case of this run applies:"
    assert lines[1].startswith("  mode mptcp carries TCP alone") and lines[2].startswith("  miimon_ms=20 cannot be had")
    assert len(lines) == 3 and all(re.match(r"  \S", line) for line in lines[1:])


def test_a_daemon_that_is_not_there_is_answered_by_those_that_are() -> None:
    message = refused("chaos", "gateway_pair", schedule="service_crash r1:foo 0.5 for 2").message
    assert message.endswith("service_crash takes a service, not 'r1:foo'. Here: r1:keepalived, r2:keepalived")
