"""Which elements an audit fails, and what it reports about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.audit import FAULTS, audit, probed_pairs, read
from testbed.design.trial import Trial
from testbed.errors import SpecError
from testbed.experiment.plan import factor_levels
from testbed.faults import catalogue
from testbed.faults.elements import elements
from testbed.results import audit as audits
from testbed.results.result import Record
from testbed.schemes import chosen
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.service import service
from topologies.unprotected import unprotected


def record(element: str, *, survived: bool = True, status: str = "", outage_s: float = 0.0, **more: Any) -> Record:
    """A trial's line, as experiments/audit.py writes it."""
    metrics = {
        "kind": "link",
        "survived": survived,
        "outage_s": outage_s,
        "return_outage_s": 0.0,
        "bound_s": 0.1,
        "within_bound": survived,
        "expected_connected": survived,
        "agrees_with_oracle": True,
        **more,
    }
    status = status or ("ok" if survived else "censored")
    return Record(
        experiment="audit",
        case={"element": element},
        repetition=0,
        seed=1,
        status=status,
        reason="the guest ended" if status == "failed" else "",
        metrics={} if status == "failed" else metrics,
        virtual_s=1.0,
        wall_s=1.0,
        warnings=[],
        raw="raw/001",
    )


def test_every_element_is_failed_once() -> None:
    assert audits.levels(mlag()) == tuple(element.name for element in elements(mlag()))


def test_every_two_but_a_link_and_its_own_interface() -> None:
    topology = unprotected(switches=1)  # 2 links, 2 interfaces, 1 switch, the controller: 15 pairs, 2 of them one
    pairs = [level for level in audits.levels(topology, pairs=True) if "+" in level]
    assert len(pairs) == 13
    assert "h1-eth0--s1-eth1+h1-eth0" not in pairs
    assert "h1-eth0--s1-eth1+h2-eth0" in pairs and "s1+c0" in pairs


def test_pairs_of_one_layer_are_those_that_may_stand_in_for_one_another() -> None:
    pairs = [level for level in audits.levels(service(), layer_pairs=True) if "+" in level]
    together = ("c-eth0--ia-eth0+c-eth1--ib-eth0", "ia+ib", "s1+s2", "f1+f2", "b1+b2", "w1+w2", "c0-s1+c0-s2")
    assert set(together) < set(pairs)
    assert not {"ia+f1", "b1+w1", "f1+b1", "f1-eth0+b1-eth0", "c0+c0-s1"} & set(pairs)
    assert set(pairs) < set(audits.levels(service(), pairs=True))
    assert "h1-eth0--s1-eth1+h1-eth1--s2-eth1" in audits.levels(mlag(), layer_pairs=True)


def test_an_audit_that_is_not_carried_out_says_what_theory_does() -> None:
    """Each layer of the chain needs one of its two; that both connections to the controller are lost is not decided."""
    side = chosen({"controller": "testbed"}).side
    rows = {
        row.element: row.expected_connected
        for row in audits.planned(service(), side, audits.levels(service(), side, layer_pairs=True), 1.5)
    }
    assert {rows[f"{layer}1+{layer}2"] for layer in "sfbw"} == {rows["ia+ib"]} == {False}
    assert {said for element, said in rows.items() if "+" not in element} == {True}
    alone = audits.planned(service(firewall="single"), side, ["f1", "b1", "f1+b1"], 1.5)
    assert audits.weak_points(alone) == ["f1"]
    assert audits.verdict(service(firewall="single"), alone) == (
        "1 of 2 elements are single points of failure for traffic between c, 10.63.0.254: f1."
        " 0 of 1 pairs interrupt it together, though neither element does alone."
    )


def test_quick_fails_one_of_each_kind() -> None:
    found = audits.levels(mlag(members=2, peer_members=2), quick=True)
    assert found == (
        *("h1-eth0--s1-eth1", "h1-eth1--s2-eth1", "h2-eth0--s1-eth3", "h2-eth1--s2-eth3"),
        *("s1-eth5--s2-eth5", "h3-eth0--s1-eth7", "h1-eth0", "h2-eth0", "h3-eth0", "s1", "s2", "c0", "c0-s1", "c0-s2"),
    )


def test_every_kind_of_element_has_a_fault() -> None:
    for topology in (mlag(), unprotected()):
        for element in elements(topology):
            name, parameters = FAULTS[element.kind]
            catalogue.checked(topology, name, element.hit, parameters)


def test_levels_pass_as_one_setting() -> None:
    """Element names hold neither commas nor plus signs, which divide levels and elements."""
    wanted = audits.levels(leaf_spine(), pairs=True)
    found = factor_levels(audit(), leaf_spine, {"element": ",".join(wanted)}, quick=False)
    assert found["element"] == wanted


def test_many_hosts_are_probed_each_with_the_next() -> None:
    assert probed_pairs(mlag()) == [("h1", "h2")]
    assert probed_pairs(leaf_spine()) == [("h1", "h2"), ("h2", "h3"), ("h3", "h4"), ("h4", "h1")]


def test_a_network_without_single_points_of_failure() -> None:
    rows = audits.rows_of([record("s1"), record("s2", outage_s=0.05)])
    assert audits.weak_points(rows) == []
    assert audits.verdict(mlag(), rows) == "No single point of failure for traffic between h1, h2 among 2 elements."


def test_single_points_of_failure_undecided_and_unpredicted_elements_are_reported() -> None:
    rows = audits.rows_of(
        [
            record("s1", survived=False, agrees_with_oracle=False),
            record("s2", within_bound=False, outage_s=3.0),
            record("c0", status="failed"),
            record("h1-eth0+h1-eth1", survived=False),
            record("s1+h1-eth0", survived=False),
            record("s2+h1-eth0"),
        ]
    )
    assert audits.weak_points(rows) == ["s1"]
    assert audits.verdict(unprotected(), rows) == (
        "1 of 2 elements are single points of failure for traffic between h1, h2: s1."
        " 1 of 3 pairs interrupt it together, though neither element does alone: h1-eth0+h1-eth1."
        " Not decided, because the trial failed: c0. Not as theory predicts: s1. Outage longer than its bound: s2."
    )
    assert audits.as_json(unprotected(), rows)["single_points_of_failure"] == ["s1"]


def test_of_repetitions_the_worst_counts() -> None:
    rows = audits.rows_of([record("s1", outage_s=0.1), record("s1", outage_s=0.3), record("s1", outage_s=0.2)])
    assert [row.outage_s for row in rows] == [0.3]
    rows = audits.rows_of([record("s1", survived=False), record("s1", outage_s=9.0)])
    assert audits.weak_points(rows) == ["s1"]


def test_an_audit_is_of_one_network(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from testbed.cli import cli

    place = str(tmp_path / "run")
    answer = CliRunner().invoke(cli, ["audit", "mlag", "--set", "members=1,2", "--out", place])
    assert isinstance(answer.exception, SpecError)
    assert str(answer.exception) == (
        "--set members=1,2 gives 2 levels; an audit is of one network\nGive one level, or run several audits."
    )


def test_show_draws_and_lists(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from testbed.cli import cli

    svg = tmp_path / "drawing.svg"
    answer = CliRunner().invoke(cli, ["show", "ring", "--set", "switches=3", "--svg", str(svg)])
    assert answer.exit_code == 0, answer.output
    for text in (" s3 │", "s3-eth3", "LACP system left", "Survives the loss of any link or switch.", "switches=4"):
        assert text in answer.output
    assert svg.read_text().startswith("<svg ")


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("topologies", ("leaf_spine", "Survives the loss of any link, leaf or spine", "spines=2, leaves=4")),
        ("faults", ("switch_crash", "of a switch", "--set flap_period_ms=400.0")),
        ("experiments", ("audit", "factors: element=s1")),
        ("modes", ("balance-alb",)),
        ("controllers", ("ovs",)),
    ],
)
def test_one_kind_alone_is_listed_with_its_details(kind: str, texts: tuple[str, ...]) -> None:
    from click.testing import CliRunner

    from testbed.cli import cli

    answer = CliRunner().invoke(cli, ["list", kind])
    assert answer.exit_code == 0, answer.output
    assert all(text in answer.output for text in texts), answer.output


@pytest.mark.parametrize(("away_s", "judged"), [(1.5, True), (10.0, False)])
def test_what_theory_does_not_know_is_not_judged(tmp_path: Path, away_s: float, judged: bool) -> None:
    """A controller that is away for longer than LACP's timeout (3 s after the last LACPDU, IEEE 802.1AX-2014, 6.4.4):
    how the bonds of mlag then choose between two switches, no document says."""
    events = [{"t_s": at_s, "source": "fault", "event": edge} for at_s, edge in ((1.0, "begin"), (1.0 + away_s, "end"))]
    (tmp_path / "timeline.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (tmp_path / "reach.json").write_text("[]")
    sent = [number * 0.005 for number in range(2600)]
    arrived = ["" if 2.0 < at_s < 2.2 else at_s + 1e-4 for at_s in sent]
    rows = (f"h1>h2:0,{number},{at_s},{then}" for number, (at_s, then) in enumerate(zip(sent, arrived, strict=True)))
    (tmp_path / "probe.csv").write_text("\n".join(["flow,seq,sent_s,received_s", *rows]) + "\n")
    case = {"element": "c0", "controller": "testbed", "controller_down_s": away_s, "probe_interval_ms": 5.0}
    metrics = read(tmp_path, Trial(1, "audit", case, 0, 1, mlag())).metrics
    assert metrics["expected_connected"] is (True if judged else None)
    assert metrics["bound_s"] == (0.0 if judged else None)
    assert metrics["within_bound"] is (False if judged else None)


def test_what_was_observed_is_the_mean_of_the_repetitions() -> None:
    """For `testbed availability`: a failure costs its outages on average; a trial that failed says nothing."""
    found = audits.observed(
        [
            *(record("s1", outage_s=0.1, return_outage_s=0.4), record("s1", outage_s=0.3, return_outage_s=None)),
            *(record("s2", outage_s=0.1), record("s2", survived=False, outage_s=9.0)),
            *(record("c0", status="failed"), record("s1+s2", survived=False)),
        ]
    )
    assert set(found) == {frozenset({"s1"}), frozenset({"s2"}), frozenset({"s1", "s2"})}
    s1 = found[frozenset({"s1"})]
    assert (s1.survived, s1.outage_s, s1.return_outage_s) == (True, pytest.approx(0.2), pytest.approx(0.4))
    assert not found[frozenset({"s2"})].survived and not found[frozenset({"s1", "s2"})].survived
