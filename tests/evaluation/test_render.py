"""Result tables written down: to read, to go on with, to publish."""

from __future__ import annotations

import csv
import io
import json

import pytest

from palsy_cli.evaluation.paper_tables import severity_tables
from palsy_cli.evaluation.render import cell_text, latex_text, tables_to_csv, tables_to_json, tables_to_latex
from palsy_cli.evaluation.render import tables_to_markdown as to_markdown
from palsy_cli.evaluation.results import EMPTY, Cell, ResultRow, ResultTable, not_run
from palsy_cli.evaluation.study import NotRun

TABLE = ResultTable(
    "some-f1",
    "F1 of R&D_1 (%)",
    ("AU1", "average"),
    (
        ResultRow("DML*", (EMPTY, Cell(72.8, recomputed=74.0)), "published"),
        ResultRow("A|B", (Cell(11.6, sd=2.3), Cell(12.0)), "published", "50 % of it"),
        ResultRow("ours", (Cell(63.456, (60.04, 66.21)), Cell(7))),
        not_run("other", ("AU1", "average"), reason="no weights"),
    ),
    notes=("x < 5",),
)


def test_cells() -> None:
    assert cell_text(EMPTY, decimals=1) == "-"
    assert cell_text(Cell(63.456, (60.04, 66.21)), decimals=1) == "63.5 (60.0 to 66.2)"
    assert cell_text(Cell(-0.001, sd=0.5), decimals=2) == "0.00 ± 0.50"
    assert cell_text(Cell(1234), decimals=2) == "1234"


def test_markdown() -> None:
    page = to_markdown([TABLE], title="Results", about=["seed: 0"])
    assert page == (
        "# Results\n\n- seed: 0\n\n## F1 of R&D_1 (%)\n\n"
        "| method | AU1 | average |\n| --- | ---: | ---: |\n"
        "| DML\\* | - | 72.8 [74.0] |\n| A\\|B | 11.6 ± 2.3 | 12.0 |\n"
        "| **ours** | 63.5 (60.0 to 66.2) | 7 |\n| other | - | - |\n\n"
        "- x < 5\n- A|B: 50 % of it\n- other: not run: no weights\n"
    )
    alone = ResultTable("t", "T", ("a",), (ResultRow("AU1", (Cell(1),)),))
    assert "**" not in to_markdown([alone], title="Results")


def test_csv_has_a_line_for_each_figure_and_one_for_what_was_not_run() -> None:
    rows = list(csv.DictReader(io.StringIO(tables_to_csv([TABLE]))))
    assert [(row["row"], row["column"], row["value"]) for row in rows] == [
        ("DML*", "average", "72.8"),
        ("A|B", "AU1", "11.6"),
        ("A|B", "average", "12.0"),
        ("ours", "AU1", "63.456"),
        ("ours", "average", "7"),
        ("other", "", ""),
    ]
    assert (rows[0]["recomputed"], rows[1]["sd"], rows[3]["low"], rows[3]["high"]) == ("74.0", "2.3", "60.04", "66.21")
    assert (rows[5]["origin"], rows[5]["note"]) == ("not run", "not run: no weights")


def test_json() -> None:
    have = json.loads(tables_to_json([TABLE], about={"seed": 3}))
    assert have["schema_version"] == "1.0" and have["seed"] == 3
    ours = have["tables"][0]["rows"][2]
    assert ours["cells"][0] == {"value": 63.456, "interval": [60.04, 66.21], "sd": None, "recomputed": None}
    assert have["tables"][0]["rows"][3]["cells"][0]["value"] is None


def test_latex_escapes_what_latex_would_run() -> None:
    assert latex_text(r"50 % of a_b & c #1 {x} $y$ ~ ^ \input") == (
        r"50 \% of a\_b \& c \#1 \{x\} \$y\$ \textasciitilde{} \textasciicircum{} \textbackslash{}input"
    )
    assert latex_text("1 ± 2 [3] < 4") == r"1 $\pm$ 2 {[}3] \textless{} 4"


def test_latex_is_a_booktabs_table() -> None:
    text = tables_to_latex([TABLE])
    lines = text.splitlines()
    assert lines[:4] == [
        r"\begin{table}",
        r"\centering",
        r"\caption{F1 of R\&D\_1 (\%)}",
        r"\label{tab:some-f1}",
    ]
    assert [line for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\midrule", r"\bottomrule"]
    rows = [line for line in lines if line.endswith(r"\\")]
    assert all(row.count(" & ") == 2 for row in rows) and len(rows) == 5
    assert rows[1] == r"DML* & - & 72.8 {[}74.0] \\" and rows[3].startswith(r"\textbf{ours} & 63.5 (60.0 to 66.2)")
    assert lines.index(rows[2]) < lines.index(r"\midrule", lines.index(rows[1])) < lines.index(rows[3])
    assert lines[-1] == r"\end{table}" and r"\par\footnotesize A\textbar{}B: 50 \% of it" in lines
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1


@pytest.mark.parametrize("write", [lambda t: to_markdown(t, title="T"), tables_to_csv, tables_to_latex])
def test_published_tables_that_were_not_run_can_be_written(write: object) -> None:
    text = write(severity_tables(NotRun("FPara is not at hand")))  # type: ignore[operator]
    assert "not run: FPara is not at hand" in text and "74.0" in text and "ALGRNet" in text
