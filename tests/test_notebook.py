"""The worked notebook: its cells run, and its stored outputs are what they print."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebook").glob("*.ipynb"))


@pytest.fixture(scope="module")
def execute() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execute", ROOT / "docs" / "notebook" / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(text: str) -> list[Any]:
    """The outputs as text; pictures may differ between versions of the drawing library."""
    cells = json.loads(text)["cells"]
    return [output.get("text") or output["data"]["text/plain"] for cell in cells for output in cell.get("outputs", ())]


def test_there_is_a_notebook() -> None:
    assert [path.name for path in NOTEBOOKS] == ["failover.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
@pytest.mark.parametrize("place", [ROOT, ROOT / "docs" / "notebook"], ids=["from the project", "from where it lies"])
def test_the_cells_print_what_is_stored(
    path: Path, place: Path, execute: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jupyter and VS Code start a notebook in its own directory."""
    monkeypatch.chdir(place)
    text = path.read_text()
    found = execute.executed(text)
    again = f"docs/notebook/{path.name} is out of date; type: python docs/notebook/execute.py docs/notebook/{path.name}"
    assert printed(text) == printed(found), again
    assert len(printed(text)) >= 5


def test_a_cell_that_fails_is_an_error(execute: ModuleType) -> None:
    cell = {"cell_type": "code", "source": ["1 / 0"], "outputs": [], "metadata": {}, "execution_count": None}
    with pytest.raises(ZeroDivisionError):
        execute.executed(json.dumps({"cells": [cell]}))
