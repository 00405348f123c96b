"""docs/troubleshooting.md against the messages in the code, both ways."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "troubleshooting.md"
#: Errors whose text comes from elsewhere in the code, where it is found as a text of its own.
_PASSED_ON = re.compile(r"[\s.:;,()]*|\.\.\. \(wanted: \.\.\.\)")


def flat(node: ast.expr) -> str:
    """A text in the code, with ``...`` for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(flat(part) if isinstance(part, ast.Constant) else "..." for part in node.values)
    return "..."


@functools.cache
def trees() -> tuple[ast.Module, ...]:
    return tuple(ast.parse(path.read_text()) for path in sorted((ROOT / "testbed").rglob("*.py")))


@functools.cache
def texts() -> tuple[str, ...]:
    """Every text in the code."""
    nodes = (node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.Constant))
    return tuple(dict.fromkeys(" ".join(flat(node).split()) for node in nodes))


def machine_errors() -> set[str]:
    """The messages of errors that say that the machine lacks something: each stops a newcomer."""
    calls = (node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "MachineError")
    return {" ".join(flat(call.args[0]).split()) for call in named}


def rows() -> list[list[str]]:
    """The messages of each row of the tables."""
    cells = re.findall(r"^\| (`.*?) \| .* \|$", PAGE.read_text(), re.MULTILINE)
    return [re.findall(r"`([^`]+)`", cell.split(" | ")[0]) for cell in cells]


def pattern(message: str) -> re.Pattern[str]:
    """A message of the page, as a text in the code has it."""
    words = re.escape(message.removesuffix("...").removeprefix("...").strip(" :;,"))
    return re.compile(words.replace(re.escape("..."), ".*?"))


@pytest.mark.parametrize("messages", rows(), ids=lambda messages: messages[0][:50])
def test_a_message_of_the_page_is_in_the_code(messages: list[str]) -> None:
    assert not [message for message in messages if not any(pattern(message).search(text) for text in texts())]


def test_every_error_of_the_machine_is_on_the_page() -> None:
    known = [pattern(message) for messages in rows() for message in messages]
    assert len(known) > 50
    found = {each for each in machine_errors() if not _PASSED_ON.fullmatch(each)}
    assert len(found) > 20
    missing = {each for each in found if not any(one.search(each) for one in known)}
    assert not missing


@pytest.mark.parametrize(
    "message", ["the guest needs a pony, not installed at all", "no such message in the code: ..."]
)
def test_a_message_that_nothing_prints_is_noticed(message: str) -> None:
    assert not any(pattern(message).search(text) for text in texts())
