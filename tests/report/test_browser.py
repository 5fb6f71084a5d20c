"""The page in a real browser: it asks for nothing, runs into no error, and fits a phone."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import pytest

from palsy_cli.errors import UsageError
from palsy_cli.records import Assessment
from palsy_cli.report import pdf
from palsy_cli.report.html_report import render_html

WIDTHS = (1280, 390)
#: Written into the title of a copy of the page, whose policy is taken out for it: how wide it is, and whose fault.
MEASURE = """<script>
addEventListener('load', () => {
  const root = document.documentElement, wide = root.clientWidth;
  const held = node => node.closest('.wide, .hidden, .skip');
  const beyond = node => !held(node) && node.getBoundingClientRect().right > wide + 1;
  const over = [...document.body.querySelectorAll('*')].filter(beyond).map(node => node.outerHTML.slice(0, 90));
  const boxes = [...document.querySelectorAll('.wide')].filter(node => node.scrollWidth > node.clientWidth).length;
  document.title = JSON.stringify({scroll: root.scrollWidth, wide, over: over.slice(0, 3), boxes});
});
</script>"""


@pytest.fixture(scope="module")
def browser() -> Path:
    try:
        return pdf.find_browser()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def html(assessment: Assessment) -> str:
    return render_html(assessment, include_images=True)


def browse(browser: Path, page: Path, *told: str, width: int = 1280) -> subprocess.CompletedProcess[str]:
    """Open a page without a window."""
    command = pdf.browser_command(browser, page.parent)
    command += [
        f"--window-size={width},900",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--v=0",
        *told,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return done


def measured(browser: Path, html: str, folder: Path, width: int) -> dict[str, object]:
    """What a script finds of a page in a frame of a width: windows themselves are never narrower than 500 pixels."""
    policy = re.search(r"<meta http-equiv[^>]+>", html)
    assert policy is not None
    inner, outer = folder / "inner.html", folder / "outer.html"
    inner.write_text(html.replace(policy.group(), "").replace("</body>", MEASURE + "</body>"), encoding="utf-8")
    outer.write_text(
        f'<iframe src="inner.html" style="width:{width}px;height:900px;border:0" onload="document.title='
        'this.contentDocument.title"></iframe>',
        encoding="utf-8",
    )
    dumped = browse(browser, outer, "--dump-dom", "--allow-file-access-from-files", "--virtual-time-budget=4000")
    title = re.search(r"<title>(.*?)</title>", dumped.stdout, re.DOTALL)
    assert title is not None, dumped.stdout[:300]
    return dict(json.loads(title.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")))


def logged(log: Path) -> tuple[set[str], int]:
    """What a page asked of a network, by a browser's own log, and how often a connection was tried by whomever."""
    text = log.read_text(encoding="utf-8").rstrip()
    # A browser that is stopped leaves the list of events open.
    events = json.loads(text.removesuffix(",") + "]}" if text.endswith(",") else text)
    kinds = {number: name for name, number in events["constants"]["logEventTypes"].items()}
    told = [(kinds[event["type"]], event.get("params", {})) for event in events["events"]]
    by_page = {
        params["url"]
        for _, params in told
        if params.get("initiator", "not an origin") != "not an origin"  # that is the browser, of its own accord
    }
    tried = sum(kind.startswith("TCP_CONNECT") for kind, _ in told)
    return {url for url in by_page if not url.startswith(("file:", "data:"))}, tried


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_asked_of_a_network_and_nothing_goes_wrong(
    browser: Path, html: str, tmp_path: Path, width: int
) -> None:
    page, log, picture = tmp_path / "report.html", tmp_path / "net.json", tmp_path / "page.png"
    page.write_text(html, encoding="utf-8")
    done = browse(browser, page, f"--log-net-log={log}", f"--screenshot={picture}", width=width)
    assert "CONSOLE" not in done.stderr, done.stderr
    assert logged(log) == (set(), 0)
    assert picture.stat().st_size > 20_000


def test_a_request_would_be_seen(browser: Path, html: str, tmp_path: Path) -> None:
    page, log = tmp_path / "report.html", tmp_path / "net.json"
    open_page = re.sub("<meta http-equiv[^>]+>", "", html)
    page.write_text(open_page.replace("</main>", '<img src="https://example.org/a.png"></main>'), encoding="utf-8")
    browse(browser, page, f"--log-net-log={log}", f"--screenshot={tmp_path / 'page.png'}")
    assert logged(log) == ({"https://example.org/a.png"}, 0)


def test_the_policy_refuses_a_request_and_the_console_tells(browser: Path, html: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(html.replace("</main>", '<img src="https://example.org/a.png"></main>'), encoding="utf-8")
    done = browse(browser, page, "--dump-dom")
    assert "Content Security Policy" in done.stderr


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(browser: Path, html: str, tmp_path: Path, width: int) -> None:
    found = measured(browser, html, tmp_path, width)
    assert found["wide"] == width
    assert found["scroll"] == width and found["over"] == [], found
    assert (found["boxes"] != 0) == (width < 500)  # wide tables scroll in their own box, on a phone only


def test_long_words_do_not_widen_the_page(browser: Path, assessment: Assessment, tmp_path: Path) -> None:
    clip = dataclasses.replace(assessment.clip, path=Path("a" * 180 + ".mp4"))
    long = dataclasses.replace(assessment, clip=clip, warnings=("w" * 200,))
    found = measured(browser, render_html(long), tmp_path, 390)
    assert found["scroll"] == 390, found
