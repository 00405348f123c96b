"""The page: the template, filled from a run's files."""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from testbed import figures, rawfiles
from testbed.errors import TrialError
from testbed.figures import style
from testbed.measure.exposure import shows_its_outage
from testbed.report.spread import spread_rows
from testbed.report.tables import case_name, case_rows, factor_names
from testbed.report.verdicts import Verdict, verdicts
from testbed.results import checksums
from testbed.results.result import Record, Run

#: The keys of run.json that the page shows; a missing one stays empty.
_SHOWN = ("title", "question", "topology", "seed", "backend", "clock", "commit", "drawing", "pairs")
#: Figures wider than this are as wide as a printed page; the others are as wide as a column.
_WIDE_IN = style.COLUMN_IN + 0.1


def problems(run: Run) -> list[str]:
    """What is wrong with a run as a whole, one sentence each. A failed trial is not a problem but a result."""
    found = []
    if len(run.records) < run.planned:
        found.append(f"This run is not complete: {len(run.records)} of {run.planned} trials have ended.")
    found += [f"Damaged, and counted nowhere: {text}" for text in run.damaged]
    found += [f"Raw files are not as they were written: {text}" for text in checksums.findings(run)]
    late = [r for r in run.records if any(warning.startswith("fidelity: ") for warning in r.warnings)]
    if late:
        numbers = ", ".join(str(record.number) for record in sorted(late, key=lambda r: r.number))
        found.append(
            f"The machine did not keep up in {len(late)} of {len(run.records)} trials, so do not trust their times:"
            f" {numbers}"
        )
    missed = sorted(record.number for record in run.records if not shows_its_outage(record.metrics))
    if missed:
        found.append(
            f"Not exposed: in {len(missed)} of {len(run.records)} trials no measured flow crossed what failed, so"
            f" they do not show its outage: {', '.join(map(str, missed))}. Measure a pair of hosts that the fault hits:"
            " --set pair=A,B"
        )
    until = run.manifest.get("until_ci")
    if until and until.get("reached") is False:
        found.append(
            f"The median of {until['metric']} is not known to {until['relative'] * 100:g} % in every case after"
            f" {run.manifest['repetitions']} repetitions."
        )
    return found


def write_report(run: Run, drawn: Mapping[str, style.Drawing] | None = None) -> Path:
    """Write ``report.html`` into the run's directory; returns its path. ``drawn`` are its figures, if there are any
    yet (testbed.figures.drawings)."""
    environment = Environment(
        loader=PackageLoader("testbed.report", "."),
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
        problems=problems(run),
        left_out=manifest.get("left_out", ()),
        until=manifest.get("until_ci"),
        header=header,
        rows=rows,
        levels=len(factor_names(run)),
        spread=spread_rows(run),
        verdicts=[
            (verdict, _mark(verdict, records)) for verdict, (_, records) in zip(verdicts(run), run.cases(), strict=True)
        ],
        figures=[
            _figure(name, drawing) for name, drawing in (figures.drawings(run) if drawn is None else drawn).items()
        ],
        trials=[
            (r, case_name(run, r.case), _values(r), _files(run, r)) for r in sorted(run.records, key=lambda r: r.number)
        ],
        command=shlex.join(str(word) for word in manifest.get("argv", ())),
        details=json.dumps({k: v for k, v in manifest.items() if k != "drawing"}, indent=1, ensure_ascii=False),
    )
    path = run.path / "report.html"
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _mark(verdict: Verdict, records: Sequence[Record]) -> str:
    """The mark of a verdict. That ``records`` kept a bound says no more: theory predicts only the worst."""
    if verdict.holds is None:
        return "\u2013 no verdict"
    if not verdict.holds:
        return "✗ differs"
    kept = sum(isinstance(record.metrics.get("within_bound"), bool) for record in records)
    by_law = any("detections_s" in record.metrics for record in records)
    return f"✓ within the bound (n = {kept})" if kept and not by_law else "✓ agrees"


def _figure(name: str, drawing: style.Drawing) -> dict[str, Any]:
    """A figure for the template: as a data URI, so that nothing is fetched and no names inside it clash."""
    file = io.BytesIO()
    style.save(drawing, file, "svg")
    image = "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
    wide = drawing.figure.get_figwidth() > _WIDE_IN
    return {"name": name, "image": image, "caption": drawing.caption, "kind": "page" if wide else "column"}


def _files(run: Run, record: Record) -> list[str]:
    """The raw files of a trial that exist."""
    try:
        return rawfiles.names(run.path / record.raw)
    except TrialError:
        return []  # the report names what is wrong with it (`problems`)


def _values(record: Record) -> str:
    """The main metrics of a trial, in a few words."""
    metrics = record.metrics
    if isinstance(outage_s := metrics.get("outage_s"), int | float):
        more = f", {metrics['lost']} lost" if "lost" in metrics else ""
        return f"outage {'> ' if record.status == 'censored' else ''}{outage_s * 1e3:.1f} ms{more}"
    if metrics.get("detection_max_s") is not None:
        window = " to ".join(f"{metrics[f'detection_{end}_s'] * 1e3:.1f}" for end in ("min", "max"))
        return f"{metrics['faults']} faults noticed after {window} ms"
    if isinstance(stall_s := metrics.get("stall_s"), int | float):
        more = f", {metrics['stalled_flows']} flows stalled" if "stalled_flows" in metrics else ""
        return f"longest stall {stall_s * 1e3:.1f} ms{more}"
    if isinstance(goodput := metrics.get("goodput_mbps"), int | float):
        ratio = metrics.get("goodput_ratio")
        return f"{goodput:.1f} Mbit/s" + (f", {ratio * 100:.1f} % of ideal" if ratio is not None else "")
    numbers = [(name, value) for name, value in metrics.items() if isinstance(value, bool | int | float | str)]
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in numbers[:3]
    )
