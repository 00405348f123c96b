"""The report of a run: one HTML file that opens offline, made from the run's files alone."""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from testbed import figures, stats, theory
from testbed.figures import style
from testbed.result import Record, Run, quantities

#: From this part of the ideal on, a goodput counts as having reached it.
REACHED = 0.99

#: Keys of run.json that the page shows; one that is missing is left empty.
_SHOWN = ("title", "question", "topology", "seed", "backend", "clock", "commit", "drawing")


@dataclass(frozen=True)
class _Column:
    """A column of the table of cases: shown if a trial has the metric."""

    metric: str
    heading: str
    text: Callable[[Sequence[Record]], str]


def _median(metric: str, form: str, scale: float = 1.0) -> Callable[[Sequence[Record]], str]:
    def text(records: Sequence[Record]) -> str:
        found = stats.summary(quantities(_ok(records), metric))
        return "-" if found is None else form.format(found.median * scale)

    return text


def _most(metric: str, form: str, scale: float = 1.0) -> Callable[[Sequence[Record]], str]:
    def text(records: Sequence[Record]) -> str:
        values = quantities(_ok(records), metric)
        return form.format(max(values) * scale) if values else "-"

    return text


def _bound(records: Sequence[Record]) -> str:
    values = quantities(records, "bound_s")
    return f"{values[0] * 1e3:g}" if values else "none"


def _within(records: Sequence[Record]) -> str:
    judged = [record.metrics["within_bound"] for record in records if record.metrics.get("within_bound") is not None]
    return f"{sum(judged)} of {len(judged)}" if judged else "-"


_COLUMNS = (
    _Column("goodput_mbps", "goodput Mbit/s", _median("goodput_mbps", "{:.1f}")),
    _Column("ideal_mbps", "ideal Mbit/s", _median("ideal_mbps", "{:.1f}")),
    _Column("goodput_ratio", "of ideal", _median("goodput_ratio", "{:.1f} %", 100)),
    _Column("jain_index", "Jain index", _median("jain_index", "{:.3f}")),
    _Column("retransmits", "retransmits", _median("retransmits", "{:.0f}")),
    _Column("outage_s", "outage ms", _median("outage_s", "{:.1f}", 1e3)),
    _Column("outage_s", "longest ms", _most("outage_s", "{:.1f}", 1e3)),
    _Column("bound_s", "bound ms", _bound),
    _Column("within_bound", "within bound", _within),
    _Column("outage_loss_s", "by loss ms", _median("outage_loss_s", "{:.1f}", 1e3)),
    _Column("reversion_outage_s", "reversion ms", _most("reversion_outage_s", "{:.1f}", 1e3)),
)


def _ok(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.status == "ok"]


def _names(run: Run) -> list[str]:
    """The factors that tell the cases apart; the mode is named in any case."""
    varied = run.varied()
    return varied if "mode" in varied or "mode" not in run.manifest["factors"] else ["mode", *varied]


def _case(run: Run, case: dict[str, Any]) -> str:
    """What tells this case from the others, in words."""
    return ", ".join(f"{name} {case.get(name)}" for name in _names(run)) or run.experiment


def case_rows(run: Run) -> tuple[list[str], list[list[str]]]:
    """The table of cases: its header, and a row of text for each case. Values are medians unless named otherwise."""
    names = _names(run)
    columns = [c for c in _COLUMNS if any(c.metric in record.metrics for record in run.records)]
    rows = []
    for case, records in run.cases():
        levels = [str(case.get(name, "-")) for name in names]
        rows.append([*levels, _count(records), *(column.text(records) for column in columns)])
    return [*names, "n", *(column.heading for column in columns)], rows


def _count(records: Sequence[Record]) -> str:
    """How many trials; and of them, how many did not end well."""
    statuses = [record.status for record in records]
    bad = [f"{statuses.count(s)} {s}" for s in ("failed", "censored") if s in statuses]
    return f"{len(statuses)}" + (f" ({', '.join(bad)})" if bad else "")


@dataclass(frozen=True)
class Verdict:
    """What a case says about what theory predicts: it ``holds``, it does not, or (None) there is nothing to hold."""

    case: str
    text: str
    holds: bool | None


def verdicts(run: Run) -> list[Verdict]:
    """Each case against theory, in one sentence."""
    found = []
    for case, records in run.cases():
        name = _case(run, case)
        failed = sum(record.status == "failed" for record in records)
        if failed == len(records):
            found.append(Verdict(name, f"All {failed} trials failed: {records[0].reason}", None))
            continue
        text, holds = _failover(records) if quantities(records, "outage_s") else _aggregation(case, records)
        if failed:
            text += f" {failed} of {len(records)} trials failed and say nothing."
        found.append(Verdict(name, text, holds))
    return found


def _failover(records: Sequence[Record]) -> tuple[str, bool | None]:
    censored = sum(record.status == "censored" for record in records)
    never = f" In {censored} of {len(records)} trials traffic did not resume before the repair." if censored else ""
    judged = [record.metrics["within_bound"] for record in records if record.metrics.get("within_bound") is not None]
    if not judged:
        return f"Theory gives no bound: this fault is not noticed in this mode.{never}", None
    bound_ms = quantities(records, "bound_s")[0] * 1e3
    if all(judged):
        most = max(quantities(records, "outage_s")) * 1e3
        return (
            f"Every outage is within the bound of {bound_ms:g} ms and its tolerance; the longest is {most:.1f} ms.",
            True,
        )
    return f"{judged.count(False)} of {len(judged)} outages exceed the bound of {bound_ms:g} ms.{never}", False


def _aggregation(case: dict[str, Any], records: Sequence[Record]) -> tuple[str, bool | None]:
    ok = _ok(records)
    ratio = stats.summary(quantities(ok, "goodput_ratio"))
    if ratio is None:
        return "There is no ideal to compare with.", None
    text = f"Goodput is {ratio.median * 100:.1f} % of the ideal"
    members = int(case.get("members", 1))
    if (
        case.get("placement") == "random"
        and case.get("mode") in theory.HASH_MODES
        and members > 1
        and case.get("flows")
    ):
        expected = theory.expected_links_used(int(case["flows"]), members) / members
        return f"{text}; with flows hashed at random the mean to expect is {expected * 100:.1f} %.", None
    return f"{text}.", ratio.median >= REACHED


def write_report(run: Run) -> Path:
    """Write ``report.html`` into the run's directory; returns its path."""
    environment = Environment(
        loader=PackageLoader("testbed"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    header, rows = case_rows(run)
    manifest = run.manifest
    text = environment.get_template("report.html").render(
        run=run,
        manifest={**dict.fromkeys(_SHOWN, ""), **manifest},
        statuses=[(s, sum(r.status == s for r in run.records)) for s in ("ok", "failed", "censored")],
        planned=_planned(run),
        header=header,
        rows=rows,
        levels=len(_names(run)),
        verdicts=verdicts(run),
        figures=[(name, _image(drawing), drawing.caption) for name, drawing in figures.drawings(run).items()],
        trials=[(r, _case(run, r.case), _values(r)) for r in sorted(run.records, key=lambda r: r.number)],
        command=shlex.join(str(word) for word in manifest.get("argv", ())),
        details=json.dumps({k: v for k, v in manifest.items() if k != "drawing"}, indent=1, ensure_ascii=False),
    )
    path = run.path / "report.html"
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _planned(run: Run) -> int:
    """How many trials the whole run has; an interrupted one has fewer so far."""
    count = int(run.manifest.get("repetitions", 1))
    for levels in run.manifest["factors"].values():
        count *= len(levels)
    return count


def _image(drawing: style.Drawing) -> str:
    """The figure as a data URI: nothing is fetched, and its inner names cannot clash with another figure's."""
    file = io.BytesIO()
    style.save(drawing, file, "svg")
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def _values(record: Record) -> str:
    """What a trial measured, in a few words."""
    metrics = record.metrics
    if (outage_s := metrics.get("outage_s")) is not None:
        return f"outage {outage_s * 1e3:.1f} ms, {metrics.get('lost', 0)} lost"
    if (goodput := metrics.get("goodput_mbps")) is not None:
        ratio = metrics.get("goodput_ratio")
        return f"{goodput:.1f} Mbit/s" + (f", {ratio * 100:.1f} % of ideal" if ratio is not None else "")
    return ""
