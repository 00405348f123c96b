"""In the confined process: one figure of a user's own experiment (testbed.figures.own).

Usage: python -m testbed.figures.own_process RUN FILE NAME

The question is any line; the answer is a line of JSON with the figure as a file of each kind, and its data.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from testbed.backends import confined
from testbed.errors import SpecError, TestbedError
from testbed.experiment import discovery, user_code
from testbed.figures import style
from testbed.figures.style import Drawing
from testbed.results import result


def data(figure: Figure) -> list[tuple[Any, ...]]:
    """What a Matplotlib figure shows: the axes' number, the kind, its label, x and y of every point and bar."""
    rows: list[tuple[Any, ...]] = []
    for place, axes in enumerate(figure.axes):
        for line in axes.lines:
            points = zip(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=False)
            rows += [(place, "line", str(line.get_label()), _plain(x), _plain(y)) for x, y in points]
        for collection in axes.collections:
            label = str(collection.get_label())
            rows += [(place, "points", label, _plain(x), _plain(y)) for x, y in np.asarray(collection.get_offsets())]
        for bars in axes.containers:
            for bar in getattr(bars, "patches", ()):
                middle = bar.get_x() + bar.get_width() / 2
                rows.append((place, "bar", str(bars.get_label()), _plain(middle), _plain(bar.get_height())))
    return rows


def _plain(value: Any) -> Any:
    """A number or text as JSON has it."""
    found = value.item() if hasattr(value, "item") else value
    return found if isinstance(found, str | int | float) else str(found)


def answer(run: Path, path: Path, name: str) -> dict[str, Any]:
    """The figure that function ``name`` of the file returns for the run. Errors: SpecError, with file and line."""
    function = vars(discovery.load_module(path, "experiment")).get(name)
    if not callable(function):
        raise SpecError(f"{path.name} has no function {name}()")
    loaded = result.load(run)
    with style.applied():
        with user_code.calling_in_trial(function):
            found = function(loaded)
        if isinstance(found, Figure):
            title = found.get_suptitle() or f"Figure {name}."
            header = ("axes", "kind", "label", "x", "y")
            found = Drawing(found, header, data(found), style.caption(loaded, title))
        if not isinstance(found, Drawing):
            raise user_code.wrong_in_trial(function, f"returned {user_code.type_name(found)}; wanted a Figure")
        files = {}
        with user_code.calling_in_trial(function):
            for kind in style.KINDS:
                file = io.BytesIO()
                style.save(found, file, kind)
                files[kind] = base64.b64encode(file.getvalue()).decode()
    return {
        "files": files,
        "size": [float(size) for size in found.figure.get_size_inches()],
        "header": list(found.header),
        "rows": [[_plain(cell) for cell in row] for row in found.rows],
        "caption": found.caption,
    }


def main(run: str, file: str, name: str) -> None:
    """Answer one question."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the file prints is no answer
    confined.set_limits()
    print(confined.READY, file=answers, flush=True)
    sys.stdin.readline()
    try:
        found = answer(Path(run), Path(file), name)
    except TestbedError as error:
        found = {"error": error.message}
    print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
