"""The papers' numbers: their arithmetic holds where no recomputed value stands beside them, and only there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from palsy_cli.evaluation.published import (
    AFLFP_EXPRESSIONS,
    AVERAGE,
    BP4D_ABLATION,
    BP4D_AUS,
    BP4D_F1,
    CEN_GRADES,
    CEN_SEGMENTATION,
    DEM_BACKBONES,
    DEM_HELPERS,
    DISFA_ABLATION,
    DISFA_AUS,
    DISFA_F1,
    EXPRESSIONS,
    FPARA_F1,
    PUBLISHED,
    PublishedRow,
    PublishedTable,
)

ERRATA = Path(__file__).resolve().parents[2] / "docs" / "errata.md"


def complete_rows() -> dict[str, PublishedRow]:
    """Every row that quotes its entries and their average."""
    return {
        f"{table.key}: {row.method}": row
        for table in PUBLISHED.values()
        if table.columns[-1] == AVERAGE and len(table.columns) > 1
        for row in table.rows
        if None not in row.values
    }


@pytest.mark.parametrize("table", PUBLISHED.values(), ids=PUBLISHED)
def test_every_table_is_whole(table: PublishedTable) -> None:
    assert table.paper in ("AFLFP", "ALGRNet", "DEM", "CEN") and table.where and table.rows
    for row in table.rows:
        assert len(row.values) == len(table.columns) and any(value is not None for value in row.values)
        assert len(row.spread) in (0, len(table.columns))
    assert len({row.method for row in table.rows}) == len(table.rows)
    named = set(re.findall(r"\((E\d+(?:, E\d+)*)\)", " ".join([*table.cautions, *(row.note for row in table.rows)])))
    known = set(re.findall(r"^\| (E\d+) \|", ERRATA.read_text(encoding="utf-8"), re.MULTILINE))
    assert {number for group in named for number in group.split(", ")} <= known


@pytest.mark.parametrize("row", complete_rows().values(), ids=complete_rows())
def test_averages(row: PublishedRow) -> None:
    mean = float(np.mean(row.values[:-1]))
    # Printed with one decimal: half a step, and a little for a mean that lies on the edge.
    if row.recomputed is None:
        assert row.values[-1] == pytest.approx(mean, abs=0.0501)
    else:
        assert row.recomputed == pytest.approx(mean, abs=0.0501)
        assert abs(row.values[-1] - mean) > 0.0501


def test_aflfp_means_as_recomputed() -> None:
    means = [round(float(np.mean(row.values[:-1])), 2) for row in AFLFP_EXPRESSIONS.rows]
    assert means == [15.24, 14.15, 12.42, 12.1, 11.62]
    assert len(EXPRESSIONS) == 16 and AFLFP_EXPRESSIONS.row("Cascaded FCN").values[0] == 11.5


def test_algrnet_rows_agree_with_each_other() -> None:
    assert BP4D_F1.row("ALGRNet") == BP4D_ABLATION.row("ALGRNet")
    assert DISFA_F1.row("ALGRNet") == DISFA_ABLATION.row("ALGRNet")
    assert (len(BP4D_F1.columns), len(DISFA_F1.columns)) == (len(BP4D_AUS) + 1, len(DISFA_AUS) + 1)
    best = {table.key: max(table.rows, key=lambda row: row.values[-1] or 0).method for table in (BP4D_F1, DISFA_F1)}
    assert set(best.values()) == {"ALGRNet"}


def test_fpara_averages_and_the_gain() -> None:
    other, own = FPARA_F1.row("JÂA-Net"), FPARA_F1.row("ALGRNet")
    assert (other.recomputed, own.recomputed) == (74.0, 75.3)
    assert own.recomputed - other.recomputed == pytest.approx(1.3)
    assert own.values[-1] - other.values[-1] == pytest.approx(2.6)


def test_dice_is_that_of_recall_and_confidence() -> None:
    for row in CEN_GRADES.rows:
        _, recall, confidence, dice = row.values
        harmonic = 2 * confidence * recall / (confidence + recall)
        if row.recomputed is None:
            assert dice == pytest.approx(harmonic, abs=0.03)
        else:
            assert row.recomputed == pytest.approx(harmonic, abs=0.01) and abs(dice - harmonic) > 0.5
    assert [row.method for row in CEN_GRADES.rows if row.recomputed] == ["Insu", "Hyun"]


def test_the_best_backbone_and_the_gain_by_helpers() -> None:
    best = max(DEM_BACKBONES.rows, key=lambda row: row.values[0] or 0)
    assert (best.method, best.values) == ("VGG19", (91.67,))
    alone, two, most = DEM_HELPERS.rows[0].values
    assert two - alone == pytest.approx(4.6) and most > two


def test_segmentation_is_marked_as_another_task() -> None:
    assert any("Not comparable" in caution and "(E26)" in caution for caution in CEN_SEGMENTATION.cautions)
