"""Figures of distributions, faults, splits, placement and single trials, from synthetic runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic

from testbed import figures, theory
from testbed.figures import lanes, style, throughput
from testbed.figures.style import Drawing
from testbed.results.result import Run
from testbed.spec import Bond

RUNS: dict[str, tuple[str, Callable[[Path], Run]]] = {
    "matrix": ("matrix", synthetic.matrix),
    "ecdf": ("matrix", synthetic.matrix),
    "detection": ("noticed", synthetic.noticed),
    "split": ("parted", synthetic.parted),
    "placement": ("placed", synthetic.placed),
    "throughput": ("transfers", synthetic.transfers),
    "lanes": ("transfers", synthetic.transfers),
    "reordering": ("overtaken", synthetic.overtaken),
    "displacement": ("displaced", synthetic.displaced),
    "cost": ("costly", synthetic.costly),
    "atlas": ("mapped", synthetic.mapped),
    "elements": ("audited", synthetic.audited),
}


def drawn(name: str, run: Run) -> Drawing:
    return figures.drawings(run, [name])[name]


def texts(drawing: Drawing) -> list[str]:
    """All text in the axes."""
    return [text.get_text() for axes in drawing.figure.axes for text in axes.texts]


def titles(drawing: Drawing) -> list[str]:
    return [axes.get_title(loc="left") for axes in drawing.figure.axes if axes.get_visible()]


def legend(drawing: Drawing) -> list[str]:
    return [text.get_text() for text in drawing.figure.legends[0].get_texts()]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.filterwarnings("error")
def test_the_same_run_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    run = RUNS[name][1](tmp_path / "run")
    first, second = (figures.draw(run, tmp_path / place, [name]) for place in ("first", "second"))
    assert [path.suffix for path in first] == [".pdf", ".svg", ".png", ".csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    with first[3].open(newline="") as file:
        header, *rows = list(csv.reader(file))
    assert rows and all(len(row) == len(header) for row in rows)


@pytest.mark.parametrize("name", sorted(figures.FIGURES))
def test_a_figure_without_data_says_why(tmp_path: Path, name: str) -> None:
    one = synthetic.record(1, "any", {"mode": "802.3ad"}, {"other": 1})
    run = synthetic.write(tmp_path / "run", synthetic.manifest("any", {"mode": ["802.3ad"]}, []), [one])
    drawing = drawn(name, run)
    if name == "outage":
        assert [row[3] for row in drawing.rows] == [None]
        return
    assert drawing.rows == []
    assert "Nothing to draw: " in drawing.caption
    assert drawing.figure.texts[0].get_text() in drawing.caption


def _bound_s(mode: str, fault: str) -> float:
    bound = theory.failover_bound(Bond(("h1-eth0", "h1-eth1"), mode=mode), fault)
    assert bound is not None
    return bound.bound_s


def test_cells_say_median_longest_bound_and_what_never_ended(tmp_path: Path) -> None:
    run = synthetic.matrix(tmp_path / "run")
    drawing = drawn("matrix", run)
    rows = {(row[0], row[1]): row for row in drawing.rows}
    assert len(rows) == 35
    two = [
        float(record.metrics["outage_s"])
        for record in run.records
        if (record.case["mode"], record.case["fault"]) == ("active-backup", "carrier_loss")
    ]
    expected = (sum(two) / 2, max(two), _bound_s("active-backup", "carrier_loss"), "within the bound")
    assert rows["active-backup", "carrier_loss"][5:] == expected
    never = "no bound, not noticed before the repair"
    assert rows["active-backup", "silent_loss"][2:] == (2, 0, 2, None, 3.0, None, never)
    assert rows["broadcast", "miscabling"][5:] == (0.5, 0.5, 0.2, "beyond the bound")
    assert rows["balance-tlb", "miscabling"][2:] == (2, 2, 0, None, None, None, "trial failed")
    written = texts(drawing)
    assert written.count("> 3 s") == 6  # every mode but 802.3ad, where LACP detects it
    assert "500 ms\n(200 ms)" in written
    shown = "\n".join(f"{value * 1e3:.0f} ms" for value in sorted(two))
    assert any(text.startswith(f"{shown}\n(") for text in written)
    assert "2 failed" in written
    assert legend(drawing) == [
        "within the bound",
        "no bound, not noticed before the repair",
        "beyond the bound",
        "trial failed",
    ]
    assert "n = 2 trials in each" in drawing.caption


def test_faults_stand_together_by_what_they_hit(tmp_path: Path) -> None:
    drawing = drawn("matrix", synthetic.matrix(tmp_path / "run"))
    (axes,) = drawing.figure.axes
    faults = [label.get_text() for label in axes.get_yticklabels()]
    assert faults == ["carrier_loss", "silent_loss", "miscabling", "switch_crash", "controller_crash"]
    assert [text for text in texts(drawing) if text in ("link", "switch", "controller")] == [
        "link",
        "switch",
        "controller",
    ]


def test_cells_without_trials_say_why(tmp_path: Path) -> None:
    """A combination that does not apply, one that is missing, and one that by theory has no path left."""
    good = {"outage_s": 0.02, "bound_s": 0.1, "within_bound": True}
    cut = {"outage_s": 4.0, "bound_s": None, "connected_by_theory": False}
    records = [
        synthetic.record(1, "failover", {"mode": "802.3ad", "fault": "lacp_loss"}, good),
        synthetic.record(2, "failover", {"mode": "802.3ad", "fault": "host_reboot"}, cut, status="censored"),
        synthetic.record(3, "failover", {"mode": "active-backup", "fault": "carrier_loss"}, good),
    ]
    factors = {"mode": ["active-backup", "802.3ad"], "fault": ["carrier_loss", "lacp_loss", "host_reboot"]}
    left_out = ["mode=active-backup controller=testbed fault=lacp_loss: mode active-backup speaks no LACP"]
    manifest = synthetic.manifest("failover", factors, [], left_out=left_out)
    drawing = drawn("matrix", synthetic.write(tmp_path / "run", manifest, records))
    verdict = {(row[0], row[1]): row[-1] for row in drawing.rows}
    assert verdict["active-backup", "lacp_loss"] == "does not apply"
    assert verdict["802.3ad", "carrier_loss"] == verdict["active-backup", "host_reboot"] == "not carried out"
    assert verdict["802.3ad", "host_reboot"] == "no path left, by theory"
    assert legend(drawing) == ["within the bound", "no path left, by theory", "does not apply", "not carried out"]


def test_a_failed_trial_shows_next_to_others_within_the_bound(tmp_path: Path) -> None:
    case = {"mode": "802.3ad", "fault": "carrier_loss"}
    good = synthetic.record(1, "failover", case, {"outage_s": 0.02, "bound_s": 0.1, "within_bound": True})
    failed = synthetic.record(2, "failover", case, {}, status="failed", reason="no link")
    manifest = synthetic.manifest("failover", {"mode": ["802.3ad"], "fault": ["carrier_loss"]}, [])
    drawing = drawn("matrix", synthetic.write(tmp_path / "run", manifest, [good, failed]))
    assert "20 ms\n(100 ms)\n1 of 2 failed" in texts(drawing)
    assert drawing.rows[0][-1] == "trial failed"


def test_one_trial_has_no_band(tmp_path: Path) -> None:
    for trials, bands in ((1, 0), (5, 0), (6, 1)):
        case = {"mode": "802.3ad", "fault": "carrier_loss"}
        records = [synthetic.record(n, "failover", case, {"outage_s": n / 100}) for n in range(1, trials + 1)]
        manifest = synthetic.manifest("failover", {"mode": ["802.3ad"]}, [], repetitions=trials)
        drawing = drawn("ecdf", synthetic.write(tmp_path / f"{trials}", manifest, records))
        assert len(drawing.figure.axes[0].collections) == bands


def test_censored_trials_keep_the_distribution_below_one(tmp_path: Path) -> None:
    drawing = drawn("ecdf", synthetic.failover(tmp_path / "run"))
    own = [row for row in drawing.rows if row[0] == "802.3ad"]
    # 12 trials: one failed and does not count, one of the other 11 never recovered.
    assert own[-1][2] == pytest.approx(10 / 11)
    assert own[-1][5:] == (11, 1, 1)
    assert all(row[3] <= row[2] <= row[4] for row in drawing.rows)
    assert texts(drawing) == ["50 ms", "1 s", "3 s"]
    assert drawing.figure.axes[0].get_xscale() == "log"


def test_many_series_are_divided_by_fault(tmp_path: Path) -> None:
    drawing = drawn("ecdf", synthetic.matrix(tmp_path / "run"))
    found = titles(drawing)
    assert found == ["carrier_loss", "silent_loss", "switch_crash", "controller_crash", "miscabling"]
    assert "802.3ad, fault silent_loss" in {row[0] for row in drawing.rows}


def test_detection_is_tested_against_the_uniform_distribution(tmp_path: Path) -> None:
    even = drawn("detection", synthetic.noticed(tmp_path / "even"))
    skewed = drawn("detection", synthetic.noticed(tmp_path / "skewed", evenly=False))
    assert all(row[8] > 0.05 for row in even.rows)
    assert all(row[8] < 1e-6 for row in skewed.rows)
    assert {row[3:7] for row in even.rows} == {(0.0, 0.05, 200, 0), (0.0, 0.1, 200, 0)}
    assert titles(even)[0].startswith("miimon_ms 50: n = 200, p = 0.")
    assert "uniform, by theory" in legend(even)


def test_every_case_has_its_own_law_in_its_own_panel(tmp_path: Path) -> None:
    drawing = drawn("detection", synthetic.noticed(tmp_path / "run"))
    ends_ms = []
    for axes in drawing.figure.axes:
        (law,) = [line for line in axes.get_lines() if line.get_label() == "uniform, by theory"]
        across, up = np.asarray(law.get_xdata(), dtype=float), np.asarray(law.get_ydata(), dtype=float)
        ends_ms.append(across[np.argmax(up >= 1 - 1e-9)])
    assert ends_ms == pytest.approx([50, 100])


def test_the_end_of_the_law_has_its_interval(tmp_path: Path) -> None:
    """The largest m of n values is at least the end times 0.05^(1/n) with 95 % (order statistics)."""
    drawing = drawn("detection", synthetic.noticed(tmp_path / "run"))
    for axes, end_s in zip(drawing.figure.axes, (0.05, 0.1), strict=True):
        times = [row[1] for row in drawing.rows if row[4] == end_s]
        low, high = max(times), max(times) / 0.05 ** (1 / 200)
        assert axes.get_title(loc="right") == f"end {low * 1e3:.4g} to {high * 1e3:.4g} ms"
        assert all(row[9:] == pytest.approx((low, high)) for row in drawing.rows if row[4] == end_s)


@pytest.mark.parametrize("count", [3, 9, 10])
def test_a_few_times_are_not_tested_against_a_law(tmp_path: Path, count: int) -> None:
    """As in the report, which calls fewer than ten too few to compare."""
    metrics = {"detections_s": [0.09 + place / 1000 for place in range(count)], "bound_s": 0.1, "expected_s": 0.05}
    metrics["expected_low_s"] = 0.0
    manifest = synthetic.manifest("miimon", {"mode": ["active-backup"]}, [])
    record = synthetic.record(1, "miimon", {"mode": "active-backup"}, metrics)
    drawing = drawn("detection", synthetic.write(tmp_path / "run", manifest, [record]))
    enough = count >= 10
    assert (", p = " in titles(drawing)[0]) is enough
    assert bool(drawing.figure.axes[0].get_title(loc="right")) is enough
    assert all((row[8] is not None) is enough for row in drawing.rows)


def test_a_fault_that_was_not_detected_counts(tmp_path: Path) -> None:
    case = {"mode": "active-backup"}
    metrics = {"detections_s": [0.02, None, 0.08], "bound_s": 0.1, "expected_s": 0.05}
    manifest = synthetic.manifest("miimon", {"mode": ["active-backup"]}, [])
    run = synthetic.write(tmp_path / "run", manifest, [synthetic.record(1, "miimon", case, metrics)])
    drawing = drawn("detection", run)
    assert [row[2] for row in drawing.rows] == pytest.approx([1 / 3, 2 / 3])
    assert titles(drawing)[0].endswith(", 1 unnoticed")


def test_a_case_without_a_law_says_so(tmp_path: Path) -> None:
    case, times = {"mode": "active-backup"}, [0.02, 0.05, 0.08]
    manifest = synthetic.manifest("miimon", {"mode": ["active-backup"]}, [])
    record = synthetic.record(1, "miimon", case, {"detections_s": times, "bound_s": None, "expected_s": None})
    assert titles(drawn("detection", synthetic.write(tmp_path / "run", manifest, [record])))[0].endswith("no law")


def test_the_parts_add_up_to_the_outage(tmp_path: Path) -> None:
    drawing = drawn("split", synthetic.parted(tmp_path / "run"))
    for row in drawing.rows[:2]:
        assert sum(row[3:7]) == pytest.approx(row[7])
    assert drawing.rows[2][:3] == ("balance-rr", 4, 0)
    assert "not split" in texts(drawing)
    assert legend(drawing) == ["detection", "decision", "programming", "forwarding"]


def test_parts_below_the_resolution_of_the_clock_are_printed_as_such(tmp_path: Path) -> None:
    parts = {"detection_s": 0.0258, "decision_s": 11e-6, "programming_s": 2.6e-6, "forwarding_s": 0.000244}
    metrics = {**parts, "outage_s": sum(parts.values())}
    without = {**metrics, "programming_s": None}
    manifest = synthetic.manifest("failover", {"mode": ["802.3ad", "balance-rr"]}, [])
    records = [
        synthetic.record(1, "failover", {"mode": "802.3ad"}, metrics),
        synthetic.record(2, "failover", {"mode": "balance-rr"}, without),
    ]
    drawing = drawn("split", synthetic.write(tmp_path / "run", manifest, records))
    assert "25.8 ms | 10 us | < 10 us | 0.24 ms" in texts(drawing)
    assert "25.8 ms | 10 us | none | 0.24 ms" in texts(drawing)
    assert drawing.rows[1][5] is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0.0, "0 ms"), (2.6e-6, "< 10 us"), (9.9e-6, "< 10 us"), (1e-5, "10 us"), (6.9e-5, "70 us")),
        *((1e-4, "0.1 ms"), (2.44e-4, "0.24 ms"), (0.104, "104 ms"), (0.0999996, "100 ms"), (6.29607, "6.3 s")),
    ],
)
def test_times_are_not_finer_than_the_instrument(seconds: float, words: str) -> None:
    assert style.duration(seconds) == words


def test_a_flow_on_another_member_is_framed_and_counted(tmp_path: Path) -> None:
    right, wrong = (drawn("placement", synthetic.placed(tmp_path / str(w), wrong=w)) for w in (False, True))
    assert all(row[4] == row[5] for row in right.rows)
    assert {text for text in texts(right) if " of " in text} == {"2 of 2"}
    differing = [row for row in wrong.rows if row[4] != row[5]]
    assert [row[:4] for row in differing] == [
        ("layer3+4, members 4", 0, 2, 1),
        ("layer3+4, members 4", 1, 2, 1),
    ]
    framed = [p for axes in wrong.figure.axes for p in axes.patches if p.get_linewidth() > 1]
    assert len(framed) == 4  # two cells in each panel


def test_rates_are_those_of_the_sending_host(tmp_path: Path) -> None:
    drawing = drawn("throughput", synthetic.transfers(tmp_path / "run"))
    assert {row[2] for row in drawing.rows} == {f"h1-eth{member}" for member in range(4)}
    cut = [row for row in drawing.rows if row[0] == "802.3ad" and row[2] == "h1-eth0" and 6.01 < row[4] < 6.51]
    assert len(cut) == 10 and all(row[5] == 0 for row in cut)
    carried = [row[5] for row in drawing.rows if row[0] == "802.3ad" and row[2] == "h1-eth1"]
    assert min(carried) > 96 and max(carried) <= 100.01
    assert texts(drawing) == ["carrier_loss s1-eth1"] * 2


def test_a_line_that_was_cut_off_is_left_out_of_the_rates(tmp_path: Path) -> None:
    path = tmp_path / "member_rates.csv"
    path.write_text("t_s,interface,tx_bytes,rx_bytes\n0,h1-eth0,0,0\n1,h1-eth0,125000,0\n2,h1-eth0,25")
    assert throughput.sending(path) == {"h1-eth0": ([0.0, 1.0], [1.0])}


def test_a_file_that_is_damaged_or_missing_has_no_rates(tmp_path: Path) -> None:
    assert throughput.sending(tmp_path / "member_rates.csv") == {}
    (tmp_path / "member_rates.csv").write_text("t_s,interface\n0,h1-eth0\n")
    assert throughput.sending(tmp_path / "member_rates.csv") == {}


EVENTS: list[dict[str, Any]] = [
    {"t_s": 1.0, "source": "fault", "event": "begin", "fault": "carrier_loss", "element": "s1-eth1"},
    {"t_s": 1.0001, "source": "carrier", "event": "carrier", "interface": "h1-eth0", "old": True, "new": False},
    {"t_s": 1.05, "source": "bond", "event": "active_member", "interface": "bond0", "old": "h1-eth0", "new": "h1-eth1"},
    {"t_s": 1.05, "source": "lacp", "event": "state", "machine": "mux", "port": "1:1", "new": "ATTACHED"},
    {"t_s": 3.0, "source": "fault", "event": "end", "fault": "carrier_loss", "element": "s1-eth1"},
]


def test_lanes_show_the_events_of_each_source(tmp_path: Path) -> None:
    one = synthetic.record(1, "failover", {"mode": "active-backup"}, {"outage_s": 0.051})
    synthetic.raw_file(tmp_path / "run", one, "timeline.jsonl", "".join(json.dumps(e) + "\n" for e in EVENTS))
    synthetic.raw_file(tmp_path / "run", one, "probe.csv", "flow,seq,sent_s,received_s\nh1>h2,1,1.0,1.0005\n")
    run = synthetic.after(tmp_path / "run", synthetic.manifest("failover", {"mode": ["active-backup"]}, []), [one])
    drawing = drawn("lanes", run)
    axes = drawing.figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fault", "carrier", "bond", "lacp", "h1>h2"]
    assert texts(drawing) == [
        "carrier_loss s1-eth1 begin",
        "h1-eth0 carrier down",
        "bond0 active member h1-eth1",
        "1:1 mux ATTACHED",
    ]
    assert axes.get_xlim()[1] == pytest.approx(1.35 * 51)  # the repair, at 2 s, is not in the window


def test_the_outage_is_shown_where_no_packets_arrived(tmp_path: Path) -> None:
    """Of several faults the second one stops the traffic, 2 s after the first, until 2.5 s after its end."""
    one = synthetic.record(1, "chaos", {"mode": "active-backup"}, {"outage_s": 3.0})
    fault = {"source": "fault", "fault": "lossy", "element": "s1-eth1"}
    events = [{"t_s": 10.0, "event": "begin", **fault}, {"t_s": 12.5, "event": "end", **fault}]
    received = [at / 100 for at in range(900, 1201)] + [at / 100 for at in range(1500, 1600)]
    rows = "".join(f"h1>h2,{number},{at},{at}\n" for number, at in enumerate(received))
    synthetic.raw_file(tmp_path / "run", one, "timeline.jsonl", "".join(json.dumps(e) + "\n" for e in events))
    synthetic.raw_file(tmp_path / "run", one, "probe.csv", f"flow,seq,sent_s,received_s\n{rows}")
    run = synthetic.after(tmp_path / "run", synthetic.manifest("chaos", {"mode": ["active-backup"]}, []), [one])
    (axes,) = drawn("lanes", run).figure.axes
    (grey,) = [patch for patch in axes.patches if patch.get_alpha() == pytest.approx(0.18)]
    (left, _), (right, _) = axes.transData.inverted().transform(grey.get_window_extent().get_points())
    assert (left, right) == pytest.approx((2, 5), abs=0.02)
    assert axes.get_xlim()[1] > 5


def test_words_do_not_overlap() -> None:
    events = [{"t_s": 1 + n / 1e4, "source": "bond", "event": f"event {n}"} for n in range(5)]
    rows = [row for row, *_ in lanes._placed(events, 1.0, -0.01, 0.1)]
    assert rows == [0, 1, 2, 3, 4]
    same = [{"t_s": 1 + n / 1e6, "source": "bond", "event": "learned"} for n in range(5)]
    assert [words for *_, words, _ in lanes._placed(same, 1.0, -0.01, 0.1)] == ["learned (5 times)"]


def test_an_audit_shows_what_did_not_survive_first_then_the_longest_outages(tmp_path: Path) -> None:
    drawing = drawn("elements", synthetic.audited(tmp_path / "run"))
    assert [row[0] for row in drawing.rows] == ["s1", "c--d", "a--b"]
    assert legend(drawing) == ["single point of failure", "bound of theory", "survived"]


def test_cost_is_shown_for_each_run_time_of_the_network(tmp_path: Path) -> None:
    drawing = drawn("cost", synthetic.costly(tmp_path / "run"))
    assert [(row[0], row[2], row[4]) for row in drawing.rows] == [(0, 16, 4), (0, 64, 16), (30, 16, 7), (30, 64, 19)]


def test_displacement_is_shown_against_the_number_of_members_with_theorys(tmp_path: Path) -> None:
    drawing = drawn("displacement", synthetic.displaced(tmp_path / "run"))
    shown = [(row[0], row[1], *row[4:8]) for row in drawing.rows]  # moved, in vain, each with theory's
    assert shown == [
        ("placed_by host", 2, 0.5, 0.5, 0, 0),
        ("placed_by host", 4, 0.75, 0.75, 0.5, 0.5),
        ("placed_by switch", 2, 0.5, 0.5, 0, 0),
        ("placed_by switch", 4, 0.25, 0.25, 0, 0),
    ]
    assert legend(drawing) == ["theory", "placed_by host", "placed_by switch", "1/N"]


def test_a_displacement_of_one_number_of_members_still_has_its_laws(tmp_path: Path) -> None:
    """A line over one point is invisible: what the legend names is a dash there."""
    whole = synthetic.displaced(tmp_path / "run")
    kept = [record for record in whole.records if len(record.metrics["measured_member_flows"]) == 2]
    drawing = drawn("displacement", synthetic.write(tmp_path / "one", whole.manifest, kept))
    for axes in drawing.figure.axes:
        laws = [line for line in axes.get_lines() if line.get_label() in ("theory", "1/N")]
        assert laws and all(len(np.asarray(line.get_xdata())) == 1 and line.get_marker() == "_" for line in laws)


def test_the_atlas_has_a_panel_for_each_failure_and_one_for_the_return(tmp_path: Path) -> None:
    drawing = drawn("atlas", synthetic.mapped(tmp_path / "run"))
    assert titles(drawing) == ["carrier", "silent", "return"]
    assert legend(drawing) == ["prp", "802.3ad", "spare"]
    rows = {(row[0], row[1]): dict(zip(drawing.header, row, strict=True)) for row in drawing.rows}
    assert len(rows) == 6
    assert rows["802.3ad", "carrier"]["usable_before_links"] == 2
    assert rows["prp", "silent"]["wire_cost_before"] == rows["prp", "silent"]["law_wire_cost_before"] == 2
    laws = {cell: row["law_usable_during_links"] for cell, row in rows.items()}
    assert laws == {cell: None if cell == ("spare", "silent") else 1.0 for cell in rows}
    assert (rows["spare", "silent"]["median_outage_s"], rows["spare", "silent"]["within_law"]) == (None, "no law")
    assert rows["spare", "carrier"]["within_law"] == "1 of 1"


def test_the_atlas_names_a_lone_technique_and_keeps_levels_of_other_factors_apart(tmp_path: Path) -> None:
    whole = synthetic.mapped(tmp_path / "run")
    lone = [each for each in whole.records if each.case["technique"] == "802.3ad"]
    factors = {**whole.manifest["factors"], "technique": ["802.3ad"], "mode": ["802.3ad"]}
    run = synthetic.write(tmp_path / "lone", {**whole.manifest, "factors": factors}, lone)
    assert legend(drawn("atlas", run)) == ["802.3ad"]
    levels = [(ways, each) for ways in (2, 3) for each in lone]
    longer = [
        replace(each, case={**each.case, "ways": ways}, raw=f"raw/{number:03d}")
        for number, (ways, each) in enumerate(levels, start=1)
    ]
    run = synthetic.write(tmp_path / "ways", {**whole.manifest, "factors": {**factors, "ways": [2, 3]}}, longer)
    assert legend(drawn("atlas", run)) == ["802.3ad, ways 2", "802.3ad, ways 3"]


def test_a_matrix_of_the_atlas_names_techniques_and_failures(tmp_path: Path) -> None:
    drawing = drawn("matrix", synthetic.mapped(tmp_path / "run"))
    assert [row[:2] for row in drawing.rows if row[1] == "silent"] == [
        ("prp", "silent"),
        ("802.3ad", "silent"),
        ("spare", "silent"),
    ]
    assert {row[-1] for row in drawing.rows if row[:2] == ("spare", "silent")} == {
        "no bound, not noticed before the repair"
    }


def test_reordering_is_shown_with_the_expectation_of_theory(tmp_path: Path) -> None:
    drawing = drawn("reordering", synthetic.overtaken(tmp_path / "run"))
    assert [row[1:] for row in drawing.rows] == [(0, 1, 0, 0, 2), (1, 1, 0.5, 0.5, 0.5), (5, 1, 0.5, 0.5, 0.1)]
