"""What the documents say that can be checked against the code."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_state_diagrams_are_those_of_the_rule_tables() -> None:
    spec = importlib.util.spec_from_file_location("lacp_diagrams", DOCS / "lacp_diagrams.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (DOCS / "lacp.md").read_text()
    assert text.endswith(module.drawn()), "docs/lacp.md is out of date: run docs/lacp_diagrams.py"
    assert text.count("```mermaid") == 8
