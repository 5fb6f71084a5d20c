"""Visits beside each other: what changed, on which side, and what was not compared because it must not be."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from visited import Json, compared, flipped, lines, made, measure, visit, write

from palsy_cli.batch.summary import write_summary
from palsy_cli.clinic.definitions import EXCURSIONS
from palsy_cli.compare import compare
from palsy_cli.compare.document import comparison_csv, comparison_dict
from palsy_cli.compare.precision import EYE_DISTANCE_MM, precision_of
from palsy_cli.errors import InputError, UsageError

MIRRORED = {"left": "right", "right": "left"}
REVERSED = {"better": "worse", "worse": "better"}


def ends(value: Any) -> tuple[float, float]:
    return tuple(value) if isinstance(value, list) else (value, value)


def test_two_visits_alike_show_no_change(tmp_path: Path) -> None:
    found = compared(tmp_path, visit(), visit())
    told = comparison_dict(found)
    assert told["main_changes"] == [] and not found.forced and not found.warnings
    assert told["summary"]["within"] > 60
    for line in told["lines"]:
        assert line["verdict"] in ("within", "not assessed")
        if line["verdict"] == "within":
            low, high = ends(line["change"])
            assert low <= 0.0 <= high and line["smallest_detectable_change"] > 0


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", EXCURSIONS)
def test_an_excursion_that_halves(tmp_path: Path, name: str, side: str) -> None:
    """Twelve millimetres become six: worse on the weak left, on the other side a change."""
    before = visit()
    one = next(each for each in before["clinic"]["measures"] if each["name"] == name)
    one |= {"left": 12.0, "right": 12.0, "reason": None}
    after = copy.deepcopy(before)
    measure(after, name, one["task"])[side] = 6.0
    found = lines(compared(tmp_path, before, after))
    line = found["movements", name, one["task"], side]
    assert line["change"] == pytest.approx(-6.0, abs=1e-5) and line["unit"] == "mm"
    assert line["verdict"] == ("worse" if side == "left" else "changed")
    assert found["movements", name, one["task"], MIRRORED[side]]["verdict"] == "within"


@pytest.mark.parametrize(
    ("name", "task", "before", "after", "verdict"),
    [
        ("lagophthalmos", "gentle_eye_closure", 5.0, 0.5, "better"),
        ("lagophthalmos", "gentle_eye_closure", 0.5, 5.0, "worse"),
        ("closure", "gentle_eye_closure", 0.3, 0.9, "better"),
        ("smile_angle", "smile", 30.0, 60.0, "changed"),
        ("commissure_excursion", "smile", 6.0, 6.5, "within"),
    ],
)
def test_health_has_a_direction(
    tmp_path: Path, name: str, task: str, before: float, after: float, verdict: str
) -> None:
    visits = [visit(), visit()]
    for data, value in zip(visits, (before, after), strict=True):
        measure(data, name, task)["left"] = value
    assert lines(compared(tmp_path, *visits))["movements", name, task, "left"]["verdict"] == verdict


@pytest.mark.parametrize(
    ("before", "after", "verdict"), [(-6.0, 0.5, "better"), (0.5, -6.0, "worse"), (-6.0, 6.0, "changed")]
)
def test_a_region_is_better_when_its_sides_are_more_alike(
    tmp_path: Path, before: float, after: float, verdict: str
) -> None:
    visits = [visit(), visit()]
    for data, value in zip(visits, (before, after), strict=True):
        data["asymmetry"]["regions"]["mouth"]["delta_am"] = value
    assert lines(compared(tmp_path, *visits))["regions", "mouth", None, "difference"]["verdict"] == verdict


@pytest.mark.parametrize("others", [(0.1, 0.9), (0.2, 0.3), (0.8, 0.2)])
def test_the_way_back_is_the_change_reversed(tmp_path: Path, others: tuple[float, float]) -> None:
    first, second = (visit(left_strength=strength) for strength in others)
    there = lines(compared(tmp_path / "there", first, second))
    back = lines(compared(tmp_path / "back", second, first))
    assert there.keys() == back.keys() and any(line["verdict"] in REVERSED for line in there.values())
    for key, line in there.items():
        assert back[key]["verdict"] == REVERSED.get(line["verdict"], line["verdict"]), key
        assert back[key]["smallest_detectable_change"] == line["smallest_detectable_change"]
        if line["change"] is not None:
            low, high = ends(line["change"])
            assert ends(back[key]["change"]) == pytest.approx((-high, -low), abs=1e-6)


def test_a_mirrored_patient_changes_alike_on_the_other_side(tmp_path: Path) -> None:
    visits = [visit(left_strength=0.2), visit(left_strength=0.7)]
    seen = lines(compared(tmp_path / "seen", *visits))
    mirrored = lines(compared(tmp_path / "mirrored", *map(flipped, visits)))
    assert len(seen) == len(mirrored)
    for (section, name, task, side), line in seen.items():
        if section == "synkinesis":
            task = MIRRORED[task]
        other = mirrored[section, name, task, MIRRORED.get(side, side)]
        assert other["verdict"] == line["verdict"], (name, task, side)
        sign = -1.0 if line["better"] == "zero" else 1.0
        for mine, theirs in zip(line["values"], other["values"], strict=True):
            assert mine is theirs is None or ends(theirs) == pytest.approx([sign * end for end in ends(mine)], abs=1e-6)


def test_the_smallest_detectable_change_is_that_of_the_trial(tmp_path: Path) -> None:
    """Without a change the scale adds nothing; the error of the trial is as large a part of this face as of that."""
    line = lines(compared(tmp_path, visit(), visit()))["movements", "commissure_excursion", "smile", "left"]
    precision = precision_of("commissure_excursion", "smile")
    assert precision is not None
    error = precision.error * 62.0 / EYE_DISTANCE_MM
    assert line["standard_errors"] == pytest.approx([error, error], abs=1e-6)
    assert line["smallest_detectable_change"] == pytest.approx(1.96 * math.sqrt(2) * error, rel=1e-3)
    assert line["standard_error_source"] == precision.source


def with_scale(data: Json, mm: float, error: float, source: str) -> Json:
    """The same face under another scale: millimetres follow it."""
    data, old = copy.deepcopy(data), data["clinic"]["scale"]["mm_per_eye_distance"]
    data["clinic"]["scale"] |= {"mm_per_eye_distance": mm, "error_mm": error, "source": source}
    powers = {"mm": 1, "mm/s": 1, "mm²": 2}
    for one in data["clinic"]["measures"]:
        for place in ("left", "right", "middle"):
            if one[place] is not None:
                one[place] *= (mm / old) ** powers.get(one["unit"], 0)
    return data


def test_one_scale_for_all_visits(tmp_path: Path) -> None:
    """The irises say 60 and 66 mm; the eyes of one person are as far apart as before, so that nothing changed."""
    visits = [with_scale(visit(), mm, 2.0, "iris") for mm in (60.0, 66.0)]
    found = compared(tmp_path, *visits)
    assert found.scale.mm == pytest.approx(63.0) and found.scale.error_mm == 2.0
    assert any("scales differ by 10 %" in warning for warning in found.warnings)
    for line in lines(found).values():
        if line["section"] == "movements" and line["change"] is not None:
            assert line["change"] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("source", ["ipd", "mm-per-px"])
def test_a_scale_that_was_told_beats_irises(tmp_path: Path, source: str) -> None:
    error = 0.5 if source == "ipd" else 0.0
    visits = [with_scale(visit(), 60.0, 2.0, "iris"), with_scale(visit(), 61.0, error, source)]
    found = compared(tmp_path, *visits)
    assert found.scale.mm == pytest.approx(61.0) and found.scale.error_mm == error and not found.warnings


def test_without_a_scale_lengths_are_in_eye_distances(tmp_path: Path) -> None:
    with_mm, without = visit(), visit(mm=None)
    found = compared(tmp_path, with_mm, without)
    told = comparison_dict(found)
    assert not told["same_scale"] and any("eye distances" in warning for warning in told["warnings"])
    by_key = lines(found)
    assert not {line["unit"] for line in by_key.values()} & {"mm", "mm/s", "mm²"}
    for one in made(with_mm):
        line = by_key["movements", one["name"], one["task"], "left"]
        assert line["verdict"] == "within" and line["change"] == pytest.approx(0.0, abs=1e-6)


def test_what_a_visit_lacks_is_not_compared_and_says_why(tmp_path: Path) -> None:
    before, after = visit(), visit()
    measure(after, "commissure_excursion", "smile").update(left=None, right=None, reason="this movement was not seen")
    after["grades"].update(house_brackmann=None, house_brackmann_reason="too blurred")
    found = lines(compared(tmp_path, before, after, before))
    line = found["movements", "commissure_excursion", "smile", "left"]
    assert line["reasons"] == [None, "visit 2: this movement was not seen", None]
    assert line["verdict"] == "within", "the first and the last visit have it"
    assert [step["verdict"] for step in line["steps"]] == ["not assessed"] * 2
    grade = found["grades", "house_brackmann_of_networks", None, None]
    assert grade["reasons"][1] == "visit 2: too blurred" and grade["steps"][0]["change"] is None


def test_a_pair_of_one_visit_is_compared_at_all(tmp_path: Path) -> None:
    before, after = visit(), visit()
    pair = before["synkinesis"]["pairs"][0]
    after["synkinesis"]["pairs"].remove(pair)
    cell = [before["synkinesis"]["aus"].index(pair[unit]) for unit in ("response_au", "trigger_au")]
    tables = after["synkinesis"]["matrices"]
    mine, other = (f"{side}_given_{pair['trigger_side']}" for side in (pair["side"], MIRRORED[pair["side"]]))
    tables[mine][cell[0]][cell[1]] = tables[other][cell[0]][cell[1]]
    name = f"AU{pair['response_au']} with AU{pair['trigger_au']}"
    line = lines(compared(tmp_path, before, after))["synkinesis", name, pair["trigger_side"], pair["side"]]
    assert line["flagged"] == [True, False] and line["values"][1] == 0.0
    assert line["change"] == pytest.approx(-pair["difference"], abs=1e-6)
    assert line["verdict"] == ("better" if pair["difference"] > line["smallest_detectable_change"] else "within")


def test_visits_of_two_weak_sides_are_neither_better_nor_worse_by_side(tmp_path: Path) -> None:
    first, second = visit(left_strength=0.2), flipped(visit(left_strength=0.2))
    found = compared(tmp_path, first, second)
    assert found.weak_side is None and any("different weak sides" in warning for warning in found.warnings)
    for line in lines(found).values():
        if line["section"] in ("action units", "movements") and line["side"]:
            assert line["verdict"] not in REVERSED


def other_weights(data: Json) -> None:
    data["models"]["ovpm"]["sha256"] = "0" * 64


def fewer_networks(data: Json) -> None:
    del data["models"]["ovpm"]


def other_settings(data: Json) -> None:
    data["run"]["settings"]["face"]["min_confidence"] = 0.123
    data["run"]["settings_sha256"] = "0" * 64


def same_video(data: Json) -> None:
    data["video"]["sha256"] = f"{1:064x}"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (other_weights, "weights of visit 1 (ovpm)"),
        (fewer_networks, "weights of visit 1 (ovpm)"),
        (other_settings, "face.min_confidence is"),
        (same_video, "visit 2 is the same recording as visit 1"),
    ],
)
def test_what_was_not_measured_alike_is_refused_unless_forced(tmp_path: Path, spoil: Any, says: str) -> None:
    second = visit()
    spoil(second)
    places = write(tmp_path, visit(), second)
    with pytest.raises(UsageError) as caught:
        compare(places)
    assert says in str(caught.value) and "--force" in str(caught.value) and "\n" not in str(caught.value)
    forced = compare(places, force=True)
    assert any(says in reason for reason in forced.forced) and comparison_dict(forced)["forced"]


def test_how_the_scale_was_told_is_no_other_setting(tmp_path: Path) -> None:
    second = visit()
    second["run"]["settings"]["clinic"] |= {"ipd_mm": 64.0, "mm_per_px": 0.25}
    second["run"]["settings_sha256"] = "0" * 64
    assert not compared(tmp_path, visit(), second).forced


def test_two_patients_of_a_batch_are_refused_unless_forced(tmp_path: Path) -> None:
    places = write(tmp_path / "results", visit(), visit(), visit())
    rows = [
        {"patient": patient, "session": str(i), "video": str(i), "job_id": f"v{i}"}
        for i, patient in enumerate(("Anna", "Anna", "Bertha"), start=1)
    ]
    write_summary(tmp_path, rows)
    assert not compare(places[:2]).forced
    with pytest.raises(UsageError, match="visit 2 is of another patient than visit 1") as caught:
        compare(places[1:])
    assert "Anna" not in str(caught.value) and "Bertha" not in str(caught.value)
    assert compare(places[1:], force=True).forced
    (elsewhere,) = write(tmp_path / "other", visit())
    (elsewhere / "assessment.json").write_text(json.dumps(visit()), encoding="utf-8")
    with pytest.raises(UsageError, match="visit 3 is of another patient than visit 2"):
        compare([elsewhere, *places[1:]])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("clinic.scale.mm_per_eye_distance", -1.0),
        ("clinic.scale.source", "guess"),
        ("clinic.measures", {}),
        ("clinic", None),
        ("scales.sunnybrook", {"low": 60.0, "high": 50.0, "reason": None}),
        ("scales.house_brackmann", {"low": 7.0, "high": 7.0, "reason": None}),
        ("scales.house_brackmann", {"low": 2.5, "high": 2.5, "reason": None}),
        ("scales", []),
        ("synkinesis.matrices.left_given_left", [[0.5]]),
        ("synkinesis.support.trigger_left", None),
        ("asymmetry.action_units", [{"au": 12}]),
        ("video.sha256", 7),
        ("run.settings", None),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, place: str, value: Any) -> None:
    spoiled = visit()
    *way, last = place.split(".")
    node = spoiled
    for key in way:
        node = node[key]
    node[last] = value
    with pytest.raises(InputError) as caught:
        compared(tmp_path, visit(), spoiled)
    said = str(caught.value)
    assert "v2/assessment.json: " in said and "\n" not in said and last.rstrip("s") in said


def test_an_eye_distance_needs_no_scale_and_a_millimetre_does(tmp_path: Path) -> None:
    spoiled = visit()
    spoiled["clinic"]["scale"] |= {"mm_per_eye_distance": None, "error_mm": None, "source": None, "reason": "none"}
    with pytest.raises(InputError, match=r"clinic.measures\[0\].unit is .*eye distances"):
        compared(tmp_path, visit(), spoiled)


def test_the_table_has_every_line(tmp_path: Path) -> None:
    ranged = visit()
    ranged["scales"]["sunnybrook"] |= {"low": 60.0, "high": 70.0, "reason": None}
    told = comparison_dict(compared(tmp_path, ranged, ranged))
    header, *rows = (row.split(",") for row in comparison_csv(told).replace('"', "").splitlines())
    assert header[6:8] == ["visit 1", "visit 2"] and header[-1] == "verdict"
    assert len(rows) == len(told["lines"]) + 1
    low, high = (row for row in rows if row[1] == "sunnybrook")
    assert low[5:9] == ["low", "60.0", "60.0", "-10.0"] and high[5:9] == ["high", "70.0", "70.0", "10.0"]
