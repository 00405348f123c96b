"""docs/code.md: the map is that of the code, and answers where things are done."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Questions of a new reader of the code, and the file of each answer. The words of the question must lead there: by
#: the package's sentence, or by the file's name or first sentence.
QUESTIONS = {
    "Where is a bond's option checked against the kernel's rules?": ("testbed/spec/bond/rules.py", "kernel"),
    "Where do MAC addresses come from?": ("testbed/spec/addressing.py", "address"),
    "Where is a network put together by the piece?": ("testbed/spec/wiring.py", "networks"),
    "Where is the catalogue of faults?": ("testbed/faults/catalogue.py", "catalogue"),
    "Where is a fault injected into a link?": ("testbed/inject/links.py", "fault"),
    "Where is what a fault changed restored?": ("testbed/inject/restore.py", "restore"),
    "Where is a trial's seed made?": ("testbed/design/trial.py", "trial"),
    "Where are the LACP machines of IEEE 802.1AX?": ("testbed/lacp/machines.py", "802.1AX"),
    "Where does the controller choose how frames are forwarded?": (
        "testbed/controller/forwarding.py",
        "forward",
    ),
    "Where is the bound of an outage by theory?": ("testbed/theory/bounds.py", "theory"),
    "Where is it computed which hosts still reach each other?": ("testbed/theory/reachability.py", "reach"),
    "Where is a protection scheme added?": ("testbed/schemes/scheme.py", "scheme"),
    "Where is the live network built?": ("testbed/emulation/builder.py", "live network"),
    "Where is a background process started and ended?": ("testbed/emulation/daemon.py", "background"),
    "Where does the probe record packets?": ("testbed/observe/probe.py", "probe"),
    "Where is it decided that a network has converged?": ("testbed/lab/convergence.py", "network"),
    "Where does an outage become a metric?": ("testbed/measure/outage.py", "outage"),
    "Where is a raw file in CSV read?": ("testbed/measure/table.py", "CSV"),
    "Where is an experiment found by its name?": ("testbed/experiment/discovery.py", "experiment"),
    "Where is trials.jsonl written?": ("testbed/results/result.py", "run on disk"),
    "Where are trials carried out side by side?": ("testbed/run/execute.py", "trials"),
    "Where is the guest kernel built?": ("testbed/backends/kernel_build.py", "kernel"),
    "Where is the report written?": ("testbed/report/page.py", "report"),
}


@pytest.fixture(scope="module")
def code_map() -> ModuleType:
    spec = importlib.util.spec_from_file_location("code_map", ROOT / "docs" / "code_map.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_that_of_the_code(code_map: ModuleType) -> None:
    text = code_map.PAGE.read_text()
    assert text == code_map.page(text), "docs/code.md is out of date: run docs/code_map.py"


def test_the_figure_is_that_of_the_code(code_map: ModuleType) -> None:
    assert code_map.FIGURE.read_text() == code_map.figure(), "out of date: run docs/code_map.py"


def test_every_package_is_on_the_map_with_a_sentence_of_its_own(code_map: ModuleType) -> None:
    shown = set(code_map.layers())
    packages = {f"testbed.{path.parent.name}" for path in (ROOT / "testbed").glob("*/__init__.py")}
    assert packages | {"topologies", "experiments"} <= shown
    sentences = [code_map.sentence(code_map.source(package)) for package in shown]
    assert len(set(sentences)) == len(sentences)
    assert all(5 < len(each) <= 110 for each in sentences)


def test_four_modules_are_at_the_root() -> None:
    assert {path.name for path in (ROOT / "testbed").glob("*.py")} == {
        *("__init__.py", "__main__.py", "errors.py", "background.py")
    }


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_leads_to_its_file(code_map: ModuleType, question: str) -> None:
    name, word = QUESTIONS[question]
    path = ROOT / name
    package = ".".join(Path(name).parts[:2])
    row = next(line for line in code_map.drawn().splitlines() if line.startswith(f"| `{package.replace('.', '/')}/`"))
    files = [each.strip() for each in row.rpartition("|")[0].rpartition("|")[2].split(",")]
    assert "/".join(Path(name).with_suffix("").parts[2:]) in files
    text = f"{code_map.sentence(code_map.source(package))} {path.stem} {code_map.sentence(path)}"
    assert word.lower() in text.lower()


def test_an_arrow_that_follows_from_others_is_left_out(code_map: ModuleType) -> None:
    arrows = {"roof": {"middle", "ground"}, "middle": {"ground"}, "ground": set()}
    assert code_map.reduced(arrows) == {"roof": {"middle"}, "middle": {"ground"}, "ground": set()}
