"""Figures of an experiment of a user's own: its functions, executed in a confined process, which gives the files."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontManager

from testbed.backends import confined
from testbed.figures import style
from testbed.figures.style import Drawing
from testbed.results.result import Run

_MODULE = "testbed.figures.own_process"
#: The longest that a function may take, in seconds of wall time, and the largest width and height in inches.
LIMIT_S = 300.0
_MOST_IN = 100.0


def files(run: Run) -> dict[str, str]:
    """The file in the run's user_code of each figure of its own, by name."""
    found = run.manifest.get("own_figures")
    return {str(name): Path(str(file)).name for name, file in found.items()} if isinstance(found, dict) else {}


def drawing(run: Run, name: str) -> Drawing:
    """The figure that a function of the run's own experiment returns; an empty one with the reason if it does not."""
    path = (run.path / "user_code" / files(run)[name]).resolve()
    # Its /tmp is Matplotlib's directory there: without this list it would look through all fonts of the machine.
    fonts = Path(matplotlib.get_cachedir()) / f"fontlist-v{FontManager.__version__}.json"
    words = [str(run.path.resolve()), str(path), name]
    process = confined.Process(_MODULE, words, [run.path.resolve()], in_tmp=[fonts])
    try:
        return _checked(run, json.loads(process.ask("draw", LIMIT_S)))
    except confined.Ended as error:
        reason = f"{path.name}: {name}() {error}"
    except (json.JSONDecodeError, TypeError, KeyError, ValueError, binascii.Error):
        reason = f"{path.name} answers in the place of the testbed"
    finally:
        sys.stderr.write(process.printed())
        process.end()
    return style.empty(run, ("reason",), f"Figure {name}.", reason)


def _checked(run: Run, answer: dict[str, Any]) -> Drawing:
    """The answer of the process as a drawing. Errors: KeyError, TypeError, ValueError for anything else."""
    if "error" in answer:
        sys.stderr.write(f"{answer['error']}\n")
        return style.empty(run, ("reason",), "A figure of the experiment's own.", str(answer["error"]))
    width, height = (min(max(float(size), 0.1), _MOST_IN) for size in answer["size"])
    found = {kind: base64.b64decode(answer["files"][kind], validate=True) for kind in style.KINDS}
    rows = [tuple(str(cell) if isinstance(cell, dict | list) else cell for cell in row) for row in answer["rows"]]
    header = tuple(str(word) for word in answer["header"])
    return Drawing(Figure(figsize=(width, height)), header, rows, str(answer["caption"]), files=found)
