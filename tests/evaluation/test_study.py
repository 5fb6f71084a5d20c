"""Studies: what is refused, what an unanswered row is, and that nothing is left out in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palsy_cli.errors import DatasetError, UsageError
from palsy_cli.evaluation.predictions import (
    POINT_COLUMNS,
    class_columns,
    read_predictions,
    unit_columns,
    write_predictions,
)
from palsy_cli.evaluation.study import GradeStudy, IntensityStudy, PointsStudy, PresenceStudy, SignStudy, match
from palsy_cli.evaluation.study_figures import figure_of, study_figures, unanswered


def test_shapes_and_scales_are_checked() -> None:
    zeros = np.zeros((2, 3))
    for problem, make in {
        r"true: expected shape \(2, 68, 2\), got \(2, 3\)": lambda: PointsStudy(zeros, zeros, ["a", "b"]),
        "conditions: expected 1, got 2": lambda: PointsStudy(
            np.zeros((1, 68, 2)), np.zeros((1, 68, 2)), ["a"], ["x", "y"]
        ),
        r"probability: expected 0\.\.1, got 0\.\.1\.5": lambda: PresenceStudy(
            np.array([[0, 1.5]]), np.zeros((1, 2)), (1, 2), ["a"]
        ),
        "true: expected 0, 1 or NaN, got 2": lambda: PresenceStudy(zeros, zeros + 2, (1, 2, 4), ["a", "b"]),
        r"found: expected 0\.\.5, got 6\.\.6": lambda: IntensityStudy(zeros + 6, zeros, (1, 2, 4), ["a", "b"]),
        r"found, m = 2: expected shape \(2, 3\), got \(1, 3\)": lambda: IntensityStudy(
            zeros, zeros, (1, 2, 4), ["a", "b"], {2: zeros[:1]}
        ),
        r"true: expected 0\.\.2, got 0\.\.3": lambda: GradeStudy(zeros, np.array([0, 3]), ("a", "b", "c"), ["p", "q"]),
        "found: expected one of none, left, right or nothing, got 'up'": lambda: SignStudy(
            np.array([["up"]]), np.array([["left"]]), ("mouth",), ["p"]
        ),
    }.items():
        with pytest.raises(ValueError, match=problem):
            make()


def test_no_answer_is_no_grade() -> None:
    odds = np.array([[0.2, 0.8], [np.nan, np.nan], [0.5, 0.5]])
    study = GradeStudy(odds, np.array([1, 0, 0]), ("I", "II"), ["a", "b", "c"])
    assert study.found.tolist() == [1, -1, 0] and unanswered(study) == 1


def test_rows_without_an_answer_are_counted() -> None:
    points = np.ones((3, 68, 2))
    found, true = points.copy(), points.copy()
    found[0, 3], true[1], found[1] = np.nan, np.nan, np.nan
    assert unanswered(PointsStudy(found, true, ["a", "b", "c"])) == 1
    chances, real = np.array([[np.nan, np.nan], [np.nan, 1]]), np.array([[1.0, np.nan], [0.0, 1.0]])
    assert unanswered(PresenceStudy(chances, real, (1, 2), ["a", "b"])) == 1
    signs = np.array([["left", ""], ["", ""]])
    assert unanswered(SignStudy(signs, np.array([["left", "none"], ["left", ""]]), ("eyes", "mouth"), ["a", "b"])) == 1


def test_a_label_without_a_prediction_is_an_error() -> None:
    labels = [("S1", "clip", 3), ("S1", "clip", 4), ("S2", "clip", 0)]
    assert match(labels[:1], {labels[0]: 7, labels[1]: 8}) == [7]
    with pytest.raises(DatasetError) as caught:
        match(labels, {labels[0]: 7})
    assert str(caught.value) == (
        "no prediction for S1, clip, 4: 2 of 3 labels have none; "
        "predict every labelled frame, with empty values where no face was found"
    )


def test_figures_have_names() -> None:
    study = GradeStudy(np.eye(2), np.array([0, 1]), ("I", "II"), ["a", "b"])
    assert figure_of(study, "accuracy").cell().value == 100.0
    with pytest.raises(UsageError, match="no figure 'speed' of this study; choose one of accuracy, F1, recall"):
        figure_of(study, "speed")
    assert next(iter(study_figures(study))) == "accuracy"


def test_predictions_come_back_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = (*unit_columns((1, 12)), *class_columns(("I", "VI")), *POINT_COLUMNS)
    keys = [("S1", "a, b/c", 0), ("S2", "é", 12)]
    values = rng.random((2, len(columns)))
    values[1, 1] = np.nan
    path = write_predictions(tmp_path / "found.csv", keys, columns, values)
    have = read_predictions(path)
    assert have.keys == tuple(keys) and have.columns == columns
    assert have.values == pytest.approx(values, rel=1e-8, nan_ok=True)
    assert have.of(("p_VI", "AU1"))[keys[0]] == pytest.approx(values[0, [3, 0]])
    assert have.points()[keys[1]][5] == pytest.approx([values[1, 4 + 5], values[1, 4 + 68 + 5]])
    assert (
        write_predictions(tmp_path / "again.csv", have.keys, have.columns, have.values).read_text() == path.read_text()
    )


def test_other_programs_tables_are_read(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("\ufeffframe,AU04,subject,remark,sequence,AU25\n3,0.5,S1,dark,clip,\n4,nan,S1,,clip,1e-1\n")
    have = read_predictions(path)
    assert have.columns == ("AU4", "AU25") and have.keys == (("S1", "clip", 3), ("S1", "clip", 4))
    assert have.values == pytest.approx(np.array([[0.5, np.nan], [np.nan, 0.1]]), nan_ok=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("subject,frame,AU1\n", "no column sequence; the first line must name the columns"),
        ("subject,sequence,frame,remark\na,b,0,x\n",
         "no column of predictions; name them AU12, p_I, p_normal, x_0 or y_0"),
        ("subject,sequence,frame,AU1\n", "no prediction; give a line for each frame below the names of the columns"),
        ("subject,sequence,frame,AU1,AU01\na,b,0,1,1\n", "two columns AU1; keep one of them"),
    ],
)  # fmt: skip
def test_tables_that_say_nothing(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "found.csv"
    path.write_text(text)
    with pytest.raises(DatasetError) as caught:
        read_predictions(path)
    assert str(caught.value) == f"{path}: {problem}"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,b,0,high", "AU1 is 'high'; it must be a number"),
        ("a,b,0,inf", "AU1 is 'inf'; it must be a number"),
        ("a,b,-1,0.5", "frame is '-1'; it must be a whole number, zero or more"),
        ("a,b,7,0.5", "a, b, 7 was already in line 2; keep one of them"),
        ("a,b,0", "the row ends before column AU1; was the file cut off?"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, row: str, problem: str) -> None:
    path = tmp_path / "found.csv"
    path.write_text(f"subject,sequence,frame,AU1\na,b,7,0.5\n{row}\n")
    with pytest.raises(DatasetError) as caught:
        read_predictions(path)
    assert str(caught.value) == f"{path}, line 3: {problem}"


def test_a_missing_column_or_file_is_named(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "found.csv", [("a", "b", 0)], ["AU1"], np.ones((1, 1)))
    with pytest.raises(DatasetError, match=r"found\.csv: no column x_0, x_1, x_2 and 133 more; the first line"):
        read_predictions(path).points()
    with pytest.raises(DatasetError, match="cannot be read as a table"):
        read_predictions(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match="values: expected shape"):
        write_predictions(path, [("a", "b", 0)], ["AU1"], np.ones((2, 1)))
