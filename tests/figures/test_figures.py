"""Figures from synthetic runs: the same bytes again, every trial counted, and the table has the data of the figure."""

from __future__ import annotations

import csv
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import synthetic
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from testbed import figures, theory
from testbed.errors import SpecError
from testbed.figures import style
from testbed.results.result import Run
from testbed.spec import Bond


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


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(failover: Run, tmp_path: Path) -> None:
    first, second = (figures.draw(failover, tmp_path / name) for name in ("first", "second"))
    assert [path.name for path in first] == ["outage.pdf", "outage.svg", "outage.png", "outage.csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
        assert one.stat().st_size > 200
    pdf = first[0].read_bytes()
    assert b"/CreationDate" not in pdf and b"/Type3" not in pdf.replace(b" ", b"")
    assert b"/FontFile2" in pdf  # embedded TrueType fonts, as publishers require them
    width, _ = struct.unpack(">II", first[2].read_bytes()[16:24])
    assert width == round(style.COLUMN_IN * 300)


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
    first, second = drawing.figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == [
        "active-backup: n = 12",
        "802.3ad: n = 12, 1 failed, 1 censored",
    ]
    # The failed and the censored trial count: the distribution ends at 10 of 12.
    assert max(heights(steps_of(second))) == pytest.approx(10 / 12)
    assert max(heights(steps_of(first))) == 1
    assert {"bound of theory", "median", "never recovered", "trial failed"} <= set(legend(drawing))


def steps_of(axes: Axes) -> Line2D:
    """The line of the trials: the one that is drawn in steps."""
    (found,) = [line for line in axes.get_lines() if line.get_drawstyle() == "steps-post"]
    return found


def legend(drawing: style.Drawing) -> list[str]:
    return [text.get_text() for text in drawing.figure.legends[0].get_texts()]


def at_ms(line: Line2D) -> list[float]:
    return [float(value) for value in np.asarray(line.get_xdata(), dtype=np.float64)]


def test_theory_is_drawn_at_its_values(failover: Run) -> None:
    drawing = figures.drawings(failover)["outage"]
    for axes, mode in zip(drawing.figure.axes, ("active-backup", "802.3ad"), strict=True):
        bound = theory.failover_bound(Bond(("h1-eth0", "h1-eth1"), mode=mode), "carrier_loss")
        assert bound is not None
        (line,) = [line for line in axes.get_lines() if line.get_label() == "bound of theory"]
        assert at_ms(line) == pytest.approx([bound.bound_s * 1e3] * 2)
        assert axes.get_title(loc="right").endswith(f"bound {style.duration(bound.bound_s)}")
        laws = [line for line in axes.get_lines() if str(line.get_label()).endswith("by theory")]
        assert len(laws) == (bound.expected_s is not None and bound.bound_s > 0)
        for law in laws:  # uniform: a half of the trials within the mean
            half = at_ms(law)[int(np.argmax(np.array(heights(law)) >= 0.5))]
            assert bound.expected_s is not None and half == pytest.approx(bound.expected_s * 1e3, rel=0.02)


def test_a_trial_above_the_bound_is_in_its_tolerance_or_ringed(tmp_path: Path) -> None:
    """The metric limit_s is the end of the tolerance; without it, it reaches to what the run judged to be within."""
    case = {"mode": "active-backup", "fault": "carrier_loss"}
    found = [
        {"outage_s": 0.050, "bound_s": 0.104, "limit_s": 0.106, "within_bound": True},
        {"outage_s": 0.105, "bound_s": 0.104, "limit_s": 0.106, "within_bound": True},
        {"outage_s": 0.150, "bound_s": 0.104, "limit_s": 0.106, "within_bound": False},
    ]
    older = [{key: value for key, value in metrics.items() if key != "limit_s"} for metrics in found]
    for name, metrics, limit_ms in (("new", found, 106.0), ("old", older, 105.0)):
        records = [synthetic.record(n, "failover", case, each) for n, each in enumerate(metrics, 1)]
        manifest = synthetic.manifest("failover", {"mode": ["active-backup"]}, [], repetitions=3)
        drawing = figures.drawings(synthetic.write(tmp_path / name, manifest, records), ["outage"])["outage"]
        (axes,) = drawing.figure.axes
        (tolerance,) = [each for each in axes.collections if each.get_label() == "its tolerance"]
        box = tolerance.get_paths()[0].get_extents()
        assert (box.x0, box.x1) == pytest.approx((104.0, limit_ms))
        (ring,) = [line for line in axes.get_lines() if line.get_label() == "beyond the bound"]
        assert at_ms(ring) == pytest.approx([150.0])
        assert [row[5] for row in drawing.rows] == pytest.approx([limit_ms] * 3)


def test_the_distribution_of_theory_is_that_of_its_quantiles(tmp_path: Path) -> None:
    """The later of two times that are uniform over 2 to 3 s: the share is the square, so half are within 2.707 s."""
    quantiles = [2 + (step / 20) ** 0.5 for step in range(21)]
    metrics = {"outage_s": 2.7, "low_s": 2.0, "bound_s": 3.0, "expected_s": 2 + 2 / 3, "law_quantiles_s": quantiles}
    one = synthetic.record(1, "failover", {"mode": "802.3ad"}, metrics)
    manifest = synthetic.manifest("failover", {"mode": ["802.3ad"]}, [])
    drawing = figures.drawings(synthetic.write(tmp_path / "run", manifest, [one]), ["outage"])["outage"]
    (axes,) = drawing.figure.axes
    (law,) = [line for line in axes.get_lines() if line.get_label() == "distribution by theory"]
    assert np.interp(2 + 0.5**0.5, at_ms(law), heights(law)) == pytest.approx(0.5, abs=0.01)  # the axis is in s


def test_another_mean_than_the_middle_is_no_uniform_law(tmp_path: Path) -> None:
    """The worse of two directions has another distribution: without its own, only the bound is drawn."""
    metrics = {"outage_s": 2.7, "low_s": 2.0, "bound_s": 3.0, "expected_s": 2.7, "within_bound": True}
    one = synthetic.record(1, "failover", {"mode": "802.3ad"}, metrics)
    manifest = synthetic.manifest("failover", {"mode": ["802.3ad"]}, [])
    drawing = figures.drawings(synthetic.write(tmp_path / "run", manifest, [one]), ["outage"])["outage"]
    assert legend(drawing) == ["bound of theory", "median"]


def test_the_legend_lists_only_what_is_drawn(tmp_path: Path) -> None:
    one = synthetic.record(1, "flapping", {"mode": "802.3ad"}, {"outage_s": 0.0})
    run = synthetic.write(tmp_path / "run", synthetic.manifest("flapping", {"mode": ["802.3ad"]}, []), [one])
    assert legend(figures.drawings(run, ["outage"])["outage"]) == ["median"]


def test_many_cases_are_rows_of_dots(tmp_path: Path) -> None:
    drawing = figures.drawings(synthetic.matrix(tmp_path / "run"), ["outage"])["outage"]
    (axes,) = drawing.figure.axes
    assert len(axes.get_yticklabels()) == 35
    assert axes.get_yticklabels()[1].get_text() == "balance-rr, silent_loss (n = 2, 2 censored)"


def test_outages_far_apart_get_a_logarithmic_axis(tmp_path: Path) -> None:
    manifest = synthetic.manifest("failover", {"mode": ["active-backup", "802.3ad"]}, ["outage"])
    records = [
        synthetic.record(n, "failover", {"mode": mode}, {"outage_s": at, "bound_s": bound, "within_bound": True})
        for n, (mode, at, bound) in enumerate([("active-backup", 0.02, 0.1), ("802.3ad", 80.0, 90.0)], 1)
    ]
    drawing = figures.drawings(synthetic.write(tmp_path / "run", manifest, records))["outage"]
    assert all(axes.get_xscale() == "symlog" for axes in drawing.figure.axes)
    assert drawing.figure.axes[1].get_title(loc="right") == "median 80 s, bound 90 s"


def test_names_of_cases_with_several_factors_fit(tmp_path: Path) -> None:
    controllers, faults = ["testbed", "ryu-example"], ["carrier_loss", "silent_loss"]
    factors = {"controller": controllers, "fault": faults, "miimon_ms": [50]}
    levels = [(c, f) for c in controllers for f in faults]
    records = [
        synthetic.record(n, "failover", {"controller": c, "fault": f, "miimon_ms": 50}, {"outage_s": 0.02})
        for n, (c, f) in enumerate(levels, 1)
    ]
    run = synthetic.write(tmp_path / "run", synthetic.manifest("failover", factors, ["outage"]), records)
    figure = figures.drawings(run)["outage"].figure
    names = [axes.get_title(loc="left") for axes in figure.axes]
    assert names == [f"{controller}, {fault}: n = 1" for controller, fault in levels]


@pytest.mark.slow
def test_the_table_of_the_aggregate_figure(aggregation: Run, tmp_path: Path) -> None:
    figures.draw(aggregation, tmp_path)
    rows = {(row["series"], row["members"]): row for row in table(tmp_path / "aggregate.csv")}
    assert len(rows) == 16
    assert (rows["802.3ad", "4"]["n"], rows["802.3ad", "4"]["failed"]) == ("3", "1")
    assert float(rows["802.3ad", "8"]["ideal_mbps"]) == pytest.approx(theory.ideal_mbps("802.3ad", 8, 1000.0))
    assert rows["balance-rr", "8"]["random_mbps"] == ""
    shares = [row for row in table(tmp_path / "members.csv") if row["series"] == "802.3ad"]
    assert [row["member"] for row in shares] == [str(place) for place in range(8)]
    assert all(row["equal_share"] == "0.125" for row in shares)


def test_the_aggregate_figure_names_what_it_shows(aggregation: Run) -> None:
    drawing = figures.drawings(aggregation)["aggregate"]
    upper, lower = drawing.figure.axes
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("received goodput (Gbit/s)", "part of the ideal")
    names = legend(drawing)
    assert names[:2] == ["ideal, all links", "ideal, one link"]
    assert names[-4:] == ["balance-rr", "active-backup", "balance-xor", "802.3ad"]
    assert "1 of 12 failed" in [text.get_text() for text in upper.texts]
    assert drawing.figure.get_figwidth() == style.COLUMN_IN


def test_points_stand_at_their_number_of_members(aggregation: Run) -> None:
    """On a linear axis, so that what is proportional to the members is a straight line, and no line joins points."""
    drawing = figures.drawings(aggregation)["aggregate"]
    for axes in drawing.figure.axes:
        assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")
        shown = [line for line in axes.get_lines() if line.get_label() in ("balance-rr", "802.3ad", "active-backup")]
        assert len(shown) == 3
        assert all(set(at_ms(line)) == {1, 2, 4, 8} and line.get_linestyle() == "None" for line in shown)
    (ideal,) = [li for li in drawing.figure.axes[0].get_lines() if li.get_label() == "ideal, one link"]
    assert heights(ideal) == pytest.approx([theory.ideal_mbps("active-backup", 8, 1000.0) / 1e3] * 2)


@pytest.mark.slow
def test_bars_only_where_there_is_an_interval(tmp_path: Path) -> None:
    for repetitions, bars in ((1, 0), (5, 0), (6, 15)):  # of 16 cells, but one of 802.3ad with 5 trials that ended well
        run = synthetic.aggregation(tmp_path / f"{repetitions}", repetitions=repetitions)
        upper = figures.drawings(run)["aggregate"].figure.axes[0]
        counted = [each for each in upper.containers if isinstance(each, ErrorbarContainer)]
        assert len(counted) == bars


def test_random_placement_is_a_band_of_the_metrics(tmp_path: Path) -> None:
    records = []
    for members, part in ((2, 0.9), (8, 0.6)):
        ideal = theory.ideal_mbps("802.3ad", members, 1000.0)
        band = {f"random_{end}mbps": scale * part * ideal for end, scale in (("", 1.0), ("low_", 0.9), ("high_", 1.1))}
        metrics = {"goodput_mbps": 0.95 * part * ideal, "ideal_mbps": ideal, **band}
        case = {"mode": "802.3ad", "members": members, "flows": 16, "placement": "random"}
        records.append(synthetic.record(len(records) + 1, "aggregation", case, metrics))
    manifest = synthetic.manifest("aggregation", {"mode": ["802.3ad"], "members": [2, 8], "flows": [16]}, [])
    drawing = figures.drawings(synthetic.write(tmp_path / "run", manifest, records), ["aggregate"])["aggregate"]
    words = "16 flows placed at random"
    assert {f"{words}: mean", f"{words}: 90 % of placements"} <= set(legend(drawing))
    upper, lower = drawing.figure.axes
    for axes, expected in ((upper, [1.8 * 0.94148, 4.8 * 0.94148]), (lower, [0.9, 0.6])):
        (mean,) = [line for line in axes.get_lines() if line.get_label() == f"{words}: mean"]
        assert heights(mean) == pytest.approx(expected, rel=1e-4)
        (band_,) = [each for each in axes.collections if each.get_label() == f"{words}: 90 % of placements"]
        assert band_.get_paths()[0].get_extents().y0 == pytest.approx(0.9 * min(expected), rel=1e-4)
    assert drawing.rows[1][-3:] == pytest.approx([part * 0.6 * 7531.86 for part in (1.0, 0.9, 1.1)], rel=1e-4)


def test_fewer_flows_than_members_leave_some_idle(tmp_path: Path) -> None:
    records = []
    for members in (2, 8):
        metrics = {"goodput_mbps": 900.0, "ideal_mbps": theory.ideal_mbps("802.3ad", members, 1000.0)}
        case = {"mode": "802.3ad", "members": members, "flows": 4}
        records.append(synthetic.record(len(records) + 1, "aggregation", case, metrics))
    manifest = synthetic.manifest("aggregation", {"mode": ["802.3ad"], "members": [2, 8], "flows": [4]}, [])
    drawing = figures.drawings(synthetic.write(tmp_path / "run", manifest, records), ["aggregate"])["aggregate"]
    (best,) = [li for li in drawing.figure.axes[0].get_lines() if li.get_label() == "4 flows placed best"]
    assert max(heights(best)) == pytest.approx(theory.ideal_mbps("802.3ad", 4, 1000.0) / 1e3)


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
        SpecError,
        match=r"unknown figure 'outages'; the known ones are: aggregate, atlas, cost, detection, displacement,",
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
    expected_ms = np.interp(150.0, np.asarray(tries.get_xdata(), dtype=np.float64), heights(tries))
    # A round trip of 9 ms: a probe after 20, a timeout of 209 more, and the wheel's 1 and 7 ms.
    assert expected_ms == pytest.approx(21 + 216)
    assert min(row[5] for row in drawing.rows if row[1] == 2) == pytest.approx(expected_ms)
    # Taken for a mistake: the try's acknowledgement is a round trip later (F-RTO, RFC 5682), then a probe.
    mistaken = steps["if taken for a mistake"]
    again_ms = np.interp(150.0, np.asarray(mistaken.get_xdata(), dtype=np.float64), heights(mistaken))
    assert max(row[5] for row in drawing.rows if row[1] == 2) == pytest.approx(again_ms)


def test_a_run_without_stalls_says_so(failover: Run) -> None:
    assert "Nothing to draw" in figures.drawings(failover, ["stall"])["stall"].caption


@pytest.mark.slow
def test_a_figure_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    """As in results/reference/, which keeps the figures' data but no raw files."""
    run = synthetic.transfers(tmp_path / "run")
    place = run.path / "figures"
    before = {path.name: path.read_bytes() for path in figures.draw(run, place)}
    assert set(before) == {f"throughput.{kind}" for kind in ("pdf", "svg", "png", "csv")}
    shutil.rmtree(run.path / "raw")
    said: list[tuple[str, str]] = []
    assert figures.draw(run, place, kept=lambda *words: said.append(words)) == []
    assert said == [("throughput", "no trial has the file member_rates.csv")]
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    (place / "throughput.csv").write_text("series,trial\n")  # empty as well: nothing is lost
    assert len(figures.draw(run, place)) == 4


@pytest.mark.parametrize("name", ["aggregate", "members"])
def test_the_members_of_a_figure_are_those_of_the_bond(tmp_path: Path, name: str) -> None:
    """In `mlag` the factor members counts links to each of two switches: with members=2 a bond has four."""
    records = [
        synthetic.record(
            1,
            "aggregation",
            {"mode": "802.3ad", "members": 2, "flows": 16},
            {
                "goodput_mbps": 3700.0,
                "ideal_mbps": 3766.0,
                "goodput_ratio": 0.98,
                "member_tx_bytes": [10, 10, 10, 10],
            },
        )
    ]
    factors = {"mode": ["802.3ad"], "members": [2], "flows": [16]}
    run = synthetic.write(tmp_path / "run", synthetic.manifest("aggregation", factors, [name]), records)
    drawing = figures.function(name)(run)
    members = drawing.header.index("members")
    assert {row[members] for row in drawing.rows} == {4}
    if name == "members":
        assert len(drawing.rows) == 4
