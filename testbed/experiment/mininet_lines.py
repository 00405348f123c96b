"""Where a file for Mininet adds each of its hosts, switches and links: for errors about their options."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.errors import SpecError

#: Of a node its name; of a link its first end and port.
Lines = dict[object, int]


@contextmanager
def noted(path: Path) -> Iterator[Lines]:
    """The line in the file at ``path`` of each node and link that is added while the block runs."""
    lines: Lines = {}
    topo = getattr(sys.modules.get("mininet.topo"), "Topo", None)
    if topo is None:
        yield lines
        return
    add_node, add_link = topo.addNode, topo.addLink

    def node(self: Any, name: str, *given: Any, **options: Any) -> Any:
        lines[name] = _line(path)
        return add_node(self, name, *given, **options)

    def link(self: Any, *given: Any, **options: Any) -> Any:
        key = add_link(self, *given, **options)
        named = dict(zip(("node1", "node2"), given, strict=False)) | options
        info = self.linkInfo(named["node1"], named["node2"], key)
        lines[key_of(info)] = _line(path)
        return key

    topo.addNode, topo.addLink = node, link
    try:
        yield lines
    finally:
        topo.addNode, topo.addLink = add_node, add_link


def key_of(link: Mapping[str, Any]) -> object:
    """What a link is noted by."""
    return link.get("node1"), link.get("port1")


@contextmanager
def placed(file: str, lines: Lines, *keys: object) -> Iterator[None]:
    """Errors of the block name the file and, of the first of ``keys`` that was noted, the line."""
    try:
        yield
    except SpecError as error:
        line = next((lines[key] for key in keys if lines.get(key)), 0)
        place = f"{file}, line {line}" if line else file
        raise SpecError(f"{place}: {error.message}", error.hint) from error


def _line(path: Path) -> int:
    """The line of the file that is being carried out; 0 if none is."""
    frame = inspect.currentframe()
    while frame is not None:
        if Path(frame.f_code.co_filename) == path:
            return frame.f_lineno
        frame = frame.f_back
    return 0
