"""Figures from synthetic runs: the same bytes again, every trial counted, and the table has the data of the figure."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import numpy as np
import pytest
import synthetic
from matplotlib.lines import Line2D

from testbed import figures, theory
from testbed.errors import SpecError
from testbed.figures import style
from testbed.results.result import Run


@pytest.fixture(scope="module")
def failover(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic.failover(tmp_path_factory.mktemp("failover") / "run")


@pytest.fixture(scope="module")
def aggregation(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic.aggregation(tmp_path_factory.mktemp("aggregation") / "run")


def heights(line: Line2D) -> list[float]:
    return [float(height) for height in np.asarray(line.get_ydata(), dtype=np.float64)]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_run_gives_the_same_bytes(failover: Run, tmp_path: Path) -> None:
    first, second = (figures.draw(failover, tmp_path / name) for name in ("first", "second"))
    assert [path.name for path in first] == ["outage.pdf", "outage.svg", "outage.png", "outage.csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
        assert one.stat().st_size > 200
    pdf = first[0].read_bytes()
    assert b"/CreationDate" not in pdf and b"/Type3" not in pdf.replace(b" ", b"")
    assert b"/FontFile2" in pdf  # embedded TrueType fonts, as publishers want them
    width, _ = struct.unpack(">II", first[2].read_bytes()[16:24])
    assert width == round(style.PAGE_IN * 300)


def test_a_users_own_style_changes_nothing(failover: Run) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        drawing = figures.drawings(failover)["outage"]
        assert drawing.figure.axes[0].get_facecolor()[:3] == (1, 1, 1)
        assert drawing.figure.axes[0].yaxis.label.get_fontsize() == 8


def test_every_trial_is_in_the_outage_figure(failover: Run) -> None:
    drawing = figures.drawings(failover)["outage"]
    assert len(drawing.rows) == len(failover.records) == 24
    assert [row[2] for row in drawing.rows].count("failed") == 1
    assert drawing.caption.endswith("24 trials (1 failed, 1 censored), seed 1.")
    strip, steps = drawing.figure.axes
    ticks = [label.get_text() for label in strip.get_xticklabels()]
    assert ticks == ["active-backup\nn = 12", "802.3ad\nn = 12\n1 failed, 1 censored"]
    lines = {line.get_label(): line for line in steps.get_lines()}
    # The failed and the censored trial count: the distribution ends at 10 of 12.
    assert max(heights(lines["802.3ad"])) == pytest.approx(10 / 12)
    assert max(heights(lines["active-backup"])) == 1
    legend = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert {"bound of theory", "mean by theory", "never recovered", "trial failed"} <= set(legend)


def test_theory_is_drawn_at_its_values(failover: Run) -> None:
    strip = figures.drawings(failover)["outage"].figure.axes[0]
    drawn = [line for line in strip.get_lines() if heights(line)]
    bounds = [heights(line)[0] for line in drawn if line.get_linestyle() == "--"]
    means = [heights(line)[0] for line in drawn if line.get_linestyle() == ":"]
    assert bounds == [104, 0]  # 100 ms as the timer wheel of a kernel of 1000 ticks a second makes them
    assert means == [52]  # half of it, for the mode whose outage is uniform over the period
    assert [text.get_text() for text in strip.texts] == ["104 ms", "0 ms"]


def test_outages_far_apart_get_a_logarithmic_axis(tmp_path: Path) -> None:
    manifest = synthetic.manifest("failover", {"mode": ["active-backup", "802.3ad"]}, ["outage"])
    records = [
        synthetic.record(n, "failover", {"mode": mode}, {"outage_s": at, "bound_s": bound, "within_bound": True})
        for n, (mode, at, bound) in enumerate([("active-backup", 0.02, 0.1), ("802.3ad", 80.0, 90.0)], 1)
    ]
    drawing = figures.drawings(synthetic.write(tmp_path / "run", manifest, records))["outage"]
    assert drawing.figure.axes[0].get_yscale() == "symlog"
    assert "90 s" in [text.get_text() for text in drawing.figure.axes[0].texts]


def test_cases_of_several_factors_find_room(tmp_path: Path) -> None:
    controllers, faults = ["testbed", "ryu-example"], ["carrier_loss", "silent_loss"]
    factors = {"controller": controllers, "fault": faults, "miimon_ms": [50]}
    levels = [(c, f) for c in controllers for f in faults]
    records = [
        synthetic.record(n, "failover", {"controller": c, "fault": f, "miimon_ms": 50}, {"outage_s": 0.02})
        for n, (c, f) in enumerate(levels, 1)
    ]
    run = synthetic.write(tmp_path / "run", synthetic.manifest("failover", factors, ["outage"]), records)
    figure = figures.drawings(run)["outage"].figure
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == [f"{controller}\n{fault}\nn = 1" for controller, fault in levels]
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1


def test_the_table_of_the_aggregate_figure(aggregation: Run, tmp_path: Path) -> None:
    figures.draw(aggregation, tmp_path)
    rows = {(row["series"], row["members"]): row for row in table(tmp_path / "aggregate.csv")}
    assert len(rows) == 16
    assert (rows["802.3ad", "4"]["n"], rows["802.3ad", "4"]["failed"]) == ("3", "1")
    assert float(rows["802.3ad", "8"]["ideal_mbps"]) == pytest.approx(theory.ideal_mbps("802.3ad", 8, 1000.0))
    expected = theory.expected_links_used(16, 8) * theory.ideal_mbps("802.3ad", 1, 1000.0)
    assert float(rows["802.3ad", "8"]["random_hash_mbps"]) == pytest.approx(expected)
    assert rows["balance-rr", "8"]["random_hash_mbps"] == ""
    shares = [row for row in table(tmp_path / "members.csv") if row["series"] == "802.3ad"]
    assert [row["member"] for row in shares] == [str(place) for place in range(8)]
    assert all(row["equal_share"] == "0.125" for row in shares)


def test_the_aggregate_figure_names_what_it_shows(aggregation: Run) -> None:
    drawing = figures.drawings(aggregation)["aggregate"]
    axes = drawing.figure.axes[0]
    assert axes.get_ylabel() == "received goodput (Gbit/s)"
    legend = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert legend[:3] == ["ideal, all links", "ideal, one link", "16 flows hashed at random"]
    assert legend[3:] == ["balance-rr", "active-backup", "balance-xor", "802.3ad"]
    assert "1 of 3 failed" in [text.get_text() for text in axes.texts]
    assert drawing.figure.get_figwidth() == style.COLUMN_IN


def test_series_of_one_mode_look_different(tmp_path: Path) -> None:
    factors = {"mode": ["802.3ad"], "members": [2], "placement": ["even", "random"], "flows": [8]}
    records = [
        synthetic.record(n, "aggregation", {"mode": "802.3ad", "members": 2, "placement": placement, "flows": 8}, {})
        for n, placement in enumerate(("even", "random"), 1)
    ]
    run = synthetic.write(tmp_path / "run", synthetic.manifest("aggregation", factors, []), records)
    even, random = style.series(run, without=("members",))
    assert (even.name, random.name) == ("placement even", "placement random")
    assert even.look != random.look
    assert even.look.marker != random.look.marker


@pytest.mark.parametrize("name", sorted(figures.FIGURES))
def test_a_run_of_failures_is_drawn_as_such(tmp_path: Path, name: str) -> None:
    manifest = synthetic.manifest("any", {"mode": ["802.3ad"], "members": [2]}, [name])
    case = {"mode": "802.3ad", "members": 2}
    failed = [synthetic.record(n, "any", case, {}, status="failed", reason="no link") for n in (1, 2)]
    run = synthetic.write(tmp_path / "run", manifest, failed)
    assert len(figures.draw(run, tmp_path / "figures")) == 4
    assert figures.drawings(run)[name].caption.endswith("2 trials (2 failed), seed 1.")


def test_no_trial_no_figure(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path / "run", synthetic.manifest("any", {}, ["outage"]), [])
    assert figures.draw(run, tmp_path / "figures") == []


def test_an_unknown_figure_names_the_known_ones(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path / "run", synthetic.manifest("any", {}, ["outages"]), [])
    with pytest.raises(
        SpecError, match=r"unknown figure 'outages'; the known ones are: aggregate, cost, detection, ecdf,"
    ):
        figures.draw(run, tmp_path / "figures")


def test_other_figures_than_the_experiments_own(failover: Run, tmp_path: Path) -> None:
    assert "ecdf.pdf" in {path.name for path in figures.draw(failover, tmp_path, ["ecdf"])}


def test_the_caption_is_in_every_file_and_names_seed_and_commit(tmp_path: Path) -> None:
    whole = synthetic.failover(tmp_path / "run", repetitions=3)
    run = Run(whole.path, {**whole.manifest, "commit": "0123456789abcdef+"}, whole.records)
    files = {path.suffix: path.read_bytes() for path in figures.draw(run, tmp_path)}
    for kind in (".svg", ".png"):
        assert b"seed 1, commit 0123456789ab+." in files[kind], kind
    assert b"/Subject" in files[".pdf"]


def test_every_flow_of_every_trial_is_a_point_on_theorys_steps(tmp_path: Path) -> None:
    run = synthetic.tcp_failover(tmp_path / "run")
    drawing = figures.drawings(run)["stall"]
    assert [(row[1], row[4]) for row in drawing.rows] == [(1, 10.0)] * 2 + [(2, 150.0)] * 2 + [(3, 390.0)] * 2
    (axes,) = drawing.figure.axes
    steps = {str(line.get_label()): line for line in axes.get_lines()}
    tries = steps["TCP's next try, by theory"]
    at_ms = np.interp(150.0, np.asarray(tries.get_xdata(), dtype=np.float64), heights(tries))
    # A round trip of 9 ms: a probe after 20, a timeout of 209 more, and the wheel's 1 and 7 ms.
    assert at_ms == pytest.approx(21 + 216)
    assert min(row[5] for row in drawing.rows if row[1] == 2) == pytest.approx(at_ms)


def test_a_run_without_stalls_says_so(failover: Run) -> None:
    assert "Nothing to draw" in figures.drawings(failover, ["stall"])["stall"].caption
