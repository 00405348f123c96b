"""Tables at every width: no word, number or unit is broken, and nothing is left out."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from testbed import report
from testbed.cli import ascii_only, tables
from testbed.cli.compare import _show_levels, _show_runs
from testbed.results import compare, result

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"
RUNS = sorted(path.parent.name for path in REFERENCE.glob("*/run.json"))
WIDTHS = (60, 80, 100)


def printed(shown: tables.Shown, width: int) -> str:
    file = io.StringIO()
    tables.print_table(shown, Console(file=file, width=width, highlight=False))
    return file.getvalue()


def words(text: str) -> set[str]:
    return set(re.sub(r"[^\x21-\x7e]", " ", text).split())


def check(shown: tables.Shown, width: int) -> None:
    """Every word of every cell and heading is there whole, once for each row that has it, and no line is too long."""
    text = printed(shown, width)
    wanted = words(" ".join((*shown.header, *(cell for row in shown.rows for cell in row))))
    assert wanted <= words(text.replace("In every row:", "").replace(",", " ")) | words(text), wanted - words(text)
    lines = [line for line in text.splitlines() if not line.startswith("In every row")]
    assert max(map(len, lines)) <= width, text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", RUNS)
def test_the_table_of_each_reference_fits(name: str, width: int) -> None:
    run = result.load(REFERENCE / name)
    header, rows = report.case_rows(run)
    check(tables.Shown(header, rows, len(report.factor_names(run)), name), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_comparison_fits(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tables.Shown] = []
    monkeypatch.setattr(tables, "print_table", lambda table, _: shown.append(table))
    first, second = (result.load(REFERENCE / name) for name in ("failover", "controllers"))
    _show_runs(compare.compare(first, second, 0.05), everything=True)
    _show_levels(compare.compare_levels(first, "mode", (), 0.05), everything=True)
    monkeypatch.undo()
    assert shown
    for table in shown:
        check(table, width)


def test_what_fits_is_one_table_with_whole_headings() -> None:
    shown = tables.Shown(("mode", "outage ms"), [["802.3ad", "0.0"], ["balance-rr", "0.0"]], 1, "A title")
    assert printed(shown, 80).splitlines() == [
        "A title",
        "┏━━━━━━━━━━━━┳━━━━━━━━━━━┓",
        "┃ mode       ┃ outage ms ┃",
        "┡━━━━━━━━━━━━╇━━━━━━━━━━━┩",
        "│ 802.3ad    │ 0.0       │",
        "│ balance-rr │ 0.0       │",
        "└────────────┴───────────┘",
    ]


def test_a_narrow_one_breaks_headings_then_moves_what_is_the_same_then_is_several() -> None:
    rows = [["active-backup", "5", "1.0", "104"], ["802.3ad", "5", "2.0", "104"]]
    shown = tables.Shown(("mode", "n", "outage of traffic ms", "bound ms"), rows, 1)
    assert printed(shown, 32).splitlines() == [
        "┏━━━━━━━━━━━━━━━┳━━━━━━━━━┓",
        "┃               ┃ outage  ┃",
        "┃               ┃ of      ┃",
        "┃               ┃ traffic ┃",
        "┃ mode          ┃ ms      ┃",
        "┡━━━━━━━━━━━━━━━╇━━━━━━━━━┩",
        "│ active-backup │ 1.0     │",
        "│ 802.3ad       │ 2.0     │",
        "└───────────────┴─────────┘",
        "In every row: n 5, bound ms 104",
    ]
    rows[1][3] = "0"
    assert printed(shown, 32).count("active-backup") == 2


def test_brackets_are_no_markup() -> None:
    assert "[red]" in printed(tables.Shown(("case", "[b]"), [["[red]", "1"]], 1), 80)


def test_a_terminal_without_utf_8_gets_signs_in_the_same_places() -> None:
    text = "┌─┬─┐│║═✗→±…é"
    found = text.encode("ascii", ascii_only.ERRORS).decode()
    assert found == "+-+-+|H=X>~_e"
