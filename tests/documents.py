"""Compare the names in a document with the tree: links, paths, modules, Python, commands, options, factors, targets.

`problems` is for tests/test_docs.py; tests/commands_in_text.py checks the commands.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commands_in_text as commands

ROOT = Path(__file__).resolve().parent.parent
#: Directories that a path in a document may begin with.
TOP = sorted({path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} | {".ci"})
#: A run makes everything below results/ but these, so it is not in the tree.
KEPT_RESULTS = ("README.md", "reference")
#: Files that a reader is to write, and files of a run.
NOT_IN_THE_TREE = {"mine.py", "lacp_show.txt", "bond_show.txt", "bridge_dump-flows.txt"}
NOT_IN_THE_TREE |= {"rstp_show.txt", "stp_show.txt", "bfd_show.txt"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n+)+")


def documents() -> list[Path]:
    """The documents for readers."""
    named = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")
    return [
        *(ROOT / name for name in named),
        *sorted((ROOT / "docs").glob("**/*.md")),
        *(ROOT / "docs").glob("*/*.ipynb"),
    ]


def text_of(path: Path) -> str:
    """A document's text; of a notebook, that of its cells."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(path.read_text())["cells"]]
    return "\n\n".join(f"```python\n{text}\n```" if kind == "code" else text for kind, text in cells)


def problems(text: str, place: Path) -> list[str]:
    """A sentence for each name in ``text`` that is wrong; its links start from the directory ``place``."""
    blocks = [(language, body) for language, body in FENCE.findall(text)]
    prose = FENCE.sub("", text)
    blocks += [("", body) for body in INDENTED.findall(prose)]
    prose = INDENTED.sub("", prose)
    spans = [" ".join(span.split()) for part in prose.split("\n\n") for span in re.findall(r"`([^`]+)`", part)]
    found = [*_links(prose, place), *_paths(text), *_dotted(text)]
    for span in spans:
        found += [*_file_name(span), *commands.command(span), *commands.alone(span)]
    for language, body in blocks:
        if language == "python":
            found += _python(body)
        else:
            found += [each for line in body.splitlines() for each in commands.line(line)]
    return found


# Links, paths, modules ----------------------------------------------------------------------------------------------


def _links(prose: str, place: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = place / target
        if target and not path.exists():
            yield f"link to {target}, which does not exist"
        elif anchor and anchor not in anchors(path.read_text() if target else prose):
            yield f"link to {link}: no such heading"


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*?) *$", FENCE.sub("", text), re.MULTILINE)
    slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return {slug if slugs[:n].count(slug) == 0 else f"{slug}-{slugs[:n].count(slug)}" for n, slug in enumerate(slugs)}


def _paths(text: str) -> Iterator[str]:
    """Paths from the project's directory, anywhere in the text."""
    tops = "|".join(map(re.escape, TOP))
    for token in re.findall(rf"(?<![\w/.~-])((?:{tops})/[\w.*/-]*)", text):
        name = token.rstrip(".")
        parts = name.split("/")
        if parts[0] == "results" and parts[1] not in ("", *KEPT_RESULTS):
            continue
        if not (any(ROOT.glob(name)) if "*" in name else (ROOT / name).exists()):
            yield f"path {name}, which does not exist"


def _file_name(span: str) -> Iterator[str]:
    """A code span that is only the name of a source or document, or a path from within the package."""
    if span in NOT_IN_THE_TREE or not re.fullmatch(r"[\w-][\w./-]*\.(py|c|config|md|ipynb|toml|txt|cff|sh)", span):
        return
    top, slash, _ = span.partition("/")
    if slash and top not in TOP:
        yield f"path {span}, which does not begin at the project's directory"
    elif not slash and not any(_named(span)):
        yield f"file {span}, which is nowhere in the project"


def _named(name: str) -> Iterator[Path]:
    yield from (path for path in (ROOT / name,) if path.exists())
    for top in TOP:
        yield from (ROOT / top).rglob(name)


def _dotted(text: str) -> Iterator[str]:
    for name in re.findall(r"(?<![\w/.-])testbed(?:\.[A-Za-z_]\w*)+", text):
        if not _resolves(name):
            yield f"name {name}, which is neither a module nor in one"


def _resolves(name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if part in getattr(value, "__dataclass_fields__", ()):
                return True
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def _python(body: str) -> Iterator[str]:
    """A block of Python: its syntax, its imports, and the names that it takes from the modules that it imports."""
    try:
        tree = ast.parse(body)
    except SyntaxError as error:
        yield f"Python that cannot be parsed: {error}"
        return
    names: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            try:
                exec(ast.unparse(node), names)
            except ImportError as error:
                yield f"{ast.unparse(node)}: {error}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = names.get(node.value.id)
            if inspect.ismodule(module) and not hasattr(module, node.attr):
                yield f"{node.value.id}.{node.attr}: {module.__name__} has no such name"
