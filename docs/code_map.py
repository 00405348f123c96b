"""Draw the map of docs/code.md from the code: packages, their sentences and files, and the arrows between them.

Usage: .venv/bin/python docs/code_map.py   (rewrites docs/figures/code.svg, and docs/code.md below its marker; a test
compares both)
"""

from __future__ import annotations

import ast
import functools
import html
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "code.md"
FIGURE = ROOT / "docs" / "figures" / "code.svg"
MARKER = "<!-- From here on written by code_map.py -->\n"

#: Places in the figure, in pixels: rows, where boxes begin, their size, the widest arc.
_ROW, _LEFT, _BOX_WIDTH, _BOX_HEIGHT, _ARC = 34, 190, 150, 24, 160
_WIDTH = 900


def layers() -> list[str]:
    """The packages from the roof to the ground, as the import contract in pyproject.toml orders them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [name.strip() for layer in found for name in layer.split(":") if name.strip() != "testbed.__main__"]


def source(package: str) -> Path:
    """The file of a package or module, such as ``testbed.lacp`` or ``testbed.errors``."""
    place = ROOT.joinpath(*package.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def sentence(path: Path) -> str:
    """The first sentence of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "."


def files(package: str) -> list[Path]:
    """The modules of a package, those of its subpackages included; of a single module none."""
    place = ROOT.joinpath(*package.split("."))
    return sorted(path for path in place.rglob("*.py") if path.name != "__init__.py")


def imports(packages: list[str]) -> dict[str, set[str]]:
    """The packages that each imports, those that only a type checker sees included."""
    graph = grimp.build_graph("testbed", "topologies", "experiments", include_external_packages=False, cache_dir=None)

    def package_of(module: str) -> str | None:
        return next((each for each in packages if module == each or module.startswith(f"{each}.")), None)

    found: dict[str, set[str]] = {package: set() for package in packages}
    for module in graph.modules:
        importer = package_of(module)
        for imported in graph.find_modules_directly_imported_by(module) if importer else ():
            other = package_of(imported)
            if importer and other and other != importer:
                found[importer].add(other)
    return found


def reduced(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows without those that follow from others (transitive reduction): what is left shows every way."""

    @functools.cache
    def reach(package: str) -> set[str]:
        return {other for each in arrows[package] for other in (each, *reach(each))}

    return {
        package: {each for each in direct if not any(each in reach(other) for other in direct - {each})}
        for package, direct in arrows.items()
    }


def figure() -> str:
    """The packages one below the other; an arc at the left leads from each down to what it imports."""
    packages = layers()
    arrows = reduced(imports(packages))
    middle = {package: 20 + place * _ROW for place, package in enumerate(packages)}
    height = 20 + len(packages) * _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif"'
        ' font-size="13" role="img">',
        "<title>The packages of the testbed and which imports which</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
    ]
    most = len(packages) - 1
    for package, others in arrows.items():
        for other in sorted(others, key=middle.__getitem__):
            span = (middle[other] - middle[package]) / _ROW / most
            bulge = _LEFT - 14 - _ARC * span**0.6
            top, bottom = middle[package] + 4, middle[other] - 4
            parts.append(
                f'<path d="M{_LEFT} {top}C{bulge:.0f} {top} {bulge:.0f} {bottom} {_LEFT} {bottom}" fill="none"'
                ' stroke="#555" stroke-opacity="0.75" marker-end="url(#tip)"/>'
            )
    for package, y in middle.items():
        name = package.removeprefix("testbed.")
        parts.append(
            f'<rect x="{_LEFT}" y="{y - _BOX_HEIGHT / 2:.0f}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="4"'
            ' fill="#eef3fa" stroke="#35618f"/>'
            f'<text x="{_LEFT + _BOX_WIDTH / 2:.0f}" y="{y + 4}" text-anchor="middle">{html.escape(name)}</text>'
            f'<text x="{_LEFT + _BOX_WIDTH + 14}" y="{y + 4}">{html.escape(sentence(source(package)))}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def drawn() -> str:
    """The page's lower part: each package with its sentence and the names of its files."""
    rows = [MARKER, "\n| package | what it is | files |\n|---|---|---|\n"]
    for package in layers():
        base = ROOT.joinpath(*package.split("."))
        names = ", ".join(path.relative_to(base).with_suffix("").as_posix() for path in files(package))
        place = package.replace(".", "/")
        rows.append(f"| `{place}{'/' if names else '.py'}` | {sentence(source(package))} | {names} |\n")
    return "".join(rows)


def page(text: str) -> str:
    """The whole page: what is written by hand, then what is drawn."""
    return text.partition(MARKER)[0] + drawn()


if __name__ == "__main__":
    FIGURE.write_text(figure())
    PAGE.write_text(page(PAGE.read_text()))
