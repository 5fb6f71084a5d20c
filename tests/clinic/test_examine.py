"""The measures of one recording, from what the hops before found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from factories import make_assessment, stills_of

from palsy_cli.clinic.examine import examine
from palsy_cli.clinic.flow import Followed, follow
from palsy_cli.config import ClinicSettings
from palsy_cli.records import (
    ALL_AUS,
    ActionUnits,
    Assessment,
    ByteImage,
    ClinicMeasures,
    FaceTrack,
    FloatArray,
    Keyframes,
    Landmarks,
)
from palsy_cli.simulate.clips import DrawnRenderer, simulate_frames
from palsy_cli.simulate.palsy import house_brackmann_preset
from palsy_cli.simulate.person import Person
from palsy_cli.simulate.script import write_script

FPS, SIDE = 10.0, 240


def resting(keyframes: Keyframes, *rest: int) -> ActionUnits:
    """Nothing active in any keyframe; these are at rest."""
    still = np.zeros((len(keyframes.frames), len(ALL_AUS)))
    return ActionUnits(ALL_AUS, still, still, rest)


@dataclasses.dataclass(frozen=True)
class Recording:
    """What the hops before give of a drawn patient, and the true points (N, 68, 2)."""

    track: FaceTrack
    landmarks: Landmarks
    keyframes: Keyframes
    truth: FloatArray


@lru_cache
def recording(seen: float) -> Recording:
    """Grade IV of the left raises the brows and smiles; the points show only so large a part of all movement."""
    script = write_script(("brow_raise", "open_smile"), tempo=1.3)
    renderer = DrawnRenderer(Person.from_seed(2101), (SIDE, SIDE))
    lesion = house_brackmann_preset(4, "left")
    frames = list(simulate_frames(renderer, lesion, script, fps=FPS, seed=1, natural=False))
    truth = np.stack([frame.points for frame in frames])
    points = truth[0] + seen * (truth - truth[0])
    times_s = np.arange(len(frames)) / FPS
    shown = np.arange(len(frames))
    pictures = np.stack([frames[i].image for i in shown])
    track = FaceTrack(
        times_s,
        np.zeros((len(frames), 4)),
        np.zeros((len(frames), 5, 2)),
        np.ones(len(frames)),
        ("",) * len(frames),
        0,
    )
    keyframes = Keyframes(
        frames=shown,
        times_s=times_s[shown],
        confidence=np.ones(len(shown)),
        aligned=np.zeros((len(shown), 512, 512, 3), np.uint8),
        faces=pictures,
        face_points=points[shown],
    )
    return Recording(track, Landmarks(points, np.ones(len(frames))), keyframes, truth)


@lru_cache
def examined(seen: float, **settings: float) -> ClinicMeasures:
    """Following the skin takes seconds: once for each question."""
    return examined_anew(recording(seen), **settings)


def examined_anew(found: Recording, **settings: float) -> ClinicMeasures:
    units, chosen = resting(found.keyframes, 0), ClinicSettings(**settings)
    return examine(found.track, found.landmarks, found.keyframes, stills_of(found.keyframes), units, chosen).clinic


def excursions(found: ClinicMeasures, name: str) -> tuple[float, float]:
    one = next(m for m in found.measures if m.name == name)
    assert one.left is not None and one.right is not None
    return one.left, one.right


@pytest.mark.parametrize("name", ["brow_excursion", "commissure_excursion"])
def test_skin_tells_what_the_points_leave_out(name: str) -> None:
    """The landmark network takes back half of a movement; what is measured is what was made."""
    true, halved = (examined(seen, ipd_mm=62.0) for seen in (1.0, 0.5))
    assert {one.task for one in halved.movements} >= {"brow_raise", "smile"}
    for side in (0, 1):
        whole = excursions(true, name)[side]
        assert excursions(halved, name)[side] == pytest.approx(whole, abs=0.012), "0.75 mm"
    left, right = excursions(halved, name)
    assert left < 0.65 * right


def test_a_movement_is_measured_whether_or_not_a_keyframe_shows_it() -> None:
    """What is held does not differ from the frame before, so that it has few keyframes or none."""
    found, settings = recording(0.5), ClinicSettings(ipd_mm=62.0)
    k, stills = found.keyframes, stills_of(found.keyframes)
    rest = Keyframes(k.frames[:1], k.times_s[:1], k.confidence[:1], k.aligned[:1], k.faces[:1], k.face_points[:1])
    clinic = examine(found.track, found.landmarks, rest, stills, resting(rest, 0), settings).clinic
    for name in ("brow_excursion", "commissure_excursion"):
        assert excursions(clinic, name) == pytest.approx(excursions(examined(0.5, ipd_mm=62.0), name))


def test_every_frame_at_rest_counts_whichever_was_found() -> None:
    """The points tremble, and which of many resting frames the networks like best is chance."""
    found, settings = recording(1.0), ClinicSettings(ipd_mm=62.0)
    trembling = found.truth + np.random.default_rng(3).normal(0.0, 0.15, found.truth.shape)
    k, landmarks = found.keyframes, Landmarks(trembling, found.landmarks.confidence)
    last = len(k.frames) - 1
    clinics = [
        examine(found.track, landmarks, k, stills_of(k), resting(k, rest), settings).clinic for rest in (0, last)
    ]
    apart = np.linalg.norm(found.truth - found.truth[0], axis=2).max(1) * 62.0 / np.ptp(found.truth[0, [36, 45], 0])
    assert 0.6 * (apart < 0.5).sum() < clinics[0].rest_frames < (apart < 2.5).sum(), "millimetres"
    for one, other in zip(clinics[0].measures, clinics[1].measures, strict=True):
        if one.task == "rest" and one.left is not None and one.right is not None and one.name != "mouth_area":
            assert (other.left, other.right) == pytest.approx((one.left, one.right), abs=0.005), one.name


def test_where_the_skin_cannot_be_followed_the_points_are_believed() -> None:
    """Teeth that show, a hand: what is found of a patch that has vanished lies here and there."""
    found, settings = recording(1.0), ClinicSettings(ipd_mm=62.0)
    stills = stills_of(found.keyframes)
    covered = stills.faces.copy()
    x, y = found.truth[0, 54].astype(int)
    noise = np.random.default_rng(0).integers(0, 256, (len(covered), 60, 60), dtype=np.uint8)
    covered[1:, y - 30 : y + 30, x - 30 : x + 30] = noise[1:]
    units = resting(found.keyframes, 0)
    shown, hidden = (
        examine(
            found.track, found.landmarks, found.keyframes, dataclasses.replace(stills, faces=faces), units, settings
        )
        for faces in (stills.faces, covered)
    )
    left, right = excursions(shown.clinic, "commissure_excursion")
    assert excursions(hidden.clinic, "commissure_excursion") == (
        pytest.approx(left, abs=0.024),
        pytest.approx(right, abs=0.012),
    ), "1.5 and 0.75 mm"


MISLED = {
    "a mouth's corner in a tooth that looks like it, on the other side of where it lay": ([54], (-15.0, 0.0)),
    "the canthi of an eye that closes in the fold of its lid": ([42, 45], (-2.0, -9.0)),
}


@pytest.mark.parametrize(("lost", "shift"), MISLED.values(), ids=MISLED)
def test_what_is_found_far_from_where_it_is_seen_is_another_thing(
    monkeypatch: pytest.MonkeyPatch, lost: list[int], shift: tuple[float, float]
) -> None:
    found = recording(1.0)
    true = excursions(examined(1.0, ipd_mm=62.0), "commissure_excursion")
    follow_misled(monkeypatch, found, lost, shift)
    assert excursions(examined_anew(found, ipd_mm=62.0), "commissure_excursion") == pytest.approx(true, abs=0.012), (
        "0.75 mm"
    )


def test_what_is_lost_is_looked_for_where_its_point_was_seen_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that take back half of a smile are near enough to find the corner that was lost on the way from rest."""
    found = recording(0.5)
    true = excursions(examined(1.0, ipd_mm=62.0), "commissure_excursion")
    follow_misled(monkeypatch, found, [54], (-15.0, 0.0), again=follow)
    assert excursions(examined_anew(found, ipd_mm=62.0), "commissure_excursion") == pytest.approx(true, abs=0.012), (
        "0.75 mm"
    )


def follow_misled(
    monkeypatch: pytest.MonkeyPatch,
    found: Recording,
    lost: list[int],
    shift: tuple[float, float],
    again: Callable[..., Followed] | None = None,
) -> None:
    """In smiles the skin of some points is found elsewhere; looked for once more it is not found, or by ``again``."""
    smiles = np.linalg.norm(found.truth[:, 54] - found.truth[0, 54], axis=1) > 2.0
    assert 3 <= smiles.sum() < len(smiles)

    def mislead(rest: ByteImage, points: FloatArray, faces: ByteImage, begin: FloatArray | None = None) -> Followed:
        if begin is not None:
            return again(rest, points, faces, begin) if again else Followed(begin, np.zeros(begin.shape[:2]))
        followed = follow(rest, points, faces)
        wrong, trust = followed.points.copy(), followed.trust.copy()
        wrong[np.ix_(smiles, lost)] = points[lost] + shift
        trust[np.ix_(smiles, lost)] = 1.0
        return Followed(wrong, trust)

    monkeypatch.setattr("palsy_cli.clinic.skin.follow", mislead)


def test_the_scale_may_be_told() -> None:
    assert examined(1.0, ipd_mm=62.0).scale.mm == 62.0
    one, two = (examined(1.0, mm_per_px=mm).scale for mm in (0.3, 0.6))
    assert one.source == "mm-per-px" and one.mm is not None and two.mm == pytest.approx(2 * one.mm)


@pytest.fixture(scope="module")
def assessment() -> Assessment:
    return make_assessment()


def examined_again(a: Assessment, landmarks: Landmarks, *rest: int) -> ClinicMeasures:
    """The measures by other points and another rest."""
    units, stills = resting(a.keyframes, *rest), stills_of(a.keyframes)
    return examine(a.track, landmarks, a.keyframes, stills, units, ClinicSettings()).clinic


def test_without_a_rest_nothing_is_measured(assessment: Assessment) -> None:
    a = assessment
    points = a.landmarks.points.copy()
    points[:10] = np.nan
    unseen = dataclasses.replace(a.landmarks, points=points)
    for landmarks, rest in ((a.landmarks, ()), (unseen, (0,))):
        found = examined_again(a, landmarks, *rest)
        assert found.measures == () == found.movements and found.scale.mm is None
        assert found.reason is not None and "rest" in found.reason


def test_a_rest_that_is_turned_both_ways_is_none(assessment: Assessment) -> None:
    a = assessment
    points = a.landmarks.points.copy()
    last = len(a.keyframes.frames) - 1
    unit = np.linalg.norm(points[0, 45] - points[0, 36])
    points[:30, 30, 0] -= unit
    points[-30:, 30, 0] += unit
    turned = Landmarks(points, a.landmarks.confidence)
    found = examined_again(a, turned, 0, last)
    assert found.measures == () and found.reason is not None and "turned" in found.reason


def test_frames_without_points_are_not_filled(assessment: Assessment) -> None:
    a = assessment
    points = a.landmarks.points.copy()
    points[20:60] = np.nan
    found = examined_again(a, Landmarks(points, a.landmarks.confidence), 0)
    assert found.movements and not any(np.isin(one.peak, range(20, 60)).any() for one in found.movements)
