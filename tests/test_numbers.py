"""docs/numbers.md: every figure and number of the documents has a source, and every step of the campaign is one.

What this cannot see is whether a number is the one that the run gave: whoever renews a reference reads these sections.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import documents
import pytest
from PIL import Image

from testbed import figures
from testbed.campaign import reproduce
from testbed.campaign.steps import CAMPAIGN, SEED, Step
from testbed.cli.base import settings_of
from testbed.experiment import discovery
from testbed.experiment.plan import build_topology, factor_levels
from testbed.faults.elements import elements
from testbed.results import result

ROOT, DOCS = documents.ROOT, documents.ROOT / "docs"
TABLES = DOCS / "numbers.md"
#: The documents whose numbers have a source there: those for readers but for the definition of results and the history.
PAGES = [ROOT / "README.md", *sorted(set(DOCS.glob("*.md")) - {TABLES})]
#: A number with a unit, or a count of so many.
NUMBER = re.compile(
    r"(?<![\w.=-])\d[\d,.]*(?: to \d[\d,.]*)? ?(?:ms|s|us|Mbit/s|%|minutes|seconds|MiB|MB|packets|trials)(?!\w)"
    r"|\b\d+ of \d+\b"
)
#: Sources that are no step and no file.
OTHERS = ("theory", "definition", "machine")
#: Blocks of commands to type, with options whose values have units.
TO_TYPE = {"README.md#more-commands"}
#: Drawn by a program beside it.
DRAWN_ELSEWHERE = {"code.svg", "service.svg"}
STEPS = {step.name: step for step in CAMPAIGN}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, but for its first two lines; an empty first cell is the one above."""
    text = TABLES.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    for above, below in itertools.pairwise(lines):
        below[0] = below[0] or above[0]
    return lines[2:]


def sections(path: Path) -> Iterator[tuple[str, str]]:
    """Each section as FILE#ANCHOR from the project's directory, and its text up to the next heading."""
    found = re.split(r"^(#+ .*)$", documents.FENCE.sub(_without_headings, path.read_text()), flags=re.MULTILINE)
    for heading, text in zip(found[1::2], found[2::2], strict=True):
        (anchor,) = documents.anchors(heading)
        yield f"{path.relative_to(ROOT)}#{anchor}", text


def _without_headings(block: re.Match[str]) -> str:
    return re.sub("^#", " #", block[0], flags=re.MULTILINE)


def sources() -> dict[str, set[str]]:
    """For each section, or each document as a whole, the sources that the table names."""
    found: dict[str, set[str]] = {}
    for section, _, source in rows("Numbers"):
        (link,) = re.findall(r"\]\(([^)]+)\)", section)
        place = str((DOCS / link).resolve().relative_to(ROOT))
        found.setdefault(place, set()).update(name.strip("` ") for name in source.split(","))
    return found


def of_section(section: str) -> set[str]:
    """The sources of a section: its own, and those of its document."""
    known = sources()
    return known.get(section, set()) | known.get(section.partition("#")[0], set())


ALL_SECTIONS = [each for page in PAGES for each in sections(page)]
WITH_NUMBERS = [section for section, text in ALL_SECTIONS if NUMBER.search(text) and section not in TO_TYPE]


@pytest.mark.parametrize("section", WITH_NUMBERS)
def test_a_section_with_numbers_has_a_source(section: str) -> None:
    assert of_section(section), f"docs/numbers.md does not say where the numbers of {section} come from"


def test_the_table_names_sections_steps_and_files_that_exist() -> None:
    known = {section for section, _ in ALL_SECTIONS}
    for place, names in sources().items():
        assert place in known or (ROOT / place).is_file(), place
        for name in names:
            assert name in STEPS or name in OTHERS or (ROOT / name).is_file(), name


def test_every_step_is_behind_something() -> None:
    assert set(STEPS) - set().union(*sources().values()) == set()


def test_numbers_are_found() -> None:
    for text in ("104 ms", "(1883.0 Mbit/s)", "2.1 to 2.4 s", "95 % of them", "3 of 17", "12,345 packets"):
        assert NUMBER.search(text), text
    for text in ("802.3ad", "h1 and h2", "miimon_ms=50", "section 6.4.12", "2 members"):
        assert not NUMBER.search(text), text


# Figures ------------------------------------------------------------------------------------------------------------


def test_every_figure_is_in_the_table_and_in_a_document() -> None:
    shown = {
        Path(link).name
        for page in documents.documents()
        for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", documents.text_of(page))
    }
    listed = {file for file, _, _ in rows("Figures")}
    assert shown == listed | DRAWN_ELSEWHERE == {path.name for path in (DOCS / "figures").iterdir()}


@pytest.mark.parametrize("file, step, name", rows("Figures"), ids=lambda text: text.strip("`"))
def test_a_figure_is_drawn_from_the_reference_of_its_step(file: str, step: str, name: str) -> None:
    """A figure's caption, in the file's own metadata, ends with the trials, seed and commit of the run."""
    own = STEPS[step.strip("`")]
    assert name in discovery.experiment(own.experiment).figures
    place = reproduce.REFERENCE / own.name
    if not (place / "run.json").exists():
        pytest.skip(f"there is no reference of {own.name} yet: testbed reproduce --keep {own.name}")
    (drawing,) = figures.drawings(result.load(place), [name]).values()
    assert _run_of(_caption(DOCS / "figures" / file)) == _run_of(drawing.caption)


def _caption(path: Path) -> str:
    with Image.open(path) as image:
        return str(image.info["Description"])


def _run_of(caption: str) -> str:
    found = re.search(r"\d+ trials(?: \([^)]*\))?, seed \d+, commit \w+\+?\.$", caption)
    assert found, caption
    return found[0]


# Commands -----------------------------------------------------------------------------------------------------------


def quoted(text: str) -> Iterator[list[str]]:
    """The words of each run or audit that a section names beside its numbers, or shows with what it printed."""
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", documents.FENCE.sub("", text))]
    shown = [part for line in text.splitlines() if line[:2] == "$ " for part in re.split(r"\s{3,}", line)]
    for command in (*spans, *(part.removeprefix("$ ") for part in shown)):
        words = shlex.split(command) if command.startswith(("testbed run ", "testbed audit ")) else []
        if len(words) > 2 and not words[2].isupper() and not words[2].endswith(".py"):
            yield words[1:]


def covers(step: Step, words: list[str]) -> bool:
    """Whether a step has all levels that a quoted command names, on that topology, of that seed and as often."""
    given_words = list(itertools.pairwise(words))
    options = dict(given_words)
    settings = [value for name, value in given_words if name == "--set"]
    experiment = discovery.experiment("audit" if words[0] == "audit" else words[1])
    topology = words[1] if words[0] == "audit" else options.get("--topology", experiment.topology)
    if (step.experiment, step.topology or experiment.topology) != (experiment.name, topology):
        return False
    function = discovery.topology(topology)
    asked = factor_levels(experiment, function, settings_of(tuple(settings)), quick=False)
    given = factor_levels(experiment, function, step.settings(quick=False), quick=False)
    named = {setting.partition("=")[0] for setting in settings}
    return (
        all(set(asked[name]) <= set(given.get(name, ())) for name in named)
        and step.repetitions >= int(options.get("--repetitions", 1))
        and int(options.get("--seed", SEED)) == SEED
    )


COMMANDS = [(section, words) for section, text in ALL_SECTIONS if section in WITH_NUMBERS for words in quoted(text)]


@pytest.mark.parametrize("section, words", COMMANDS, ids=lambda value: value if isinstance(value, str) else value[1])
def test_a_command_beside_numbers_is_a_step_of_that_section(section: str, words: list[str]) -> None:
    steps = [STEPS[name] for name in of_section(section) if name in STEPS]
    assert any(covers(step, words) for step in steps), f"no step of {section} is testbed {' '.join(words)}"


def test_a_command_that_is_no_step_is_found() -> None:
    step = Step("one", "failover", {"mode": "802.3ad", "fault": "carrier_loss"}, 2)
    assert covers(step, shlex.split("run failover --set mode=802.3ad"))
    assert covers(step, shlex.split("run failover --set fault=carrier_loss --seed 1 --repetitions 2"))
    for other in (
        "run failover --set mode=active-backup,802.3ad",
        "run failover --set miimon_ms=50",
        "run failover --topology mlag",
        "run failover --repetitions 3",
        "run failover --seed 2",
        "run mlag --set mode=802.3ad",
        "audit mlag",
    ):
        assert not covers(step, shlex.split(other)), other


def test_the_commands_of_the_readme_are_found() -> None:
    found = {(section.partition("#")[2], *words[:2]) for section, words in COMMANDS}
    assert {
        ("single-points-of-failure", "audit", "mlag"),
        ("single-points-of-failure", "audit", "unprotected"),
        ("every-mode-every-fault", "run", "failover"),
        ("laws", "run", "hashing"),
        ("losing-the-controller", "run", "controller_loss"),
    } <= found


@pytest.mark.parametrize("step", [step for step in CAMPAIGN if step.experiment == "audit"], ids=lambda step: step.name)
def test_an_audit_of_the_campaign_fails_elements_of_its_topology(step: Step) -> None:
    """All of them where the README prints the audit."""
    levels = step.settings(quick=False)
    elements_of = _elements(step)
    chosen = levels["element"].split(",")
    assert set(chosen) <= set(elements_of)
    if step.name in ("audit_mlag", "audit_unprotected"):
        assert chosen == elements_of


def _elements(step: Step) -> list[str]:
    function = discovery.topology(step.topology)
    return [element.name for element in elements(build_topology(function, {}))]


@pytest.mark.parametrize("experiment", ["aggregation", "failover"])
def test_make_run_repeats_trials_of_the_campaign(experiment: str) -> None:
    """README shows what `make run` prints: the cases of the steps of the same names, and no more of each."""
    (line,) = re.findall(rf"testbed run {experiment} (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "--quick" in line.split() and "--seed" not in line
    own, step = discovery.experiment(experiment), STEPS[experiment]
    function = discovery.topology(own.topology)
    asked = factor_levels(own, function, {}, quick=True)
    given = factor_levels(own, function, step.settings(quick=False), quick=False)
    assert asked == given
    repetitions = re.search(r"--repetitions (\d+)", line)
    assert (int(repetitions[1]) if repetitions else own.quick_repetitions) <= step.repetitions
