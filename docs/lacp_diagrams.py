"""Draw the state diagrams of docs/lacp.md from the rule tables of testbed.lacp.

Usage: .venv/bin/python docs/lacp_diagrams.py   (rewrites docs/lacp.md below its marker; a test compares the two)
"""

from __future__ import annotations

from pathlib import Path

from testbed.lacp import MACHINES, diagram

PAGE = Path(__file__).with_name("lacp.md")
MARKER = "<!-- From here on drawn by lacp_diagrams.py -->\n"


def drawn() -> str:
    """The lower part of the page: each machine with its clause and its diagram."""
    parts = [MARKER]
    for machine in MACHINES:
        title = f"{machine.name} machine".replace("_", " ")
        parts.append(f"\n## The {title} ({machine.clause})\n\n```mermaid\n{diagram(machine)}```\n")
    return "".join(parts)


def page(text: str) -> str:
    """The whole page: the text written by hand, then the diagrams."""
    return text.partition(MARKER)[0] + drawn()


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
