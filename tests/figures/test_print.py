"""Every figure as a journal prints it: one column wide, nothing cut off, no two entries of a key alike in grey."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import synthetic
from _pytest.mark.structures import ParameterSet
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from testbed import figures
from testbed.figures import atlas, style
from testbed.figures.style import Drawing
from testbed.results import result
from testbed.results.result import Run

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
MADE: dict[str, Callable[[Path], Run]] = {
    "aggregate": synthetic.aggregation,
    "members": synthetic.aggregation,
    "outage": synthetic.failover,
    "ecdf": synthetic.matrix,
    "matrix": synthetic.matrix,
    "split": synthetic.parted,
    "stall": synthetic.tcp_failover,
    "placement": synthetic.placed,
    "throughput": synthetic.transfers,
    "lanes": synthetic.transfers,
    "detection": synthetic.noticed,
    "reordering": synthetic.overtaken,
    "cost": synthetic.costly,
    "atlas": synthetic.mapped,
    "displacement": synthetic.displaced,
    "elements": synthetic.audited,
}
#: The words of its events, and the panels of all failures, need a page.
PAGE_WIDE = ("lanes", "atlas")
#: The smallest letters, in points: publishers ask for 5 to 7 at the printed size.
LEAST_POINTS = 5.0
#: How different two keys must be in grey: the mean difference, of 255, over the pixels in which either is not white.
LEAST_GREY = 12.0
#: So many columns of a matrix fit on a page.
_MOST_COLUMNS = 17
#: Dots per inch of the rendering that is measured.
_DPI = 200


def _cases() -> Iterator[ParameterSet]:
    """Each figure of runs made up for it, and (slow, for there are many) those of the references."""
    for name in MADE:
        yield pytest.param(("made", name), id=f"made-{name}")
    for place in sorted(REFERENCE.iterdir()):
        if (place / "run.json").exists():
            for name in result.load(place).manifest["figures"]:
                yield pytest.param((place.name, str(name)), id=f"{place.name}-{name}", marks=pytest.mark.slow)


def test_every_figure_is_checked() -> None:
    assert set(MADE) == set(figures.FIGURES)


@pytest.fixture(scope="module", params=list(_cases()))
def drawing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drawing:
    place, name = request.param
    run = MADE[name](tmp_path_factory.mktemp(name) / "run") if place == "made" else result.load(REFERENCE / place)
    found = figures.drawings(run, [name])[name]
    with style.applied():
        found.figure.set_dpi(_DPI)
        FigureCanvasAgg(found.figure).draw()
    return found


def _texts(figure: Figure) -> list[Text]:
    """All texts that are printed."""
    hidden: set[int] = set()
    for axes in figure.axes:
        if not axes.get_visible():
            hidden |= {id(text) for text in axes.findobj(Text)}
        for axis, view in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not min(view) <= tick.get_loc() <= max(view):  # matplotlib keeps ticks beyond the axis
                    hidden |= {id(tick.label1), id(tick.label2)}
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and id(text) not in hidden]
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def _extent(artist: Artist) -> Bbox:
    return artist.get_window_extent()


@pytest.mark.parametrize("outage_s", [0.0, 4.0])
@pytest.mark.parametrize("levels", [1, 7, 30])
@pytest.mark.parametrize("name", ["outage", "ecdf", "matrix"])
def test_a_figure_of_censored_trials_alone_is_laid_out(tmp_path: Path, name: str, levels: int, outage_s: float) -> None:
    """Matplotlib warns, which is an error in these tests, where an axis is left no room."""
    factors = {"mode": ["active-backup"], "fault": ["silent_loss"], "members": [*range(levels)]}
    metrics = {"outage_s": outage_s, "bound_s": None, "limit_s": None, "within_bound": None, "ends_by_theory": True}
    records = [
        synthetic.record(
            place + 1,
            "failover",
            {"mode": "active-backup", "fault": "silent_loss", "members": place},
            metrics,
            status="censored",
        )
        for place in range(levels)
    ]
    run = synthetic.write(tmp_path / "run", synthetic.manifest("failover", factors, [name]), records)
    found = figures.drawings(run, [name])[name]
    with style.applied():
        FigureCanvasAgg(found.figure).draw()
        for text in _texts(found.figure):
            box = _extent(text)
            assert box.y0 >= found.figure.bbox.y0 - 1 and box.y1 <= found.figure.bbox.y1 + 1, text.get_text()


def test_it_is_one_column_wide(drawing: Drawing, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["drawing"][1]
    if name == "matrix" and len({row[0] for row in drawing.rows}) > _MOST_COLUMNS:
        return  # of more techniques than a page has room for: a poster
    # A column of an IEEE journal is 3.5 in (88.9 mm) wide.
    assert drawing.figure.get_figwidth() == (style.PAGE_IN if name in PAGE_WIDE and drawing.rows else 3.5)


def test_every_text_is_inside_and_large_enough(drawing: Drawing) -> None:
    page = drawing.figure.bbox
    for text in _texts(drawing.figure):
        box = _extent(text)
        inside = box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1 and box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text.get_text()!r} leaves the figure: {box} in {page}"
        assert float(text.get_fontsize()) >= LEAST_POINTS, text.get_text()


def test_no_text_covers_another(drawing: Drawing) -> None:
    boxes = [(text.get_text(), _extent(text)) for text in _texts(drawing.figure)]
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        up = min(first.y1, second.y1) - max(first.y0, second.y0)
        # The boxes of letters are higher than these: 1 point of overlap is none that is seen.
        allowed = 1.0 / 72 * drawing.figure.dpi
        assert across <= allowed or up <= allowed, f"{one!r} covers {other!r}"


def _grey(figure: Figure) -> NDArray[np.float64]:
    """The printed figure in grey, from below (ITU-R BT.601, as printers and image programs convert)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba(), dtype=np.float64)[::-1, :, :3]
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114]))


def _within(grey: NDArray[np.float64], box: Bbox) -> NDArray[np.float64]:
    x0, y0, x1, y1 = (round(value) for value in (box.x0, box.y0, box.x1, box.y1))
    return grey[max(y0, 0) : y1, max(x0, 0) : x1]


def _keys(figure: Figure) -> dict[str, NDArray[np.float64]]:
    """For each entry of the legend what stands left of its words, as printed in grey."""
    found, grey = {}, _grey(figure)
    for legend in figure.legends:
        for text in legend.get_texts():
            words = _extent(text)
            size = float(text.get_fontsize()) / 72 * figure.dpi
            middle, width = (words.y0 + words.y1) / 2, 2.2 * size
            box = Bbox.from_extents(
                words.x0 - 0.5 * size - width, middle - 0.7 * size, words.x0 - 0.4 * size, middle + 0.7 * size
            )
            found[text.get_text()] = _within(grey, box)
    return found


def test_no_two_keys_are_alike_in_grey(drawing: Drawing) -> None:
    with style.applied():
        keys = _keys(drawing.figure)
    for (one, first), (other, second) in itertools.combinations(keys.items(), 2):
        height, width = (min(first.shape[axis], second.shape[axis]) for axis in (0, 1))
        first, second = first[:height, :width], second[:height, :width]
        inked = (first < 250) | (second < 250)
        assert inked.any(), f"{one!r} and {other!r} have no key"
        assert np.abs(first - second)[inked].mean() >= LEAST_GREY, f"{one!r} looks like {other!r} in grey"


def test_series_differ_in_luminance_marker_or_line(tmp_path: Path) -> None:
    run = synthetic.write(
        tmp_path / "run",
        synthetic.manifest("any", {"mode": ["802.3ad"], "flows": list(range(14))}, []),
        [synthetic.record(n + 1, "any", {"mode": "802.3ad", "flows": n}, {}) for n in range(14)],
    )
    looks = [group.look for group in style.series(run)]
    seen = set()
    for look in looks:
        red, green, blue = (int(look.colour[at : at + 2], 16) for at in (1, 3, 5))
        seen.add((round(0.299 * red + 0.587 * green + 0.114 * blue), look.marker, str(look.line)))
        assert look.marker
    assert len(seen) == len({look.marker for look in looks}) == 14


def test_series_of_any_number_differ_in_colour_or_marker(tmp_path: Path) -> None:
    """As many as the atlas has techniques, and more."""
    run = synthetic.write(
        tmp_path / "run",
        synthetic.manifest("any", {"flows": list(range(60))}, []),
        [synthetic.record(n + 1, "any", {"flows": n}, {}) for n in range(60)],
    )
    assert len({(group.look.colour, group.look.marker) for group in style.series(run)}) == 60


def test_the_panels_of_the_atlas_keep_their_height_under_a_long_legend(tmp_path: Path) -> None:
    heights = []
    for number in (3, 29):
        levels = [f"technique-{n}" for n in range(number)]
        metrics = {"outage_s": 0.01, "bound_s": 0.1, "usable_during_links": 1.0, "reversion_outage_s": 0.0}
        factors = {"technique": levels, "failure": ["carrier"]}
        cases = [{"technique": level, "failure": "carrier"} for level in levels]
        records = [synthetic.record(n + 1, "atlas", case, metrics) for n, case in enumerate(cases)]
        run = synthetic.write(tmp_path / str(number), synthetic.manifest("atlas", factors, ["atlas"]), records)
        figure = atlas.atlas(run).figure
        figure.canvas.draw()
        heights.append(figure.axes[0].get_window_extent().height)
    assert heights[1] > 0.7 * heights[0]
