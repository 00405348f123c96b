"""testbed availability: how long the traffic of a network is down in a year, by failure rates and what it survives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from testbed import schemes
from testbed.cli.availability_shown import Assumed, data_of, show
from testbed.cli.base import out, say, settings_of
from testbed.cli.problems import reading
from testbed.cli.progress import working
from testbed.design.factor import Level
from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.plan import build_topology, factor_levels, list_cases
from testbed.faults.elements import elements
from testbed.results import audit as audits
from testbed.results import result
from testbed.spec import SwitchSide, Topology
from testbed.theory import availability as theory
from testbed.theory import failure_rates
from testbed.theory.availability import Availability
from testbed.theory.failure_rates import Rate
from testbed.theory.redundancy import Observed, Redundancy

#: More states take too long: about 10 ms each in a large network.
MOST_STATES = 25_000


@click.command()
@click.argument("topology")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the topology, or a factor."
)
@click.option("--rates", type=click.Path(path_type=Path), metavar="FILE", help="TOML: how often each kind fails.")
@click.option("--audit", type=click.Path(path_type=Path), metavar="RUN", help="Take outages from this audit's run.")
@click.option(
    "--coverage", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Share of switch-overs that work."
)
@click.option(
    *("--beta", "beta"),
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of failures that hit all elements of a kind.",
)
@click.option(
    *("--at-once", "at_once"),
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Enumerate the states with up to so many failures at once.",
)
@click.option("--out", "place", type=click.Path(path_type=Path), metavar="DIR", help="Draw the figure into DIR.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def availability(
    topology: str,
    settings: tuple[str, ...],
    rates: Path | None,
    audit: Path | None,
    coverage: float,
    beta: float,
    at_once: int,
    place: Path | None,
    as_json: bool,
) -> None:
    """Compute how long TOPOLOGY is down in a year.

    From failure and repair rates and what the network survives: no trial is carried out.
    """
    if place is not None:
        if place.exists() and not place.is_dir():
            raise SpecError(f"{place} is a file; wanted a directory to draw into", "Give another --out.")
        place.mkdir(parents=True, exist_ok=True)
    with working("computing"):
        used = _rates(rates)
        network, side, case, changed = _network(topology, settings_of(settings))
        observed = {} if audit is None else _observed(audit, topology, case, network, side)
        redundancy = _redundancy(network, side, used, observed)
        found = theory.events(redundancy.elements, used, beta=beta, switching=redundancy.on_ways())
        _check_size(len(found), at_once)
        computed = theory.downtime(found, redundancy.up, redundancy.outage, coverage=coverage, at_once=at_once)
    for text in changed:
        say(text, "yellow")
    assumed = Assumed(coverage, beta, audit)
    if as_json:
        click.echo(json.dumps(data_of(redundancy, computed, assumed)))
    else:
        show(redundancy, computed, assumed)
    if place is not None:
        _draw(network, computed, assumed, place, quiet=as_json)


def _rates(file: Path | None) -> dict[str, Rate]:
    """The rates by kind: the file's, and for other kinds the defaults. Errors: SpecError."""
    found = failure_rates.defaults()
    if file is None:
        return found
    try:
        return found | failure_rates.parsed(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise SpecError(
            f"{file} is no text in UTF-8; wanted TOML", "Give a file as docs/availability.md says."
        ) from error


def _network(topology: str, settings: dict[str, str]) -> tuple[Topology, SwitchSide, dict[str, Level], list[str]]:
    """The network, what its switch side can do, its case, and which factors are other than asked, with the reasons.

    Errors: SpecError for what an audit of it would refuse, for factors of its trials, and for more than one network.
    """
    experiment, function = discovery.experiment("audit"), discovery.topology(topology)
    of_trials = {factor.name for factor in experiment.factors} - {schemes.FACTOR.name}
    for name in settings.keys() & of_trials:
        hint = "Leave it out."
        if name == "controller_down_s":
            hint += " How long a controller is away is mttr_h of kind controller: give it by --rates FILE."
        raise SpecError(f"--set {name} is of an audit's trials, and no trial is carried out here", hint)
    levels = factor_levels(experiment, function, settings, quick=False)
    for name, found in levels.items():
        if len(found) > 1:
            raise SpecError(
                f"--set {name}={settings[name]} gives {len(found)} levels; an availability is of one network",
                "Give one level, and type the command once for each.",
            )
    case = {name: found[0] for name, found in levels.items()}
    network, side = build_topology(function, case), schemes.chosen(case).side
    levels["element"] = (elements(network, side)[0].name,)
    cases = list_cases(experiment, function, levels, named=settings.keys())
    case = {name: level for name, level in cases.kept[0].items() if name not in of_trials}
    changed = [f"{name}: {why}" for name, why in cases.changed if name not in of_trials]
    return build_topology(function, case), schemes.chosen(case).side, case, changed


def _redundancy(
    network: Topology, side: SwitchSide, rates: Mapping[str, Rate], observed: Mapping[frozenset[str], Observed]
) -> Redundancy:
    """Errors: SpecError for a network of which theory does not know what it does when nothing has failed, and for a
    kind of element without a rate."""
    redundancy = Redundancy(network, side, rates, observed)
    for kind in dict.fromkeys(each.kind for each in redundancy.elements):
        if kind not in rates:
            raise SpecError(
                f"{network.name} has elements of kind {kind}, and there is no rate of it; wanted mtbf_h and mttr_h",
                f'Give it by --rates FILE, with: [{kind}] mtbf_h = ..., mttr_h = ..., source = "..."',
            )
    if redundancy.up(frozenset()) is not True:
        hosts = ", ".join(network.ends())
        raise SpecError(
            f"theory does not say whether {hosts} reach each other when nothing has failed",
            "Choose another --set controller=... or --set mode=..., or measure: testbed audit TOPOLOGY",
        )
    return redundancy


def _observed(
    run: Path, topology: str, case: Mapping[str, Level], network: Topology, side: SwitchSide
) -> dict[frozenset[str], Observed]:
    """What an audit has measured. Errors: SpecError if the run is none, or of another network."""
    loaded = result.load(run)
    again = f"Type: testbed audit {topology} --out DIRECTORY"
    if loaded.experiment != "audit":
        raise SpecError(f"{run} is a run of {loaded.experiment}; wanted an audit of {topology}", again)
    with reading(run):
        theirs = {name: levels[0] for name, levels in loaded.manifest["factors"].items() if name != "element"}
        was = loaded.manifest["topology"]
        if was != topology:
            raise SpecError(f"{run} is an audit of {was}; wanted one of {topology}", again)
        same = build_topology(discovery.topology(topology), theirs) == network
        if not same or schemes.chosen(theirs).side != side:
            names = [name for name in {**theirs, **case} if name in case and theirs.get(name) != case[name]]
            differing = ", ".join(f"{name} is {theirs.get(name, 'as by default')}, not {case[name]}" for name in names)
            what = differing or ", ".join(f"{name}={level}" for name, level in theirs.items() if name not in case)
            raise SpecError(f"{run} is an audit of another network: {what or 'its file has changed'}", again)
        return audits.observed(loaded.records)


def _check_size(events: int, at_once: int) -> None:
    count = theory.states(events, at_once)
    if count > MOST_STATES:
        raise SpecError(
            f"{events} failures make {count} states with up to {at_once} at once; wanted {MOST_STATES} at most",
            "Give a smaller --at-once: the rest is counted as from up to down.",
        )


def _draw(network: Topology, found: Availability, assumed: Assumed, place: Path, *, quiet: bool) -> None:
    from testbed import figures  # matplotlib takes a second
    from testbed.figures.downtime import downtime

    drawing = downtime(found, ", ".join(network.ends()), str(assumed))
    for path in figures.write(drawing, place, "availability"):
        if not quiet:
            out.print(f"figure  {path}", soft_wrap=True, markup=False)
