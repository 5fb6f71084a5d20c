"""The papers' tables with our rows: perfect answers, mistakes, what is missing, and groups of people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palsy_cli.errors import UsageError
from palsy_cli.evaluation.paper_tables import (
    OURS,
    aflfp_tables,
    house_brackmann_tables,
    intensity_tables,
    presence_tables,
    segmentation_tables,
    severity_tables,
    sign_tables,
)
from palsy_cli.evaluation.published import (
    BP4D_ABLATION,
    BP4D_AUS,
    BP4D_F1,
    DISFA_AUS,
    DISFA_F1,
    EXPRESSIONS,
    FPARA_F1,
)
from palsy_cli.evaluation.results import ResultRow, ResultTable
from palsy_cli.evaluation.study import (
    GradeStudy,
    IntensityStudy,
    NotRun,
    PointsStudy,
    PresenceStudy,
    SignStudy,
)
from palsy_cli.evaluation.study_tables import points_tables, subgroup_tables
from palsy_cli.evaluation.subject_sums import SubjectSums
from palsy_cli.records import CORE_AUS, SEVERITY_LABELS
from palsy_cli.report.terms import ROMAN

ABSENT = NotRun("the set is not at hand")


def by_key(tables: list[ResultTable]) -> dict[str, ResultTable]:
    return {table.key: table for table in tables}


def ours(table: ResultTable) -> list[ResultRow]:
    return [row for row in table.rows if row.origin != "published"]


def values(row: ResultRow) -> list[float | None]:
    return [cell.value for cell in row.cells]


def subjects(count: int, people: int = 8) -> list[str]:
    return [f"S{i % people:02d}" for i in range(count)]


def points(noise: float, seed: int = 0) -> PointsStudy:
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 100, (64, 68, 2))
    conditions = [list(EXPRESSIONS)[i % 16] for i in range(64)]
    people = [f"S{i // 16}" for i in range(64)]
    return PointsStudy(true + rng.normal(0, noise, true.shape), true, people, conditions)


def presence(right: float, aus: tuple[int, ...] = BP4D_AUS, seed: int = 0) -> PresenceStudy:
    """Every unit present in a third of the frames; a share of the answers is right."""
    rng = np.random.default_rng(seed)
    true = (rng.random((400, len(aus))) < 1 / 3).astype(float)
    said = np.where(rng.random(true.shape) < right, true, 1 - true)
    groups = {f"S{i:02d}": {"sex": "fm"[i % 2], "skin": "dark"} for i in range(7)}
    return PresenceStudy(0.1 + 0.8 * said, true, aus, subjects(400), groups)


def intensities(noise: float, seed: int = 0) -> IntensityStudy:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 6, (300, 12)).astype(float)
    found = {m: np.clip(true + rng.normal(0, noise / (1 + m), true.shape), 0, 5) for m in (0, 1, 2, 4)}
    return IntensityStudy(found[2], true, CORE_AUS, subjects(300), found)


def grades(right: float, classes: tuple[str, ...] = ROMAN, seed: int = 0) -> GradeStudy:
    rng = np.random.default_rng(seed)
    count = len(classes)
    true = rng.integers(0, count, 240)
    said = np.where(rng.random(240) < right, true, (true + 1) % count)
    return GradeStudy(np.eye(count)[said] * 0.9 + 0.1 / count, true, classes, subjects(240, 40), "images")


def test_every_paper_has_its_table_even_when_nothing_was_run() -> None:
    tables = [
        *aflfp_tables(ABSENT),
        *presence_tables(ABSENT, BP4D_F1),
        *presence_tables(ABSENT, BP4D_ABLATION),
        *intensity_tables(ABSENT),
        *severity_tables(ABSENT),
        *house_brackmann_tables(ABSENT),
        *sign_tables(ABSENT),
        *segmentation_tables(ABSENT),
    ]
    assert len({table.key for table in tables}) == len(tables) == 12
    for table in tables:
        (row,) = ours(table)
        assert (row.origin, row.note) == ("not run", "not run: the set is not at hand")
        assert set(values(row)) == {None}
        assert table.key == "aflfp-errors" or len(table.rows) > 1
    fpara = by_key(tables)["fpara-f1"]
    cell = fpara.cell("JÂA-Net", "average")
    assert (cell.value, cell.recomputed) == (72.8, 74.0)
    assert by_key(tables)["aflfp-expressions"].cell("FCN", "SN").sd == 3.7


def test_perfect_answers() -> None:
    perfect = [
        *presence_tables(presence(1.0), BP4D_F1)[:1],
        *severity_tables(grades(1.0, SEVERITY_LABELS))[:1],
        *house_brackmann_tables(grades(1.0))[:1],
    ]
    for table in perfect:
        (row,) = ours(table)
        assert values(row) == pytest.approx([100] * len(row.cells)), table.key
        assert {cell.interval for cell in row.cells} == {(100.0, 100.0)}
    (row,) = ours(intensity_tables(intensities(0.0))[0])
    assert values(row) == pytest.approx([0, 1, 1])
    expressions = aflfp_tables(points(0.0))[0]
    assert all(values(row) == [0] * 17 for row in ours(expressions))
    agreement = by_key(house_brackmann_tables(grades(1.0)))["house-brackmann-agreement"]
    assert all(agreement.cell("images", name).value == 1 for name in ("kappa", "kappa, linear", "kappa, quadratic"))


def test_intervals_hold_the_value_and_narrow_with_agreement() -> None:
    tables = [
        *aflfp_tables(points(2.0)),
        *presence_tables(presence(0.8), BP4D_F1),
        *intensity_tables(intensities(0.7)),
        *severity_tables(grades(0.7, SEVERITY_LABELS)),
        *house_brackmann_tables(grades(0.7)),
    ]
    checked = 0
    for table in tables:
        for row in ours(table):
            for cell in row.cells:
                if cell.interval is not None and cell.value is not None:
                    assert cell.interval[0] <= cell.value <= cell.interval[1], (table.key, row.label)
                    checked += 1
    assert checked > 200


def test_both_normalised_errors_stand_beside_the_published() -> None:
    study = points(2.0)
    table, training, errors = aflfp_tables(study)
    norm, mean = ours(table)
    assert (norm.label, mean.label) == (f"{OURS}, norm over points", f"{OURS}, mean per point")
    assert all((a.value or 0) > 8 * (b.value or 0) for a, b in zip(norm.cells, mean.cells, strict=True))
    assert ours(training)[0].cells[0] == norm.cells[-1]
    assert norm.cells[-1].sd is not None and 0 < norm.cells[-1].sd < 2
    whole = errors.row("all")
    assert [whole.cells[i].value for i in (0, 1)] == pytest.approx([mean.cells[-1].value, norm.cells[-1].value])
    assert [cell.value for cell in whole.cells[-2:]] == [64, 4] and errors.cell("SN", "images").value == 4


def test_images_without_an_answer_are_failures_and_are_said() -> None:
    study = points(0.0)
    found = study.found.copy()
    found[:16] = np.nan
    (table,) = points_tables(replace(study, found=found, conditions=None), key="300w", title="300-W")
    assert [row.label for row in table.rows] == ["all"] and table.key == "300w-errors"
    assert table.cell("all", "failures, %").value == 25.0 and table.cell("all", "mean per point, %").value == 0.0
    assert table.notes[-1] == "64 images of 4 people, 16 without an answer."


def test_units_that_only_one_side_has() -> None:
    study = presence(0.9, CORE_AUS)
    (row,) = ours(presence_tables(study, DISFA_F1)[0])
    assert None not in values(row) and "average over" not in row.note
    table, units = presence_tables(study, BP4D_F1, key="ours", title="Some set")
    (row,) = ours(table)
    have = dict(zip(table.columns, values(row), strict=True))
    shared = [f"AU{au}" for au in BP4D_AUS if au in CORE_AUS]
    assert [name for name, value in have.items() if value is not None] == [*shared, "average"]
    assert have["average"] == pytest.approx(np.mean([have[name] for name in shared]))
    assert row.note == f"400 frames of 8 people; average over {len(shared)} of 12 units"
    assert (units.key, units.title) == ("ours-units", "Some set: each action unit")
    assert len(units.rows) == 13 and units.cell("AU12", "coded").value == 400
    assert units.cell("AU12", "occurs, %").value == pytest.approx(100 * study.true[:, 6].mean())


def test_a_unit_that_never_occurs_stays_out_of_the_average() -> None:
    study = presence(1.0, DISFA_AUS)
    true, chances = study.true.copy(), study.probability.copy()
    true[:, 2], chances[:, 2] = 0, 0.1
    chances[:, 3] = np.where(true[:, 3] > 0, 0.1, 0.9)
    (row,) = ours(presence_tables(replace(study, true=true, probability=chances), DISFA_F1)[0])
    assert values(row)[2:4] == [None, 0.0] and values(row)[-1] == pytest.approx(600 / 7)


def test_accuracy_over_the_number_of_helpers() -> None:
    tables = by_key(intensity_tables(intensities(0.7)))
    helpers = tables["dem-helpers"]
    assert helpers.columns == ("m = 0", "m = 1", "m = 2", "m = 4", "largest m")
    assert values(helpers.row("DEM")) == [91.07, None, 95.67, None, 96.66]
    (row,) = ours(helpers)
    found = [value or 0 for value in values(row)]
    assert found[:4] == sorted(found[:4]) and found[3] == found[4]
    assert ours(tables["dem-backbones"])[0].cells[0] == row.cells[0]
    alone = by_key(intensity_tables(replace(intensities(0.7), by_helpers={})))
    assert ours(alone["dem-helpers"])[0].note == "not run: no other number of helpers was tried"
    assert ours(alone["dem-backbones"])[0].note == "not run: the OVPM was not tried without helpers"
    assert [table.key for table in intensity_tables(intensities(0.7), None, key="disfa")] == ["disfa-units"]


def test_limits_and_accuracy_of_all_units_are_those_of_all_pairs() -> None:
    study = intensities(0.7)
    units = by_key(intensity_tables(study))["intensity-units"]
    away = study.found - study.true
    bias, reach = away.mean(), 1.96 * away.std(ddof=1)
    have = [units.cell("mean", name).value for name in ("bias", "lower", "upper", "accuracy, %")]
    exact = 100 * (np.floor(study.found + 0.5) == study.true).mean()
    assert have == pytest.approx([bias, bias - reach, bias + reach, exact])


def test_grades_one_too_high() -> None:
    study = grades(0.75)
    tables = by_key(house_brackmann_tables(study))
    (row,) = ours(tables["cen-grades"])
    right = 100 * (study.found == study.true).mean()
    assert values(row)[0] == pytest.approx(right)
    matrix = np.array([values(row) for row in tables["house-brackmann-confusion"].rows])
    assert matrix.sum() == 240 and np.trace(matrix) == round(2.4 * right)
    each = tables["house-brackmann-each"]
    assert [row.cells[-1].value for row in each.rows] == np.bincount(study.true, minlength=6).tolist()
    near = tables["house-brackmann-agreement"].cell("images", "within one grade, %").value
    assert near is not None and right < near < 100  # VI taken for I is five grades off
    ovr = tables["house-brackmann-agreement"].cell("images", "accuracy, one against rest, %").value
    assert ovr == pytest.approx(100 - (100 - right) / 3)


def test_what_was_not_assessed_is_said_and_not_counted_as_a_grade() -> None:
    study = grades(1.0)
    odds = study.probabilities.copy()
    odds[:30] = np.nan
    (row,) = ours(house_brackmann_tables(replace(study, probabilities=odds))[0])
    assert row.note == "240 images of 40 people, 30 without an answer" and values(row)[0] == 100
    silent = replace(study, probabilities=np.full_like(odds, np.nan))
    (row,) = ours(house_brackmann_tables(silent)[0])
    assert set(values(row)) == {None}


def test_patients_who_count_once_have_wilsons_interval() -> None:
    once = GradeStudy(np.eye(6), np.arange(6), ROMAN, [f"P{i}" for i in range(6)], "patients")
    agreement = by_key(house_brackmann_tables(once))["house-brackmann-agreement"]
    cell = agreement.cell("patients", "accuracy, %")
    assert (
        cell.value == 100
        and cell.interval is not None
        and cell.interval[0] == pytest.approx(100 * 6 / (6 + 1.96**2), abs=0.1)
    )


def test_signs_of_regions() -> None:
    true = np.array([["left", "none"], ["right", "none"], ["none", "left"], ["left", "none"]])
    found = np.array([["left", "none"], ["right", "none"], ["none", "none"], ["right", ""]])
    study = SignStudy(found, true, ("mouth", "eyes"), ["a", "b", "c", "d"])
    (table,) = sign_tables(study)
    macro, weighted, share = ours(table)
    # Mouth: none 1, left 2/3, right 2/3. Eyes: none 4/5, left 0, right never.
    at = [table.columns.index(name) for name in ("mouth", "eyes")]
    assert [values(macro)[i] for i in at] == pytest.approx([100 * 7 / 9, 40])
    assert [values(weighted)[i] for i in at] == pytest.approx([75, 100 * (2 * 0.8) / 3])
    assert [values(share)[i] for i in at] == pytest.approx([75, 200 / 3])
    assert values(macro)[table.columns.index("eyebrows")] is None
    assert table.notes[-1] == "Not assessed, eyes: 1 of 4."
    repeated = sign_tables(replace(study, subjects=["a", "a", "c", "d"]))[0]
    assert ours(repeated)[2].cells[at[0]] != share.cells[at[0]]


def test_overlap_of_regions_stands_apart_from_another_task() -> None:
    pixels = np.array([[[90.0, 10], [0, 50]], [[80, 0], [20, 60]]])
    other, overlap = segmentation_tables(SubjectSums(("a", "b"), pixels), ("skin", "eye"))
    assert ours(other)[0].note == "not run: another measure; see the table of overlaps"
    assert values(overlap.rows[0]) == pytest.approx([85, 100 * 110 / 140, 50 * (0.85 + 110 / 140), 100 * 280 / 310])


def test_groups_of_people() -> None:
    study = presence(0.8)
    sex, skin = subgroup_tables(study, "F1")
    assert [row.label for row in sex.rows] == ["all", "f", "m", "not known"]
    assert [row.cells[1].value for row in sex.rows] == [8, 4, 3, 1]
    assert [row.cells[2].value for row in sex.rows] == [400, 200, 150, 50]
    whole, *parts, unknown = sex.rows
    assert (
        min(r.cells[0].value for r in sex.rows[1:])
        <= whole.cells[0].value
        <= max(r.cells[0].value for r in sex.rows[1:])
    )
    assert all(row.cells[0].interval is not None for row in parts)
    assert unknown.cells[0].interval is None and unknown.note == "one person: no interval"
    assert [row.label for row in skin.rows] == ["all", "dark", "not known"] and skin.key == "by-skin"
    assert whole.cells[0].value == pytest.approx(ours(presence_tables(study, BP4D_F1)[0])[0].cells[-1].value)
    assert subgroup_tables(grades(0.5), "accuracy") == []
    with pytest.raises(UsageError, match="no figure 'ICC'"):
        subgroup_tables(study, "ICC")


def test_columns_that_a_paper_has_and_a_study_has_not() -> None:
    two = GradeStudy(np.eye(2), np.array([0, 1]), ("normal", "high"), ["a", "b"])
    (row,) = ours(severity_tables(two, FPARA_F1)[0])
    assert values(row) == [100, None, None, 100, 100]


def test_rows_must_fit_the_columns() -> None:
    with pytest.raises(ValueError, match="t, x: 0 cells for 1 columns"):
        ResultTable("t", "T", ("a",), (ResultRow("x", ()),))
    table = severity_tables(ABSENT)[0]
    with pytest.raises(KeyError, match="nobody"):
        table.row("nobody")
    with pytest.raises(KeyError, match="speed"):
        table.cell("ALGRNet", "speed")
