"""RSTP as a scheme: its commands to Open vSwitch, its options, what it refuses, what it reads back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.errors import SpecError, TrialError
from testbed.experiment.discovery import experiment
from testbed.experiment.plan import factor_levels, list_cases
from testbed.schemes import OPTIONS, SCHEMES, chosen
from testbed.schemes.rstp import Rstp
from testbed.spec import BondOptions, SpanningTree
from topologies.back_to_back import back_to_back
from topologies.dual_switch import dual_switch
from topologies.ring import ring

RSTP = SCHEMES["rstp"]
RING = ring(dual_homed=False)


def shown(**other: str) -> str:
    """rstp/show of the ring of four as the standard wants it, in the form of Open vSwitch 3.1 (lib/rstp.c)."""
    roles = {"s2-eth2": "Root", "s3-eth2": "Root", "s4-eth3": "Root", "s3-eth3": "Alternate"}
    lines = []
    for switch in RING.switches:
        lines += [f"---- {switch.name} ----", "Root ID:", "  stp-priority    4096"]
        lines += ["  stp-hello-time  2s", "  stp-max-age     20s", "  stp-fwd-delay   15s", ""]
        lines += [
            "  Interface  Role       State      Cost     Pri.Nbr ",
            "  ---------- ---------- ---------- -------- -------",
        ]
        for number, port in enumerate(RING.interfaces(switch.name), start=1):
            role = roles.get(port, "Designated")
            state = other.get(port.replace("-", "_"), "Discarding" if role == "Alternate" else "Forwarding")
            lines.append(f"  {port:<10} {role:<10} {state:<10} 20000    128.{number}")
    return "\n".join([*lines, ""])


def live(text: str, raw: Path = Path()) -> Any:
    return SimpleNamespace(topology=RING, ask_switches=lambda command: {"rstp/show": text}[command], raw=raw)


def words(of: Rstp = RSTP, switch: int = 0) -> list[list[str]]:  # type: ignore[assignment]
    found: list[list[str]] = [[]]
    for word in of.starts(RING)[switch].words:
        found.append([]) if word == "--" else found[-1].append(word)
    return found


def test_the_words_are_those_of_the_database() -> None:
    """ovs-vswitchd.conf.db(5): rstp_enable, and the keys of other_config of Bridge and Port."""
    *ports, bridge = words()
    assert bridge == [
        "set",
        "Bridge",
        "s1",
        "rstp_enable=true",
        'other_config:rstp-address="02:02:00:00:00:01"',
        "other_config:rstp-transmit-hold-count=6",
        "other_config:rstp-priority=4096",
        "other_config:rstp-max-age=20",
        "other_config:rstp-forward-delay=15",
    ]
    edge = ["other_config:rstp-port-admin-edge=true", "other_config:rstp-port-auto-edge=true"]
    number = ["other_config:rstp-port-num=1", "other_config:rstp-port-priority=128"]
    assert ports[0] == ["set", "Port", "s1-eth1", *number, "other_config:rstp-path-cost=20000", *edge]
    assert not any("edge" in word for word in ports[1])  # to another switch


def test_each_bridge_starts_at_an_instant_of_its_own_over_the_hello_time() -> None:
    starts = RSTP.starts(RING)
    assert [start.name for start in starts] == [f"rstp s{number}" for number in (1, 2, 3, 4)]
    assert {start.period_s for start in starts} == {2.0}


def test_nothing_is_forwarded_before_every_bridge_has_its_protocol() -> None:
    """ovs-vsctl(8), set-fail-mode: a bridge in mode secure forwards nothing by itself, one in standalone does."""
    assert RSTP.closed and not SCHEMES["none"].closed
    opened = [" ".join(start.words) for start in RSTP.starts(RING)]
    assert [text.count("set-fail-mode") for text in opened] == [0, 0, 0, 4]
    assert opened[-1].endswith(" ".join(f"-- set-fail-mode s{number} standalone" for number in (1, 2, 3, 4)))


def test_options_reach_the_words() -> None:
    case = {"controller": "rstp", "tree_root": "s2", "max_age_s": 8, "forward_delay_s": 5, "hold_count": 3}
    scheme = chosen({**case, "edge_ports": "none"})
    assert isinstance(scheme, Rstp)
    assert scheme.side.tree == SpanningTree(
        tree_root="s2", max_age_s=8, forward_delay_s=5, hold_count=3, edge_ports="none"
    )
    ports = words(scheme)
    assert ports[0][-2:] == ["other_config:rstp-port-admin-edge=false", "other_config:rstp-port-auto-edge=false"]
    assert "other_config:rstp-priority=32768" in ports[-1] and "other_config:rstp-max-age=8" in ports[-1]
    assert "other_config:rstp-priority=4096" in words(scheme, 1)[-1]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"max_age_s": 30, "forward_delay_s": 15}, r"wanted 2 x \(Hello Time \+ 1\) = 6 to 2 x .* = 28"),
        ({"forward_delay_s": 4}, r"max_age_s=20 does not go with forward_delay_s=4"),
        ({"max_age_s": 5}, r"max_age_s is 5; wanted 6 or more"),
        ({"max_age_s": 41, "forward_delay_s": 30}, r"max_age_s is 41; wanted 40 or less"),
        ({"hold_count": 11}, r"hold_count is 11; wanted 10 or less"),
        ({"edge_ports": "some"}, r"edge_ports"),
    ],
)
def test_what_the_standard_does_not_allow_is_refused(given: dict[str, Any], what: str) -> None:
    """IEEE 802.1D-2004, Table 17-1 and 17.14: 2 x (Forward Delay - 1) >= Max Age >= 2 x (Hello Time + 1)."""
    with pytest.raises(SpecError, match=what):
        chosen({"controller": "rstp", **given})


def test_loops_are_allowed_and_what_does_not_go_is_refused() -> None:
    RSTP.check(ring(bonding=BondOptions(mode="active-backup")))
    RSTP.check(dual_switch())
    RSTP.check(back_to_back())
    with pytest.raises(SpecError, match=r"LAG 'lag-h1' is static, and controller rstp has no LAGs"):
        RSTP.check(ring(bonding=BondOptions(mode="balance-xor")))
    with pytest.raises(SpecError, match=r"unknown tree_root of topology 'ring': 's9'"):
        chosen({"controller": "rstp", "tree_root": "s9"}).check(RING)
    with pytest.raises(SpecError, match=r"is 25 bridges from the root; .* over 20 at most"):
        RSTP.check(ring(dual_homed=False, switches=50))


#: A level of each option that is not its default.
LEVELS = {"tree_root": "s2", "edge_ports": "none", "max_age_s": "8", "forward_delay_s": "20", "hold_count": "8"}
LEVELS |= {"bfd_ms": "50", "bfd_mult": "5"}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_a_factor_of_every_experiment(name: str) -> None:
    scheme = next(each.name for each in SCHEMES.values() if name in each.reads)
    settings = {"dual_homed": "false", "controller": scheme, name: LEVELS[name]}
    levels = factor_levels(experiment("failover"), ring, settings, quick=False)
    assert all(name in case for case in list_cases(experiment("failover"), ring, levels, named=settings).kept)


def test_an_option_of_another_scheme_is_refused() -> None:
    settings = {"dual_homed": "false", "controller": "testbed", "max_age_s": "8"}
    levels = factor_levels(experiment("failover"), ring, settings, quick=False)
    with pytest.raises(SpecError, match=r"max_age_s=8: controller testbed has no max_age_s"):
        list_cases(experiment("failover"), ring, levels, named=settings)


def test_it_has_converged_when_every_port_has_its_role_and_state() -> None:
    assert RSTP.missing(live(shown())) == ""
    assert RSTP.missing(live(shown(s2_eth3="Learning"))) == "s2-eth3 is Designated Learning, not Designated Forwarding"
    assert "s4-eth3 is absent" in RSTP.missing(live(shown().replace("Root       Forwarding 20000    128.3", "")))
    assert "s3-eth3 is Root Forwarding, not Alternate Discarding" in RSTP.missing(
        live(shown().replace("Alternate  Discarding", "Root       Forwarding"))
    )


def test_what_was_built_is_read_back(tmp_path: Path) -> None:
    RSTP.built(live(shown()))
    with pytest.raises(TrialError, match=r"rstp was built with max-age 19 s, wanted 20 s"):
        RSTP.built(live(shown().replace("20s", "19s")))
    with pytest.raises(TrialError, match=r"s1-eth1 has the cost, priority and number"):
        RSTP.built(live(shown().replace("20000    128.1", "2000     128.1")))
    RSTP.collect(live(shown(), tmp_path))
    assert (tmp_path / "rstp_show.txt").read_text() == shown()
