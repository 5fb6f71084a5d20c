"""The files of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from palsy_cli.compare.document import comparison_csv
from palsy_cli.compare.page import render_comparison
from palsy_cli.files import atomic_write
from palsy_cli.report.json_report import to_json

COMPARISON_JSON, COMPARISON_HTML, COMPARISON_CSV = "comparison.json", "comparison.html", "comparison.csv"


def write_comparison(told: dict[str, Any], out: Path) -> dict[str, Path]:
    """Write JSON, table and page into ``out``, each whole or not at all; only the owner may read them (mode 0600).

    Args:
        told: as ``document.comparison_dict`` gives it.
        out: the folder.

    Returns:
        File name to path.

    Raises:
        UsageError: the folder cannot be written.
    """
    texts = {
        COMPARISON_JSON: to_json(told),
        COMPARISON_CSV: comparison_csv(told),
        COMPARISON_HTML: render_comparison(told),
    }
    return {name: atomic_write(out / name, text, private=True) for name, text in texts.items()}
