"""The documents compared with the code and the tree."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import documents
import pytest
import yaml

import testbed
from testbed import drawing
from testbed.experiment import discovery
from testbed.faults import catalogue, elements
from topologies.service import service

ROOT = documents.ROOT
DOCS = ROOT / "docs"


def test_the_state_diagrams_are_those_of_the_rule_tables() -> None:
    spec = importlib.util.spec_from_file_location("lacp_diagrams", DOCS / "lacp_diagrams.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (DOCS / "lacp.md").read_text()
    assert text.endswith(module.drawn()), "docs/lacp.md is out of date: run docs/lacp_diagrams.py"
    assert text.count("```mermaid") == 10


def test_the_drawing_of_the_whole_chain_is_that_of_its_topology() -> None:
    drawn = (DOCS / "figures" / "service.svg").read_text()
    assert drawn == drawing.svg(service()), "type: testbed show service --svg docs/figures/service.svg"


@pytest.mark.parametrize("path", documents.documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_in_a_document_is_right(path: Path) -> None:
    assert documents.problems(documents.text_of(path), path.parent) == []


#: One wrong text for each kind of check, and a part of the sentence about it.
WRONG = {
    "link to a file": ("[a](nowhere.md)", "link to nowhere.md"),
    "link to a heading": ("[a](docs/lacp.md#no-such-heading)", "no such heading"),
    "link to a heading of the same text": ("# One\n\n[a](#two)", "no such heading"),
    "path in a span": ("`testbed/nothing.py`", "path testbed/nothing.py"),
    "directory in a span": ("`testbed/emulation/faults/`", "path testbed/emulation/faults/"),
    "path in prose": ("see tests/nothing.py.", "path tests/nothing.py"),
    "pattern": ("`docs/*.rst`", "path docs/*.rst"),
    "reference run": ("`results/reference/nothing/run.json`", "path results/reference/nothing"),
    "path from within": ("`emulation/pause.c`", "does not begin at the project's directory"),
    "file": ("`nothing.py`", "file nothing.py"),
    "module": ("`testbed.nothing`", "name testbed.nothing"),
    "attribute": ("`testbed.theory.nothing_s(1)`", "name testbed.theory.nothing_s"),
    "Python": ("```python\nfor x\n```", "Python that cannot be parsed"),
    "import of a module": ("```python\nimport nothing_of_this_name\n```", "import nothing_of_this_name"),
    "import of a name": ("```python\nfrom testbed.spec import Nothing\n```", "from testbed.spec import Nothing"),
    "name of an imported module": ("```python\nfrom testbed import stats\nstats.nothing()\n```", "stats.nothing"),
    "verb": ("`testbed fly`", "no command fly"),
    "verb of a group": ("```\ntestbed kernel fly\n```", "no command fly"),
    "second command of a line": ("```\ntestbed list; testbed fly\n```", "no command fly"),
    "command in a column": ("\n\n    testbed audit mlag          testbed fly mlag\n", "no command fly"),
    "command over two lines": ("`testbed run\nnothing`", "experiment 'nothing'"),
    "option": ("`testbed run failover --fast`", "no option --fast"),
    "option's value": ("`testbed run failover --clock slow`", "--clock"),
    "option alone": ("`--fast`", "option --fast"),
    "experiment": ("`testbed run nothing`", "experiment 'nothing'"),
    "topology": ("`testbed run failover --topology nothing`", "topology 'nothing'"),
    "topology of an audit": ("`testbed audit nothing`", "topology 'nothing'"),
    "factor": ("`testbed run failover --set nothing=1`", "factor 'nothing'"),
    "factor without a level": ("`testbed run failover --set nothing=...`", "no factor nothing"),
    "factor of another experiment": ("`testbed run miimon --set flap_count=1`", "factor 'flap_count'"),
    "level": ("`testbed run failover --set mode=802.3ae`", "802.3ae"),
    "argument of another topology": ("`testbed show single_switch --set spines=2`", "spines"),
    "factor that a topology has not": ("`testbed show mlag --set flows=4`", "flows"),
    "factor alone": ("`--set nothing=1`", "nothing"),
    "setting alone": ("`nothing=1`", "nothing"),
    "level of a setting alone": ("`mode=802.3ae`", "802.3ae"),
    "level alone": ("`--set fault=nothing`", "nothing"),
    "list": ("`testbed list nothing`", "nothing"),
    "step of the campaign": ("`testbed reproduce nothing`", "no step nothing"),
    "target": ("`make nothing`", "no such target"),
    "target in a block": ("```\nmake nothing   # a remark\n```", "no such target"),
    "variable of make": ("`make setup NOTHING=1`", "no variable NOTHING"),
    "option of a benchmark": ("`python benchmarks/lacp_scale.py --nothing`", "no option --nothing"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_name_is_found(kind: str) -> None:
    text, part = WRONG[kind]
    found = documents.problems(text, ROOT)
    assert len(found) == 1
    assert part in found[0]


def test_right_names_pass() -> None:
    right = """\
# One `thing`, and more

[a](#one-thing-and-more) [b](docs/lacp.md#losing-the-controller) [c](https://example.org/d)
`testbed/lacp/` `results/failover/...` `mine.py` `testbed.theory.lacp_bound("fast")` `testbed.spec.Switch.isolate`
`/proc/net/bonding` `run.json` `--set vlan=7` `--quick` `testbed RUN` `make EXPERIMENT`

    testbed show mlag --set members=2          testbed audit mlag --pairs

```python
from testbed import stats

stats.summary([1.0])
```
```
$ testbed run failover --set mode=all --set fault=carrier_loss,none --until-ci 5%   # a remark
testbed run mine.py --topology ./mine.py --repetitions N --set FACTOR=LEVEL[,LEVEL]
make reproduce QUICK=1; testbed list modes
```
"""
    assert documents.problems(right, ROOT) == []


@pytest.mark.parametrize("kind", [kind for kind in elements.KINDS if kind != "link"])  # "member, link" is one row
def test_the_kinds_of_elements_that_an_audit_fails_are_listed(kind: str) -> None:
    text = (DOCS / "topologies.md").read_text()
    assert f"\n| {'member, link' if kind == 'member' else kind} |" in text


@pytest.mark.parametrize("name", discovery.names("experiments"))
def test_every_experiment_is_in_the_list_of_experiments(name: str) -> None:
    assert f"`{name}`" in (DOCS / "experiments.md").read_text()


@pytest.mark.parametrize(
    "command", ["atlas", "displacement", "messages", "gateway", "stateful_failover", "failover", "tcp_failover"]
)
def test_the_readme_has_a_command_for_each_question(command: str) -> None:
    found = [
        line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"testbed run {command} ")
    ]
    assert found and len(set(found)) == len(found)


def test_the_readme_repeats_no_command() -> None:
    lines = (line.partition("#")[0].rstrip() for line in (ROOT / "README.md").read_text().splitlines())
    commands = [line for line in lines if line.startswith("testbed ")]
    assert [command for command in set(commands) if commands.count(command) > 1] == []


def test_the_experiments_that_take_faults_of_routers_are_named() -> None:
    """docs/faults.md names each experiment whose factor ``fault`` takes one of a router or daemon, and no other."""
    text = (DOCS / "faults.md").read_text().partition("**Routers and daemons**")[2].partition("\n\n")[0]
    takes = {
        name
        for name in discovery.names("experiments")
        for factor in (*discovery.experiment(name).factors, *discovery.experiment(name).options)
        if factor.name == "fault" and set(factor.known or ()) - set(catalogue.OF_LINKS)
    }
    assert takes == {name for name in discovery.names("experiments") if f"`{name}`" in text} - {"audit", "chaos"}


def test_the_citation_is_valid_and_of_this_version() -> None:
    """The required keys by the schema of the Citation File Format 1.2.0; the authors are entities, not persons."""
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert found["cff-version"] == "1.2.0"
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    assert found["type"] in ("software", "dataset")
    assert found["authors"] and all(author.keys() == {"name"} for author in found["authors"])
    assert str(found["version"]) == testbed.__version__
