"""STP as a scheme: its commands to Open vSwitch, its options, what it refuses, what it reads back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from testbed.errors import SpecError
from testbed.experiment.discovery import experiment
from testbed.experiment.plan import factor_levels, list_cases
from testbed.schemes import SCHEMES, chosen
from testbed.spec import SpanningTree
from topologies.leaf_spine import leaf_spine
from topologies.ring import ring

STP = SCHEMES["stp"]
RING = ring(dual_homed=False)


def test_the_words_are_those_of_the_database() -> None:
    """ovs-vswitchd.conf.db(5): stp_enable, and the keys of other_config of Bridge and Port; 1 Gbit/s costs 4
    (IEEE 802.1D-1998, Table 8-5)."""
    scheme = chosen({"controller": "stp", "max_age_s": 6, "forward_delay_s": 4})
    words = " ".join(scheme.starts(RING)[1].words)
    port = "other_config:stp-port-num=1 other_config:stp-port-priority=128 other_config:stp-path-cost=4"
    assert words.startswith(f"set Port s2-eth1 {port} --")
    assert words.endswith(
        'set Bridge s2 stp_enable=true other_config:stp-system-id="02:02:00:00:00:02"'
        " other_config:stp-priority=32768 other_config:stp-max-age=6 other_config:stp-forward-delay=4"
    )
    assert scheme.side.tree == SpanningTree(protocol="stp", max_age_s=6, forward_delay_s=4)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"max_age_s": 5}, r"max_age_s is 5; wanted 6 or more"),
        ({"max_age_s": 30}, r"wanted 2 x \(Hello Time \+ 1\) = 6 to"),
    ],
)
def test_what_the_standard_does_not_allow_is_refused(given: dict[str, Any], what: str) -> None:
    """IEEE 802.1D-1998, 8.10.2: Max Age >= 2 x (Hello Time + 1)."""
    with pytest.raises(SpecError, match=what):
        chosen({"controller": "stp", **given})


@pytest.mark.parametrize(("scheme", "name", "level"), [("stp", "edge_ports", "none"), ("stp", "hold_count", "3")])
def test_it_has_not_what_rstp_brought(scheme: str, name: str, level: str) -> None:
    settings = {"dual_homed": "false", "controller": scheme, name: level}
    levels = factor_levels(experiment("failover"), ring, settings, quick=False)
    with pytest.raises(SpecError, match=rf"{name}={level}: controller {scheme} has no {name}"):
        list_cases(experiment("failover"), ring, levels, named=settings)


def test_the_hello_time_is_open_vswitchs() -> None:
    """IEEE 802.1D-2004, Table 17-1; 802.1D-1998, Table 8-3."""
    for scheme in ("rstp", "stp"):
        with pytest.raises(SpecError, match="hello_s"):
            factor_levels(
                experiment("failover"), ring, {"dual_homed": "false", "controller": scheme, "hello_s": "1"}, quick=False
            )


def test_a_switch_with_more_ports_than_numbers_is_refused() -> None:
    with pytest.raises(SpecError, match=r"switch 'spine1' has 256 ports; STP numbers 255 at most"):
        STP.check(leaf_spine(leaves=256, spines=1, hosts=1))


def test_ports_are_known_by_their_numbers_for_long_names_are_cut() -> None:
    """stp_print_details, lib/stp.c: ten characters of a name, roles and states in small letters."""
    topology = leaf_spine()
    lines = []
    for switch in topology.switches:
        lines += [f"---- {switch.name} ----", "  stp-hello-time  2s", "  stp-max-age     20s", "  stp-fwd-delay   15s"]
        for port in topology.interfaces(switch.name):
            at = topology.ports[port]
            role = "root" if (switch.name.startswith("leaf") and at.far.startswith("spine1")) else "designated"
            role = {"spine2-eth1": "root"}.get(port, "alternate" if switch.name == "spine2" else role)
            state, cost = "blocking" if role == "alternate" else "forwarding", 2 if at.link.rate_mbps == 10_000 else 4
            lines.append(f"  {port[:10]:<11}{role:<11}{state:<11}{cost:<6}128.{at.number} ")
    nothing = {"bond/show": "", "lacp/show": ""}
    live: Any = SimpleNamespace(topology=topology)
    live.ask_switches = lambda command: {"stp/show": "\n".join(lines), **nothing}[command]
    assert STP.missing(live) == ""
    STP.built(live)
    lines[4] = lines[4].replace("forwarding", "listening ")
    assert STP.missing(live) == "spine1-eth1 is Designated Listening, not Designated Forwarding"
