"""The commands: the only place that prints for people, and that exits.

Exit codes: 0 done; 1 a trial failed or a bound was missed; 2 usage or specification; 3 the machine is not ready;
130 interrupted, resumable.
"""

from __future__ import annotations

import datetime
import json
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

import testbed
from testbed import catalogue, result, runs
from testbed.backends import kernel as kernels
from testbed.backends import machine
from testbed.emulation.arms import CONTROLLERS
from testbed.emulation.faults import FAULTS
from testbed.errors import MachineError, SpecError, TestbedError, unknown
from testbed.experiment import topology_defaults
from testbed.runner import Backend
from testbed.spec import MODES

# Where output goes to a file there is no width to keep to: tables get what they need.
_out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
_err = Console(stderr=True, highlight=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(testbed.__version__, prog_name="testbed")
def cli() -> None:
    """A laboratory for link redundancy: real bonds, real switches, real faults, measured."""


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(as_json: bool) -> None:
    """What this machine can do, what is missing, and what to type."""
    found = machine.abilities()
    if as_json:
        click.echo(json.dumps([{"name": a.name, "ready": a.ready, "lacks": a.lacks, "hint": a.hint} for a in found]))
    else:
        for ability in found:
            _out.print(f"{'[green]ready[/]' if ability.ready else '[yellow]lacks[/]'}  {ability.name}", end="")
            _out.print("" if ability.ready else f": {', '.join(ability.lacks)}")
            if ability.hint and not ability.ready:
                _out.print(f"       type: {ability.hint}", style="dim")
    if not any(ability.ready for ability in found):
        sys.exit(MachineError.exit_code)


_LISTS = ("topologies", "experiments", "faults", "controllers", "modes")


@cli.command("list")
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(what: str | None, as_json: bool) -> None:
    """What there is: topologies, experiments, faults, controllers, modes."""
    if what is not None and what not in _LISTS:
        raise unknown("list", what, _LISTS)
    shelves = {name: _shelf(name) for name in _LISTS if what in (None, name)}
    if as_json:
        click.echo(json.dumps(shelves))
        return
    for name, entries in shelves.items():
        _out.print(name, style="bold")
        for entry, text in entries.items():
            _out.print(f"  {entry:<16}{text}", soft_wrap=True)


def _shelf(name: str) -> dict[str, str]:
    if name in ("topologies", "experiments"):
        return {entry: catalogue.summary(name, entry) for entry in catalogue.names(name)}
    if name == "faults":
        return {entry: (fault.__doc__ or "").splitlines()[0] for entry, fault in FAULTS.items()}
    if name == "controllers":
        return {entry: arm.summary for entry, arm in CONTROLLERS.items()}
    return {mode: f"mode {number} of the Linux bonding driver" for number, mode in enumerate(MODES)}


@cli.group()
def kernel() -> None:
    """The guest kernel: built once, kept outside the checkout."""


@kernel.command("build")
@click.option("--source", type=click.Path(path_type=Path), help="A Linux source, as a directory or a tar archive.")
@click.option("--jobs", type=click.IntRange(min=1), help="Compilers at a time; as many as processors by default.")
def kernel_build(source: Path | None, jobs: int | None) -> None:
    """Fetch, build, try and keep the guest kernel."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        console=_err,
    ) as bar:
        task = bar.add_task("the guest kernel", total=1.0)
        said = ""

        def tell(fraction: float | None, text: str) -> None:
            nonlocal said
            bar.update(task, completed=fraction or 0.0, description=text)
            if not _err.is_terminal and text.partition(",")[0] != said:
                said = text.partition(",")[0]
                _err.print(said)

        built = kernels.build(source, tell, jobs=jobs)
        bar.update(task, completed=1.0, description="ready")
    _out.print(f"the guest kernel is ready: Linux {built.version} from {built.source}")


@kernel.command("info")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def kernel_info(as_json: bool) -> None:
    """Which guest kernel there is."""
    found = kernels.find()
    if as_json:
        click.echo(json.dumps({"wanted": kernels.key(), "kernel": found.as_json() if found else None}))
    elif found is not None:
        _out.print(f"Linux {found.version} from {found.source}\nin {found.path.parent}")
    if found is None:
        raise MachineError(
            f"the guest kernel is not built (wanted: {kernels.key()})",
            "Type: testbed kernel build (once, about 7 minutes)",
        )


@cli.command()
@click.argument("experiment")
@click.option("--topology", help="By name or by path; the experiment's own by default.")
@click.option("--set", "settings", multiple=True, metavar="FACTOR=LEVEL[,LEVEL...]", help="Levels of a factor.")
@click.option("--repetitions", type=click.IntRange(min=1), help="Trials of each case.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--quick", is_flag=True, help="Fewer levels and repetitions: minutes, not hours.")
@click.option("--backend", type=click.Choice(["auto", "guest", "native"]), default="auto", show_default=True)
@click.option("--clock", type=click.Choice(["virtual", "real"]), default="virtual", show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), help="Trials at a time.")
@click.option("--out", type=click.Path(path_type=Path), help="The run's directory: results/EXPERIMENT/UTC-TIME.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--dry-run", is_flag=True, help="Show the trials; run none.")
def run(
    experiment: str,
    topology: str | None,
    settings: tuple[str, ...],
    repetitions: int | None,
    seed: int,
    quick: bool,
    backend: str,
    clock: str,
    jobs: int | None,
    out: Path | None,
    resume: bool,
    dry_run: bool,
) -> None:
    """Run EXPERIMENT: cases x repetitions, into a result directory with figures and a report."""
    wanted = runs.Request(experiment, topology, _settings(settings), repetitions, seed, quick, backend, clock)
    if resume and out is None:
        raise SpecError("--resume needs --out: which run to go on with", "For example: --resume --out results/...")
    now = datetime.datetime.now(datetime.UTC)
    place = out or _new_place(Path("results") / Path(experiment).stem / now.strftime("%Y%m%dT%H%M%SZ"))
    prepared = runs.prepare(wanted, argv=_argv())
    if dry_run:
        _show_plan(prepared)
        return
    backend_ = runs.begin(prepared, place, resume=resume)
    finished = _carry_out(prepared, backend_, place, jobs)
    loaded = result.load(place)
    _summarise(loaded, place)
    if not finished:
        _err.print(
            f"interrupted; the finished trials are kept. To go on, type: {_again(place)}",
            style="yellow",
            soft_wrap=True,
            markup=False,
        )
        sys.exit(130)
    sys.exit(1 if runs.missed(loaded) else 0)


def _new_place(wanted: Path) -> Path:
    """``wanted``, or that with a number behind it if a run that began in the same second has it."""
    names = (wanted, *(wanted.with_name(f"{wanted.name}-{number}") for number in range(2, 100)))
    return next(place for place in names if not place.exists())


def _settings(words: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, levels = word.partition("=")
        if not equals or not name or not levels:
            raise SpecError(f"--set {word} is not FACTOR=LEVEL", "For example: --set mode=802.3ad --set members=1,2,4")
        if name in found:
            raise SpecError(f"--set {name} is given twice", f"Give all its levels at once: --set {name}=A,B")
        found[name] = levels
    return found


def _argv() -> list[str]:
    """The command as it was typed, but for where the result goes."""
    words = iter(word for word in sys.argv[1:] if not word.startswith("--out="))
    return ["testbed", *(word for word in words if not (word == "--out" and next(words, "") is not None))]


def _again(place: Path) -> str:
    words = [word for word in _argv() if word != "--resume"]
    return shlex.join([*words, "--resume", "--out", str(place)])


def _show_plan(prepared: runs.Prepared) -> None:
    cases = Counter(json.dumps(dict(trial.case)) for trial in prepared.trials)
    for case, count in cases.items():
        text = " ".join(f"{name}={level}" for name, level in json.loads(case).items())
        _out.print(f"{count:>4} x {text}", soft_wrap=True)
    _out.print(f"{len(prepared.trials)} trials of {prepared.experiment.name} on {prepared.trials[0].topology.name}")


def _carry_out(prepared: runs.Prepared, backend: Backend, place: Path, jobs: int | None) -> bool:
    """Run the trials with a progress bar; whether all ended."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trials,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=_err,
        speed_estimate_period=600,
    ) as bar:
        task = bar.add_task(prepared.experiment.name, total=len(prepared.trials))

        def done(record: result.Record | None) -> None:
            bar.advance(task)
            if record is not None and record.status != "ok":
                case = " ".join(f"{name}={level}" for name, level in record.case.items())
                bar.console.print(
                    f"trial {record.number} ({case}) {record.status}: {record.reason}", style="yellow", markup=False
                )

        return runs.carry_out(prepared, backend, place, jobs=jobs, done=done)


def _summarise(loaded: result.Run, place: Path) -> None:
    """The table, and where everything is."""
    from testbed import figures, report  # matplotlib takes a second that the other commands save

    if loaded.records:
        header, rows = report.case_rows(loaded)
        table = Table(*header, title=str(loaded.manifest["title"]), title_justify="left")
        for row in rows:
            table.add_row(*row)
        _out.print(table)
        for path in figures.draw(loaded, place / "figures"):
            if path.suffix == ".png":
                _out.print(f"figure  {path}", soft_wrap=True)
        _out.print(f"report  {report.write_report(loaded)}", soft_wrap=True)
    for text in loaded.damaged:
        _err.print(f"damaged: {text}", style="yellow")
    _out.print(f"result  {place}", soft_wrap=True)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
def plot(run: Path) -> None:
    """Draw the figures of RUN again, from its files alone."""
    from testbed import figures

    for path in figures.draw(result.load(run), run / "figures"):
        _out.print(str(path), soft_wrap=True)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write the report of RUN again, from its files alone."""
    from testbed import report as reports

    _out.print(str(reports.write_report(result.load(run))), soft_wrap=True)


@cli.command()
@click.argument("topology")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the topology.")
def shell(topology: str, settings: tuple[str, ...]) -> None:
    """TOPOLOGY, live, with Mininet's prompt (real clock)."""
    function = catalogue.topology(topology)
    network = runs.one_topology(function, topology_defaults(function), _settings(settings))
    runs.shell(network)


@cli.command()
def clean() -> None:
    """Remove what interrupted kernel builds and trials may have left behind."""
    for path in runs.leftovers():
        _out.print(f"removed {path}", soft_wrap=True)
        runs.remove(path)


def main() -> None:
    """The entry point: every error that the user can put right becomes a message and an exit code."""
    try:
        code: Any = cli.main(standalone_mode=False)
    except TestbedError as error:
        _err.print(f"testbed: {error.message}", style="red", soft_wrap=True, markup=False)
        if error.hint:
            _err.print(error.hint, soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _err.print("interrupted", style="yellow")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
