"""Tables: the columns that were promised, the way back, and refusal of what is no table."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest

from palsy_cli.errors import InputError
from palsy_cli.records import CORE_AUS, ActionUnits, Assessment
from palsy_cli.report.csv_report import action_units_csv, landmarks_csv, load_action_units
from palsy_cli.stages.symptoms import find_symptoms


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def au_table(assessment: Assessment) -> str:
    return action_units_csv(assessment.keyframes, assessment.action_units)


def test_action_unit_columns(assessment: Assessment) -> None:
    header = au_table(assessment).splitlines()[0]
    assert header == (
        "frame,time_s,success,confidence,reason,AU01_r_L,AU01_r_R,AU02_r_L,AU02_r_R,AU04_r_L,AU04_r_R,AU05_r_L,"
        "AU05_r_R,AU06_r_L,AU06_r_R,AU09_r_L,AU09_r_R,AU12_r_L,AU12_r_R,AU15_r_L,AU15_r_R,AU17_r_L,AU17_r_R,"
        "AU20_r_L,AU20_r_R,AU25_r_L,AU25_r_R,AU26_r_L,AU26_r_R,AU43_r_L,AU43_r_R,AU18_r_L,AU18_r_R"
    )


def test_round_trip_gives_the_same_symptoms(assessment: Assessment, tmp_path: Path) -> None:
    path = tmp_path / "aus.csv"
    path.write_text(au_table(assessment))
    units, frames, times = load_action_units(path)
    assert units.aus == assessment.action_units.aus
    np.testing.assert_array_equal(frames, assessment.keyframes.frames)
    np.testing.assert_allclose(times, assessment.keyframes.times_s, atol=1e-6)
    np.testing.assert_allclose(units.left, assessment.action_units.left, atol=1e-6)
    np.testing.assert_allclose(units.right, assessment.action_units.right, atol=1e-6)
    again = find_symptoms(units)
    assert again.weak_side == assessment.symptoms.weak_side
    assert [(p.side, p.response_au, p.trigger_au, p.support) for p in again.pairs] == [
        (p.side, p.response_au, p.trigger_au, p.support) for p in assessment.symptoms.pairs
    ]


def test_missing_values_survive(assessment: Assessment, tmp_path: Path) -> None:
    left = assessment.action_units.left.copy()
    left[3, 2] = np.nan
    holed = dataclasses.replace(assessment.action_units, left=left)
    path = tmp_path / "aus.csv"
    path.write_text(action_units_csv(assessment.keyframes, holed))
    np.testing.assert_array_equal(np.isnan(load_action_units(path)[0].left), np.isnan(left))


def test_spreadsheet_dialects_are_read(assessment: Assessment, tmp_path: Path) -> None:
    """A byte order mark, CRLF, blanks after commas, further columns and empty lines at the end do no harm."""
    lines = au_table(assessment).splitlines()
    text = "\r\n".join([lines[0].replace(",", ", ") + ",note", *(line + ",x" for line in lines[1:]), "", ",,"])
    path = tmp_path / "aus.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(load_action_units(path)[1]) == 48
    path.write_text(au_table(assessment).replace(",", "\t"))
    assert len(load_action_units(path)[1]) == 48


def test_unsuccessful_rows_are_skipped_and_extra_channels_optional(tmp_path: Path) -> None:
    names = [f"AU{au:02d}_r_{side}" for au in CORE_AUS for side in "LR"]
    head = ",".join(["frame", "time_s", "success", *names])
    good = ",".join(["7", "0.25", "1", *["1.5"] * 24])
    bad = ",".join(["8", "0.30", "0", *[""] * 24])
    path = tmp_path / "aus.csv"
    path.write_text("\n".join([head, bad, good]))
    units, frames, times = load_action_units(path)
    assert units.aus == CORE_AUS and frames.tolist() == [7] and times.tolist() == [0.25]


def broken(text: str, kind: str) -> str | bytes:
    """A table with one fault."""
    lines = text.splitlines()
    cells = lines[4].split(",")
    changes = {"word": (5, "much"), "nan": (5, "nan"), "above": (6, "5.01"), "below": (6, "-0.1"), "time": (1, "soon"),
               "frame": (0, "1.5"), "negative frame": (0, "-3"), "success": (2, "yes")}  # fmt: skip
    if kind in changes:
        column, value = changes[kind]
        cells[column] = value
        lines[4] = ",".join(cells)
    elif kind == "missing column":
        lines[0] = lines[0].replace("AU12_r_R", "AU12_r")
    elif kind == "no rows":
        lines = lines[:1]
    elif kind == "none successful":
        lines = [lines[0], lines[1].replace(",1,", ",0,", 1)]
    elif kind == "short row":
        lines[4] = ",".join(cells[:8])
    elif kind == "semicolons":
        lines = [line.replace(",", ";") for line in lines]
    elif kind == "empty":
        return ""
    elif kind == "binary":
        return b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe"
    elif kind == "zeros":
        return b"\x00" * 64
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("word", "line 5: AU01_r_L is 'much'"), ("nan", "AU01_r_L is 'nan'"), ("above", "AU01_r_R is 5.01"),
        ("below", "AU01_r_R is -0.1"), ("time", "time_s is 'soon'"), ("frame", "frame is '1.5'"),
        ("negative frame", "frame is '-3'"), ("success", "success is 'yes'"), ("missing column", "no column AU12_r_R"),
        ("no rows", "no row with success 1"), ("none successful", "no row with success 1"),
        ("short row", "ends before column"), ("semicolons", "no column frame"), ("empty", "no column frame"),
        ("binary", "cannot be read as a table"), ("zeros", "aus.csv"),
    ],
)  # fmt: skip
def test_faults_are_named_in_one_line(assessment: Assessment, tmp_path: Path, kind: str, says: str) -> None:
    path = tmp_path / "aus.csv"
    content = broken(au_table(assessment), kind)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        load_action_units(path)
    message = str(caught.value)
    assert says in message and "\n" not in message and str(path) in message


def test_no_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_action_units(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="cannot be read"):
        load_action_units(tmp_path)


def test_landmarks_have_a_row_for_every_frame(assessment: Assessment) -> None:
    table = rows(landmarks_csv(assessment.clip, assessment.track, assessment.landmarks))
    assert [int(row["frame"]) for row in table] == list(range(300))
    assert list(table[0])[:6] == ["frame", "time_s", "success", "confidence", "reason", "x_0"]
    assert list(table[0])[72:75] == ["x_67", "y_0", "y_1"] and len(table[0]) == 141
    lost = table[205]
    assert lost["success"] == "0" and lost["reason"] == "no_face"
    assert {lost[f"{axis}_{p}"] for axis in "xy" for p in range(68)} == {""}
    seen = table[10]
    assert seen["success"] == "1" and seen["reason"] == ""
    assert float(seen["x_30"]) == pytest.approx(assessment.landmarks.points[10, 30, 0], abs=0.006)
    assert len(seen["y_8"].split(".")[1]) == 2


def test_mirrored_recordings_get_points_on_the_video(assessment: Assessment) -> None:
    clip = dataclasses.replace(assessment.clip, mirrored=True)
    plain = rows(landmarks_csv(assessment.clip, assessment.track, assessment.landmarks))[10]
    turned = rows(landmarks_csv(clip, assessment.track, assessment.landmarks))[10]
    assert float(plain["x_36"]) + float(turned["x_36"]) == pytest.approx(clip.width - 1, abs=0.011)
    assert plain["y_36"] == turned["y_36"]


def test_half_known_landmarks_are_not_written(assessment: Assessment) -> None:
    points = assessment.landmarks.points.copy()
    points[10, 5] = np.nan
    landmarks = dataclasses.replace(assessment.landmarks, points=points)
    row = rows(landmarks_csv(assessment.clip, assessment.track, landmarks))[10]
    assert row["success"] == "0" and row["reason"] == "no_landmarks" and row["x_0"] == ""


def test_no_keyframe_gives_a_header(assessment: Assessment) -> None:
    none = dataclasses.replace(
        assessment.keyframes,
        **{
            field.name: getattr(assessment.keyframes, field.name)[:0]
            for field in dataclasses.fields(assessment.keyframes)
        },
    )
    empty = ActionUnits(CORE_AUS, np.zeros((0, 12)), np.zeros((0, 12)))
    assert len(action_units_csv(none, empty).splitlines()) == 1
