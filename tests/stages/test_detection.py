"""Detection: exact left-right symmetry, pictures of any size, and the optional package."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from palsy_cli.config import FaceSettings
from palsy_cli.errors import ModelError
from palsy_cli.networks.retinaface import SIZES, RetinaFace
from palsy_cli.records import ByteImage
from palsy_cli.stages.detection import Detections, OwnDetector, RetinaFacePackage, box_iou, merge_views

SETTINGS = FaceSettings(detect_side_px=96, min_confidence=0.3)


def random_detector(settings: FaceSettings = SETTINGS) -> OwnDetector:
    """Random weights with lively heads, so that many anchors answer and left and right differ."""
    torch.manual_seed(5)
    network = RetinaFace(**SIZES["tiny"]).eval()
    for head in (*network.class_heads, *network.box_heads, *network.point_heads):
        torch.nn.init.normal_(head.weight, std=0.1)
    return OwnDetector(network, settings)


def picture(height: int, width: int, *, seed: int = 0) -> ByteImage:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def faces(*boxes: list[float], scores: list[float]) -> Detections:
    corners = np.array(boxes, float).reshape(-1, 4)
    points = np.repeat(corners[:, None, :2], 5, axis=1) + np.arange(10.0).reshape(5, 2)
    return Detections(corners, points, np.array(scores, float))


@pytest.mark.parametrize(("height", "width"), [(120, 90), (64, 101), (333, 200)])
def test_a_mirrored_picture_gives_the_mirrored_faces(height: int, width: int) -> None:
    detector, image = random_detector(), picture(height, width)
    (found,), (mirrored,) = detector.detect([image]), detector.detect([image[:, ::-1]])
    assert len(found) > 0
    back = mirrored.mirrored(width)
    for have, want in ((found.boxes, back.boxes), (found.points, back.points), (found.scores, back.scores)):
        np.testing.assert_allclose(have, want, atol=1e-3)


def test_one_view_alone_would_not_be_symmetric() -> None:
    detector, image = random_detector(), picture(96, 96)
    plain, mirror = detector._detect_views([image, np.ascontiguousarray(image[:, ::-1])])
    back = mirror.mirrored(96)
    assert len(plain) != len(back) or abs(plain.boxes - back.boxes).max() > 1.0


def test_a_picture_does_not_depend_on_its_batch() -> None:
    detector, images = random_detector(), [picture(64, 96), picture(96, 64, seed=1), picture(64, 96, seed=2)]
    together = detector.detect(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector.detect([image])
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=1e-3)
    assert detector.detect([]) == []


def test_faces_are_found_in_pixels_of_the_picture_whatever_its_size() -> None:
    small, large = picture(48, 48), np.repeat(np.repeat(picture(48, 48), 4, axis=0), 4, axis=1)
    detector = random_detector(FaceSettings(detect_side_px=48, min_confidence=0.3))
    (few,), (many,) = detector.detect([small]), detector.detect([large])
    np.testing.assert_allclose((few.boxes + 0.5) * 4 - 0.5, many.boxes, atol=1e-3)
    np.testing.assert_allclose((few.points + 0.5) * 4 - 0.5, many.points, atol=1e-3)


def test_settings_decide_what_is_kept() -> None:
    image = picture(96, 96)
    (loose,) = random_detector(FaceSettings(detect_side_px=96, min_confidence=0.1, nms_iou=0.9)).detect([image])
    (strict,) = random_detector(FaceSettings(detect_side_px=96, min_confidence=0.1, nms_iou=0.05)).detect([image])
    (none,) = random_detector(FaceSettings(detect_side_px=96, min_confidence=1.0)).detect([image])
    assert len(loose) > len(strict) > 0
    assert len(none) == 0
    overlap = box_iou(strict.boxes, strict.boxes) - np.eye(len(strict))
    assert overlap.max() <= 0.05
    assert (np.diff(strict.scores) <= 0).all()


@pytest.mark.parametrize("shape", [(20, 20), (20, 20, 4)])
def test_a_picture_of_another_shape_raises(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        random_detector().detect([np.zeros(shape, np.uint8)])


def test_detections_check_their_shapes() -> None:
    with pytest.raises(ValueError, match=r"Detections.points: expected shape \(1, 5, 2\)"):
        Detections(np.zeros((1, 4)), np.zeros((1, 4, 2)), np.zeros(1))


def test_mirroring_twice_changes_nothing_and_once_exchanges_sides() -> None:
    found = faces([1, 2, 11, 12], scores=[0.9])
    twice = found.mirrored(50).mirrored(50)
    np.testing.assert_array_equal(twice.points, found.points)
    np.testing.assert_array_equal(twice.boxes, found.boxes)
    once = found.mirrored(50)
    np.testing.assert_array_equal(once.boxes, [[38, 2, 48, 12]])
    np.testing.assert_array_equal(once.points[0, 0], [49 - found.points[0, 1, 0], found.points[0, 1, 1]])
    np.testing.assert_array_equal(once.points[0, 4], [49 - found.points[0, 3, 0], found.points[0, 3, 1]])


def test_merging_averages_pairs_and_halves_the_score_of_the_rest() -> None:
    first = faces([0, 0, 10, 10], [50, 50, 60, 60], scores=[0.9, 0.8])
    second = faces([2, 0, 12, 10], scores=[0.5])
    merged = merge_views(first, second, min_confidence=0.3)
    np.testing.assert_allclose(merged.scores, [0.7, 0.4])
    np.testing.assert_allclose(merge_views(first, second, min_confidence=0.6).scores, [0.7])
    np.testing.assert_allclose(merged.boxes, [[1, 0, 11, 10], [50, 50, 60, 60]])
    other_way = merge_views(second, first, min_confidence=0.3)
    np.testing.assert_array_equal(other_way.boxes, merged.boxes)
    np.testing.assert_array_equal(other_way.points, merged.points)


def test_merging_drops_what_neither_view_is_sure_of() -> None:
    weak = faces([0, 0, 10, 10], scores=[0.5])
    assert len(merge_views(weak, weak, min_confidence=0.6)) == 0
    nothing = faces(scores=[])
    assert len(merge_views(nothing, nothing, min_confidence=0.6)) == 0


def test_merging_pairs_each_face_with_the_one_it_overlaps_most() -> None:
    first = faces([0, 0, 10, 10], [3, 0, 13, 10], scores=[0.9, 0.9])
    second = faces([3, 0, 13, 10], [0, 0, 10, 10], scores=[0.7, 0.7])
    merged = merge_views(first, second, min_confidence=0.6)
    assert sorted(merged.boxes.tolist()) == [[0, 0, 10, 10], [3, 0, 13, 10]]


class FakePackage(types.ModuleType):
    """Stands for ``retinaface.RetinaFace``: a face where the picture is bright, one pixel too far right."""

    def __init__(self, *, swapped: bool = False) -> None:
        super().__init__("retinaface.RetinaFace")
        self.swapped, self.seen = swapped, []

    def build_model(self) -> str:
        return "model"

    def detect_faces(self, image: ByteImage, **options: Any) -> dict[str, Any]:
        self.seen.append((image, options))
        rows, columns = np.nonzero(image.max(axis=2) > 128)
        if len(rows) == 0:
            return {}
        x1, x2, y1, y2 = columns.min() + 1, columns.max() + 1, rows.min(), rows.max()
        right, left = ("left", "right") if self.swapped else ("right", "left")
        landmarks = {
            f"{right}_eye": [x1, y1], f"{left}_eye": [x2, y1], "nose": [(x1 + x2) / 2, (y1 + y2) / 2],
            f"mouth_{right}": [x1, y2], f"mouth_{left}": [x2, y2],
        }  # fmt: skip
        return {"face_1": {"score": 0.99, "facial_area": [x1, y1, x2, y2], "landmarks": landmarks}}


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def put(package: FakePackage | None, *, weights: bool = True) -> None:
        monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path))
        if weights:
            file = tmp_path / ".deepface" / "weights" / "retinaface.h5"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
        parent = None if package is None else types.ModuleType("retinaface")
        monkeypatch.setitem(sys.modules, "retinaface", parent)
        monkeypatch.setitem(sys.modules, "retinaface.RetinaFace", package)

    return put


def bright_square() -> ByteImage:
    image = np.zeros((100, 80, 3), np.uint8)
    image[30:50, 20:41, 0] = 255  # red
    return image


@pytest.mark.parametrize("swapped", [False, True])
def test_package_points_come_in_patient_order_and_symmetric(install: Any, swapped: bool) -> None:
    package = FakePackage(swapped=swapped)
    install(package)
    detector = RetinaFacePackage(FaceSettings(detect_side_px=100, min_confidence=0.6))
    found, nothing = detector.detect([bright_square(), np.zeros((100, 80, 3), np.uint8)])
    assert len(nothing) == 0
    # Its bias of one pixel to the right cancels with that of the mirror image.
    np.testing.assert_allclose(found.boxes, [[20, 30, 40, 49]], atol=1e-9)
    np.testing.assert_allclose(found.points[0], [[20, 30], [40, 30], [30, 39.5], [20, 49], [40, 49]], atol=1e-9)
    image, options = package.seen[0]
    assert image[40, 30].tolist() == [0, 0, 255]  # BGR
    assert options == {"threshold": 0.3, "model": "model", "allow_upscaling": False}


def test_package_absent(install: Any) -> None:
    install(None)
    with pytest.raises(ModelError, match=r"pip install 'palsy-cli\[retina-face\]'") as caught:
        RetinaFacePackage(FaceSettings())
    assert "\n" not in str(caught.value)


def test_package_may_not_download_its_weights(install: Any, tmp_path: Path) -> None:
    package = FakePackage()
    package.build_model = lambda: pytest.fail("would download")  # type: ignore[method-assign]
    install(package, weights=False)
    with pytest.raises(ModelError, match="retinaface.h5") as caught:
        RetinaFacePackage(FaceSettings())
    assert str(tmp_path) in str(caught.value)
