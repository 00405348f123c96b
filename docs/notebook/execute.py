"""Execute the cells of a notebook in order and store their outputs. Usage: execute.py NOTEBOOK...

A cell's outputs are what it prints, and its last expression if that is not None: a Drawing as PNG, else its repr.
Only the keys that nbformat 4.5 needs are written, so the same run gives the same notebook, byte for byte.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from testbed.figures import style


def _shown(value: Any, number: int) -> dict[str, Any]:
    """The output that shows the value of a cell's last expression."""
    data: dict[str, Any] = {"text/plain": _lines(repr(value))}
    if isinstance(value, style.Drawing):
        image = io.BytesIO()
        value.figure.set_dpi(100)
        with style.applied():
            value.figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
        data = {"image/png": base64.b64encode(image.getvalue()).decode(), "text/plain": _lines(value.caption)}
    return {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def execute(source: str, names: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Run one cell with the variables ``names``; its outputs as a notebook stores them."""
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if last:
        tree.body.pop()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), names)
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names) if last else None
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())})
    if value is not None:
        outputs.append(_shown(value, number))
    return outputs


def executed(text: str) -> str:
    """The notebook's text with the outputs of its cells. Errors: whatever a cell raises."""
    notebook = json.loads(text)
    names: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number += 1
            cell["outputs"] = execute("".join(cell["source"]), names, number)
            cell["execution_count"] = number
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(executed(path.read_text()))
