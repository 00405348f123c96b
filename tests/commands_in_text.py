"""Check the commands in a text: verbs, options and their values, experiments, topologies, factors, make's targets.

It contains no list of these: it asks click, the experiments, the topologies, the campaign and the Makefile.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import click.testing

from testbed import cli
from testbed.campaign.steps import CAMPAIGN
from testbed.cli.base import settings_of
from testbed.errors import TestbedError
from testbed.experiment import discovery
from testbed.experiment.plan import build_from_settings, factor_levels, topology_defaults

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
#: A code span that is one level of a factor, such as ``mode=802.3ad``.
_SETTING = re.compile(r"[a-z_]+=[a-z0-9][\w.+-]*")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def line(text: str) -> Iterator[str]:
    """The commands in a line of a block: several in columns, or one and a remark. A sentence for each error."""
    for part in re.split(r"\s{3,}|;\s*|\s#\s.*", text.strip()):
        yield from command(part.removeprefix("$ "))


def command(text: str) -> Iterator[str]:
    """A command of the testbed, of make or of a benchmark; any other text is ignored. A sentence for each error."""
    text = re.sub(r"^(sudo )?(\.venv/bin/)?(python -m (?=testbed))?", "", text.replace("[", "").replace("]", ""))
    if not re.match(r"(testbed|make|python) ", text):
        return
    program, *words = shlex.split(text)
    if program == "make":
        yield from _make(words)
    elif program == "testbed":
        yield from _testbed(text, words)
    elif words[0].endswith(".py") and (ROOT / words[0]).exists():
        source = (ROOT / words[0]).read_text()
        yield from (f"{text}: no option {word}" for word in words if word[:2] == "--" and f'"{word}"' not in source)


def _make(words: list[str]) -> Iterator[str]:
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and f"$({name})" not in MAKEFILE and f"$(if $({name})" not in MAKEFILE:
            yield f"make {word}: the Makefile has no variable {name}"
        elif not equals and not word.startswith("-") and not _placeholder(word) and word not in TARGETS:
            yield f"make {word}: the Makefile has no such target"


def _placeholder(word: str) -> bool:
    """Whether the reader is to replace a word: RUN, N, NAME..., results/..."""
    return word.isupper() or "..." in word


def _testbed(text: str, words: list[str]) -> Iterator[str]:
    """A command of the testbed: its verb, its options and their values, and the names that it takes."""
    found: click.Command = cli.cli
    verb = ""
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        verb = words.pop(0)
        if _placeholder(verb):
            return
        if verb not in found.commands:
            yield f"{text}: no command {verb}"
            return
        found = found.commands[verb]
    options = _options(found)
    named: list[str] = []
    settings: list[str] = []
    topology = None
    while words:
        name, equals, value = words.pop(0).partition("=")
        if not name.startswith("--"):
            named.append(name + equals + value)
            continue
        if name not in options:
            yield f"{text}: no option {name}"
            return
        option = options[name]
        if option is None or option.is_flag or not (equals or words):
            continue
        value = value if equals else words.pop(0)
        if name == "--set":
            settings.append(value)
        elif name == "--topology":
            topology = value
        elif not _placeholder(value):
            try:
                option.type.convert(value, option, None)
            except click.BadParameter as error:
                yield f"{text}: {name}: {error.message}"
    try:
        _check_names(verb, named, topology, settings)
    except TestbedError as error:
        yield f"{text}: {error.message}"


def _options(command: click.Command) -> dict[str, click.Option | None]:
    own = [each for each in command.params if isinstance(each, click.Option)]
    return {"--help": None} | {name: each for each in own for name in (*each.opts, *each.secondary_opts)}


def _check_names(verb: str, named: list[str], topology: str | None, settings: list[str]) -> None:
    """Check the experiments, topologies, factors and levels of a command. Errors: those of the command itself."""
    first = next((word for word in named if not _placeholder(word) and not word.endswith(".py")), None)
    experiments, topologies = discovery.names("experiments"), discovery.names("topologies")
    if verb in ("run", "audit"):
        experiments = ["audit"] if verb == "audit" else [discovery.experiment(first).name] if first else experiments
    if verb in ("audit", "show", "shell"):
        topology = first
    if topology is not None and not topology.endswith(".py") and not _placeholder(topology):
        discovery.topology(topology)
        topologies = [topology]
    elif topology is None and first and verb == "run":
        topologies = [discovery.experiment(first).topology]
    if verb == "list" and first:
        click.testing.CliRunner().invoke(cli.cli, ["list", first], catch_exceptions=False)
    if verb == "reproduce" and first and first not in {step.name for step in CAMPAIGN}:
        raise TestbedError(f"the campaign has no step {first}")
    if verb in ("show", "shell") and topology in topologies and not any(map(_placeholder, settings)):
        build_from_settings(discovery.topology(topology), settings_of(tuple(settings)))
        return
    for setting in settings:
        _check_setting(setting, experiments, topologies)


def _check_setting(setting: str, experiments: list[str], topologies: list[str]) -> None:
    """Check that an experiment on a topology takes NAME=LEVEL,... Errors: TestbedError if none does."""
    name, _, levels = setting.partition("=")
    if _placeholder(name):
        return
    failure = TestbedError(f"no experiment takes {setting}")
    for experiment in map(discovery.experiment, experiments):
        for function in map(discovery.topology, topologies):
            try:
                if levels and not _placeholder(levels) and not levels.endswith(".py"):
                    factor_levels(experiment, function, {name: levels}, quick=False)
                elif experiment.factor(name) is None and name not in topology_defaults(function):
                    raise TestbedError(f"no factor {name}")
                return
            except TestbedError as error:
                failure = error
    raise failure


def alone(span: str) -> Iterator[str]:
    """A code span of options alone, or of FACTOR=LEVEL: some command, benchmark or experiment must take each."""
    settings = re.findall(r"--set (\S+)", span) if span.startswith("--") else [span] * bool(_SETTING.fullmatch(span))
    for name in re.findall(r"--[a-z][a-z-]*", span) if span.startswith("--") else ():
        if name not in _all_options():
            yield f"option {name}, which no command has"
    for setting in settings:
        try:
            _check_setting(setting, discovery.names("experiments"), discovery.names("topologies"))
        except TestbedError as error:
            yield f"{span}: {error.message}"


@functools.cache
def _all_options() -> set[str]:
    known = [*cli.cli.commands.values()]
    known += [each for group in known if isinstance(group, click.Group) for each in group.commands.values()]
    scripts = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
    return {name for each in known for name in _options(each)} | set(re.findall(r'"(--[a-z-]+)"', scripts))
