"""The experiment file that docs/experiments.md shows: it is planned, measured, drawn and reported as it stands."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from testbed import figures
from testbed import report as reports
from testbed.cli import results as results_cli
from testbed.errors import SpecError
from testbed.experiment import discovery, user_code
from testbed.results import result
from testbed.run import own_code, prepare
from tests import synthetic

# Each reads a user's file in a process of its own.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TEXT = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "experiments.md").read_text(), re.MULTILINE | re.DOTALL)[
    0
]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "files" / "mine.py"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


def request(mine: Path, **settings: str) -> prepare.Request:
    return prepare.Request(str(mine), None, settings, None, 1, False, "auto", "virtual")


class _Backend:
    name = "none"


def a_run(mine: Path, place: Path, text: str = TEXT) -> result.Run:
    """A run of the experiment with two trials, as if they had been carried out."""
    mine.write_text(text)
    prepared = prepare.prepare(request(mine, cut_ms="20,200", mode="802.3ad"), ["testbed", "run", str(mine)])
    manifest = prepared.manifest(_Backend())  # type: ignore[arg-type]
    records = [
        synthetic.record(trial.number, "short_cut", dict(trial.case), {"lost": place, "lost_ms": 10.5 * place})
        for place, trial in enumerate(prepared.planned(1), start=1)
    ]
    run = synthetic.write(place, manifest, records)
    own_code.keep(prepared.source, prepared.topology, place)
    return run


def test_it_is_planned(mine: Path) -> None:
    prepared = prepare.prepare(request(mine), [])
    trials = prepared.planned(prepared.repetitions)
    assert len(trials) == 2 * 3 * 5
    assert prepared.experiment.title == "A short cut"
    own_code.check_imports(str(mine), ())  # what it imports, a trial has


def test_it_is_measured(mine: Path, tmp_path: Path) -> None:
    """Three of ten packets lost, one each millisecond: 3 ms."""
    raw = tmp_path / "run" / "raw" / "001"
    raw.mkdir(parents=True)
    lines = [f"a,{n},{n / 1e3:.6f},{'' if n in (3, 4, 5) else f'{n / 1e3 + 1e-4:.6f}'}" for n in range(10)]
    (raw / "probe.csv").write_text("\n".join(["flow,seq,sent_s,received_s", *lines]) + "\n")
    experiment = discovery.experiment(str(mine), [tmp_path / "run"])
    (trial, *_) = prepare.prepare(request(mine), []).planned(1)
    assert user_code.measured(experiment.measure, raw, trial).metrics == {"lost": 3, "lost_ms": 3.0}


@pytest.mark.slow
def test_its_figure_is_drawn_from_the_run_alone(mine: Path, tmp_path: Path) -> None:
    run = a_run(mine, tmp_path / "run")
    assert run.manifest["figures"] == ["loss_by_cut"]
    assert run.manifest["own_figures"] == {"loss_by_cut": "mine.py"}
    mine.unlink()  # the run has its own copy
    paths = figures.draw(run, tmp_path / "run" / "figures")
    assert sorted(path.name for path in paths) == [
        "loss_by_cut.csv",
        "loss_by_cut.pdf",
        "loss_by_cut.png",
        "loss_by_cut.svg",
    ]
    with (tmp_path / "run" / "figures" / "loss_by_cut.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], float(row["x"]), float(row["y"])) for row in rows] == [
        ("802.3ad", 20.0, 10.5),
        ("802.3ad", 200.0, 21.0),
    ]
    assert (tmp_path / "run" / "figures" / "loss_by_cut.svg").read_text().startswith("<?xml")
    first = {path.suffix: path.read_bytes() for path in paths}
    assert {path.suffix: path.read_bytes() for path in figures.draw(run, tmp_path / "again")} == first
    assert figures.names(run, ["loss_by_cut"]) == ["loss_by_cut"]
    with pytest.raises(SpecError, match="unknown figure 'costs'"):
        figures.names(run, ["costs"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return run.nothing", "mine.py, line LINE: AttributeError: 'Run' object has no attribute 'nothing'"),
        ("return 5", "mine.py, line BEGIN: loss_by_cut() returned int; wanted a Figure"),
        ("import os; os._exit(7)", "mine.py: loss_by_cut() ended the process that reads it (exit code 7)"),
        ("open(run.path / 'x', 'w')", "mine.py, line LINE: OSError: [Errno 30] Read-only file system"),
    ],
)
def test_a_figure_that_goes_wrong_says_so_and_loses_nothing_else(
    mine: Path, tmp_path: Path, body: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TEXT.replace("    figure = Figure(", f"    {body}\n    figure = Figure(")
    lines = text.splitlines()
    reason = reason.replace("LINE", str(lines.index(f"    {body}") + 1))
    reason = reason.replace("BEGIN", str(lines.index("def loss_by_cut(run):") + 1))
    run = a_run(mine, tmp_path / "run", text)
    found = figures.drawings(run)["loss_by_cut"]
    assert found.lacks.startswith(reason)
    assert not (run.path / "x").exists()
    results_cli.summarise(run, run.path)
    assert (run.path / "report.html").is_file()


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ("'outige'", "unknown figure 'outige'"),
        ("lambda run: None", "<lambda>() is a figure; wanted a function of the file by its name"),
        ("outage, outage", "figure 'outage' has the name of another figure"),
        ("outage", "figure 'outage' has the name of another figure"),
    ],
)
def test_figures_are_checked_before_the_first_trial(mine: Path, figure: str, message: str) -> None:
    text = TEXT.replace("figures=(loss_by_cut,)", f"figures=({figure},)")
    mine.write_text(text.replace("def loss_by_cut", "def outage"))
    with pytest.raises(SpecError) as caught:
        prepare.prepare(request(mine), [])
    assert message in caught.value.message


@pytest.mark.slow
def test_its_report_has_its_figure_and_no_verdict(mine: Path, tmp_path: Path) -> None:
    run = a_run(mine, tmp_path / "run")
    text = reports.write_report(run).read_text()
    assert "Theory predicts nothing for this case." in text
    assert "this fault is not noticed" not in text
    assert "data:image/svg+xml" in text


def test_an_outage_without_a_bound_has_no_verdict(tmp_path: Path) -> None:
    """An experiment of one's own may have the metric outage_s and say nothing of bounds; null says theory has none."""
    case = {"mode": "802.3ad"}
    for metrics, words in (
        ({"outage_s": 0.1}, "Theory predicts nothing for this case."),
        ({"outage_s": 0.1, "within_bound": None}, "Theory gives no bound: this fault is not noticed in this mode."),
    ):
        manifest = synthetic.manifest("mine", {"mode": ["802.3ad"]}, [])
        run = synthetic.write(tmp_path / str(len(metrics)), manifest, [synthetic.record(1, "mine", case, metrics)])
        (verdict,) = reports.verdicts(run)
        assert (verdict.text, verdict.holds) == (words, None)


def test_a_topology_without_a_drawing_is_drawn_in_the_report(mine: Path, tmp_path: Path) -> None:
    network = tmp_path / "files" / "plain.py"
    network.write_text(
        "from testbed.spec import BondOptions\nfrom testbed.spec.wiring import Wiring\n\n\n"
        "def plain(*, bonding=BondOptions()):\n    net = Wiring(bonding=bonding)\n    (s,) = net.switches(1)\n"
        "    for host in ('web', 'db'):\n        net.bonded(host, [s] * 3)\n    return net.topology('plain')\n"
    )
    wanted = prepare.Request(str(mine), str(network), {}, None, 1, False, "auto", "virtual")
    manifest = prepare.prepare(wanted, []).manifest(_Backend())  # type: ignore[arg-type]
    assert "web" in manifest["drawing"]
    assert "│" in manifest["drawing"]
    assert set(manifest["user_topology"]) == {"plain.py"}
    run = synthetic.write(tmp_path / "run", json.loads(json.dumps(manifest)), [])
    assert 'id="network"' in reports.write_report(run).read_text()
