"""The report in a real browser: it fits a phone and a laptop, fetches nothing, and logs no error."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import synthetic

from testbed.report import write_report


def chromium() -> str | None:
    """The browser's command, if there is one. Ubuntu's is a snap or asks for one: a snap sees no files of a test."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        command = shutil.which(name)
        if command and Path(command).resolve().name != "snap" and b"/snap/bin/" not in Path(command).read_bytes():
            return command
    return None


CHROMIUM = chromium()
if CHROMIUM is None:
    reason = "the report's tests in a browser want Chromium, not as a snap; type: apt-get install chromium"
    pytest.skip(reason, allow_module_level=True)

pytestmark = pytest.mark.slow

#: A window of its own is never narrower than some 500 pixels, so the page is measured in a frame.
FRAME = """<!doctype html><body style="margin:0">
<iframe width="{width}" height="900" style="border:0" srcdoc="{page}"></iframe>
<pre id="seen"></pre><script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument;
  const wide = [...page.querySelectorAll("body *")].filter(
    one => one.getBoundingClientRect().right > {width} + 0.5 && !one.closest(".scroll, pre"));
  document.getElementById("seen").textContent = JSON.stringify({{
    scroll: page.documentElement.scrollWidth, shown: page.documentElement.clientWidth,
    wide: wide.map(one => one.tagName + "." + one.className), images: [...page.images].map(one => one.naturalWidth),
    headings: page.querySelectorAll("h2").length, dark: matchMedia("(prefers-color-scheme: dark)").matches }});
}};
</script></body>"""

#: The initiator of the browser's own requests, such as updates.
_ITSELF = "not an origin"


def browse(page: Path, tmp_path: Path) -> tuple[str, str, set[str]]:
    """The page's DOM, the lines of the browser's console, and the URLs that the page (not the browser) requested."""
    assert CHROMIUM is not None
    log = tmp_path / "net.json"
    found = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--disable-component-update", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--enable-logging=stderr", "--virtual-time-budget=5000", f"--log-net-log={log}"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", page.resolve().as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    console = "\n".join(line for line in found.stderr.splitlines() if ":CONSOLE" in line)
    requests = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    asked = {each["url"] for each in requests if "url" in each and each.get("initiator", _ITSELF) != _ITSELF}
    return found.stdout, console, asked


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = synthetic.matrix(tmp_path_factory.mktemp("browser") / "run")
    manifest = {**run.manifest, "drawing": "+--+" * 40, "commit": "0123456789abcdef" * 2, "left_out": ["x" * 200]}
    del manifest["format"]
    return write_report(synthetic.write(run.path.with_name("wide"), manifest, [*run.records]))


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(report: Path, tmp_path: Path, width: int) -> None:
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width, page=html.escape(report.read_text())))
    dom, console, _ = browse(frame, tmp_path)
    match = re.search(r'<pre id="seen">(.+?)</pre>', dom)
    assert match is not None, dom[-500:]
    seen = json.loads(html.unescape(match[1]))
    assert seen["scroll"] <= seen["shown"] <= width
    assert seen["wide"] == []
    assert seen["headings"] == 7
    assert len(seen["images"]) == 2 and all(size > 0 for size in seen["images"])  # every figure was really drawn
    assert console == ""


def test_nothing_is_fetched_and_no_error_is_logged(report: Path, tmp_path: Path) -> None:
    dom, console, asked = browse(report, tmp_path)
    assert "<h1>Synthetic failover</h1>" in dom
    assert console == ""
    assert asked == set()


def test_the_browser_reports_errors_and_requests(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<script>console.error("oh")</script><img src="http://192.0.2.1/x.png">')
    _, console, asked = browse(page, tmp_path)
    assert "oh" in console
    assert asked == {"http://192.0.2.1/x.png"}
