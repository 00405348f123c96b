"""testbed audit: which elements of a network are single points of failure."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

import click

from testbed import drawing, schemes
from testbed.cli import tables
from testbed.cli.base import out, say, settings_of
from testbed.cli.progress import working
from testbed.cli.results import write_up
from testbed.cli.run import argv_of, carry_out, lasting_text, new_place, resumable, show_changes
from testbed.design.factor import Level
from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.plan import build_topology, factor_levels
from testbed.faults import elements
from testbed.results import audit as audits
from testbed.results import result
from testbed.run import prepare
from testbed.spec import SwitchSide, Topology


@click.command()
@click.argument("topology")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the topology, or a factor."
)
@click.option("--pairs", is_flag=True, help="Also fail every two elements at once.")
@click.option("--layer-pairs", is_flag=True, help="Also fail every two of one layer at once, such as both firewalls.")
@click.option("--quick", is_flag=True, help="Only the first of parallel links and of each host's interfaces.")
@click.option("--repetitions", type=click.IntRange(min=1), default=1, show_default=True, help="Trials of each element.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--backend", type=click.Choice(["auto", "guest", "native"]), default="auto", show_default=True)
@click.option("--clock", type=click.Choice(["virtual", "real"]), default="virtual", show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), help="Trials at a time.")
@click.option(
    "--out", "place", type=click.Path(path_type=Path), help="Directory of the run; default results/audit/UTC-TIME."
)
@click.option("--resume", is_flag=True, help="Continue the audit in --out.")
@click.option("--dry-run", is_flag=True, help="Show what would fail, and what theory says of it; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def audit(
    topology: str,
    settings: tuple[str, ...],
    pairs: bool,
    layer_pairs: bool,
    quick: bool,
    repetitions: int,
    seed: int,
    backend: str,
    clock: str,
    jobs: int | None,
    place: Path | None,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Find the single points of failure of TOPOLOGY.

    Every element fails in turn. Exit code 1 if the failure of one interrupts traffic between the protected hosts. The
    result directory holds trials, raw files, the drawing, a figure and a report.
    """
    if resume and place is None:
        raise SpecError("--resume needs --out: which audit to go on with", "For example: --resume --out results/...")
    chosen = settings_of(settings)
    if place is not None and not resume:
        result.check_free(place)  # planning may take a while
    with working("planning"):
        network, side, case = _network(topology, chosen)
        levels = audits.levels(network, side, quick=quick, pairs=pairs, layer_pairs=layer_pairs)
        chosen.setdefault("element", ",".join(levels))
        for name in chosen["element"].replace("+", ",").split(","):
            elements.named(network, name, side)
    now = datetime.datetime.now(datetime.UTC)
    place = place or new_place(Path("results") / "audit" / now.strftime("%Y%m%dT%H%M%SZ"))
    wanted = prepare.Request("audit", topology, chosen, repetitions, seed, quick, backend, clock)
    try:
        with working("planning"):
            prepared = prepare.prepare(wanted, argv=argv_of())
    except SpecError as error:
        if "--topology" not in error.hint:
            raise
        raise SpecError(error.message, "Give other levels with --set, or audit another topology.") from error
    show_changes(prepared)
    if dry_run:
        with working("planning"):
            rows = audits.planned(network, side, chosen["element"].split(","), float(case["controller_down_s"]))
            trials = prepared.planned(prepared.repetitions)
        if as_json:
            click.echo(json.dumps(audits.as_json(network, rows)))
        else:
            _show(network, rows)
            lasting = lasting_text(prepared, trials)
            out.print(f"{len(trials)} trials: {_count(rows)}; {lasting}. None was carried out, all this is theory.")
        return
    with working("planning"):
        trials = prepared.planned(prepared.repetitions)
    with resumable(place):
        with working("preparing"):
            backend_ = prepare.begin(prepared, place, resume=resume)
        say(f"{len(trials)} trials, {lasting_text(prepared, trials)}", "dim")
        finished = carry_out(prepared, backend_, place, jobs)
        loaded = result.load(place)
        rows = audits.rows_of(loaded.records)
        picture = _draw(network, rows, place)
        if as_json:
            write_up(loaded, place, quiet=True)
            click.echo(json.dumps(audits.as_json(network, rows)))
        else:
            _show(network, rows)
            out.print(f"drawing {picture}", soft_wrap=True, markup=False)
            write_up(loaded, place)
            out.print(f"result  {place}", soft_wrap=True, markup=False)
        if not finished:
            raise KeyboardInterrupt
    sys.exit(1 if any(row.status != "survived" for row in rows if row.single) else 0)


def _network(topology: str, settings: dict[str, str]) -> tuple[Topology, SwitchSide, dict[str, Level]]:
    """The network to audit, what its switch side can do, and the levels of all factors.

    Errors: SpecError for more than one network.
    """
    function = discovery.topology(topology)
    levels = factor_levels(discovery.experiment("audit"), function, settings, quick=False)
    for name, found in levels.items():
        if len(found) > 1 and name != "element":
            raise SpecError(
                f"--set {name}={settings[name]} gives {len(found)} levels; an audit is of one network",
                "Give one level, or run several audits.",
            )
    case = {name: found[0] for name, found in levels.items()}
    return build_topology(function, case), schemes.chosen(case).side, case


def _draw(network: Topology, rows: list[audits.Row], place: Path) -> Path:
    path = place / "figures" / "topology.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(drawing.svg(network, audits.weak_points(rows)))
    return path


def _show(network: Topology, rows: list[audits.Row]) -> None:
    carried_out = any(row.status != "planned" for row in rows)
    measured = ("survived", "outage ms", "on return ms") if carried_out else ()
    header = ("element", "kind", *measured, "survived by theory", "bound ms")
    cells, styles = [], []
    for row in rows:
        survived = {"survived": "yes", "lost": "no", "failed": "?", "planned": "-"}[row.status]
        outage = "not until repair" if row.status == "lost" else _ms(row.outage_s)
        theory = {True: "yes", False: "no", None: "not known"}[row.expected_connected]
        element, kind = (text.replace("+", " + ") for text in (row.element, row.kind))  # a place to break the line
        seen = [survived, outage, _ms(row.return_outage_s)] if carried_out else []
        cells.append([element, kind, *seen, theory, _ms(row.bound_s)])
        odd = row.status == "failed" or row.agrees_with_oracle is False
        styles.append("yellow" if odd else "red" if audits.lost(row) else "")
    tables.print_table(tables.Shown(header, cells, 2, styles=styles), out)
    weak = audits.weak_points(rows)
    for line in drawing.picture(network, weak, width=out.width) or drawing.listing(network, weak):
        out.print(line, markup=False, soft_wrap=True, style="red" if "✗" in line and "│" not in line else "")
    out.print(audits.verdict(network, rows), style="red" if weak else "green", soft_wrap=True, markup=False)


def _count(rows: list[audits.Row]) -> str:
    """How many elements fail alone, and how many pairs."""
    alone = sum(row.single for row in rows)
    return f"{alone} elements" + (f", {len(rows) - alone} pairs" if len(rows) > alone else "")


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:.1f}"
