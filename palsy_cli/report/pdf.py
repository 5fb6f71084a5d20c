"""``report.pdf``: the page as a browser prints it, without a window, a network or a trace in the user's profile."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from palsy_cli.errors import UsageError
from palsy_cli.files import atomic_write

#: Names under which Chromium and its relatives are installed, in the order in which they are looked for.
BROWSERS: tuple[str, ...] = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
    "microsoft-edge-stable",
)
#: Nothing of the user's own browser is read or changed, and no name of a network is found: what a browser would fetch
#: for itself (the time, a dictionary) stays unasked, too.
QUIET: tuple[str, ...] = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
#: Seconds that a browser may take.
_LIMIT_S = 120.0
_HELP = "report.html is written: print it from a browser"


def find_browser() -> Path:
    """The browser that prints; raises UsageError, which says what to install, when there is none on PATH."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        raise UsageError(
            "--pdf needs Chromium, Google Chrome or Microsoft Edge on PATH; install one (for example `apt install "
            "chromium`), or leave --pdf out and print report.html from any browser"
        )
    return Path(found)


def print_pdf(page: Path, out: Path, browser: Path, *, limit_s: float = _LIMIT_S) -> Path:
    """Print a page to A4, whole or not at all, readable by the owner only (mode 0600). Returns ``out``.

    Args:
        page: an HTML file.
        out: the PDF.
        browser: as ``find_browser`` gives it.
        limit_s: how long the browser may take.

    Raises:
        UsageError: the browser failed, took too long or wrote no PDF, or ``out`` cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="palsy-pdf-", ignore_cleanup_errors=True) as folder:
        printed = Path(folder) / "report.pdf"
        told = ["--no-pdf-header-footer", f"--print-to-pdf={printed}", page.resolve().as_uri()]
        command = browser_command(browser, Path(folder)) + told
        try:
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired:
            raise UsageError(f"{out}: {browser.name} took longer than {limit_s:.0f} s; {_HELP}") from None
        except OSError as error:
            raise UsageError(f"{out}: {browser} cannot be run ({error.strerror}); {_HELP}") from error
        content = printed.read_bytes() if printed.is_file() else b""
        if done.returncode or not content.startswith(b"%PDF-"):
            raise UsageError(f"{out}: {browser.name} printed no PDF (exit {done.returncode}); {_HELP}")
        return atomic_write(out, content, private=True)


def browser_command(browser: Path, profile: Path) -> list[str]:
    """How a browser is started with a profile of its own. Root must do without the sandbox, which refuses it."""
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [str(browser), *QUIET, *as_root, f"--user-data-dir={profile / 'profile'}"]
