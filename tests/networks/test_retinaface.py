"""RetinaFace: geometry of anchors, the loss, and checkpoints in the upstream format."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch

from palsy_cli.errors import ModelError
from palsy_cli.networks import retinaface
from palsy_cli.networks.retinaface import (
    EMPTY_AS_FACES,
    NEGATIVES_PER_POSITIVE,
    SIZES,
    RetinaFace,
    anchors,
    decode,
    encode,
    match,
    multibox_loss,
    nms,
)

POINTS = torch.tensor([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def tiny(seed: int = 0) -> RetinaFace:
    torch.manual_seed(seed)
    return RetinaFace(**SIZES["tiny"])


def points_of(boxes: torch.Tensor) -> torch.Tensor:
    """Five points inside each box (G, 4)."""
    return boxes[:, None, :2] + POINTS * (boxes[:, None, 2:] - boxes[:, None, :2])


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (70, 33)])
def test_outputs_and_anchors_agree_in_number(height: int, width: int) -> None:
    boxes, logits, points = tiny()(torch.zeros(2, 3, height, width))
    count = len(anchors(height, width))
    assert (boxes.shape, logits.shape, points.shape) == ((2, count, 4), (2, count, 2), (2, count, 10))


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (3, 64, 64)])
def test_wrong_input_raises(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        tiny()(torch.zeros(shape))


def test_pyramid_wants_a_multiple_of_four() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        RetinaFace(out_channels=6)


def test_gradient_reaches_every_parameter() -> None:
    network = tiny()
    sum(out.square().sum() for out in network(torch.randn(2, 3, 64, 64))).backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_pictures_of_a_batch_do_not_mix() -> None:
    network, images = tiny().eval(), torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        for whole, turned in zip(network(images), network(images.flip(0)), strict=True):
            torch.testing.assert_close(whole, turned.flip(0))


def test_preprocess_takes_the_mean_off_in_the_networks_channel_order() -> None:
    picture = torch.tensor([200, 100, 50], dtype=torch.uint8).expand(1, 4, 5, 3)
    bgr = RetinaFace(**SIZES["tiny"], mean=(1, 2, 3)).preprocess(picture)
    rgb = RetinaFace(**SIZES["tiny"], mean=(1, 2, 3), bgr=False).preprocess(picture)
    assert bgr.shape == (1, 3, 4, 5)
    assert bgr[0, :, 0, 0].tolist() == [49, 98, 197]
    assert rgb[0, :, 0, 0].tolist() == [199, 98, 47]


def test_anchors_are_mirror_symmetric() -> None:
    width = 96
    cells = anchors(64, width)
    mirrored = cells.clone()
    mirrored[:, 0] = width - 1 - mirrored[:, 0]
    assert sorted(cells.tolist()) == sorted(mirrored.tolist())


def test_each_anchor_sits_where_its_map_cell_is() -> None:
    rows, columns = 3, 4
    maps = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"))
    flat = retinaface._per_anchor(maps.float().repeat(2, 1, 1)[None], 2)[0]  # two anchors, (row, column) each
    fine = anchors(rows * 8, columns * 8)[: len(flat)]
    torch.testing.assert_close(fine[:, [1, 0]], flat * 8 + 3.5)
    assert fine[:, 2].tolist() == [16.0, 32.0] * (rows * columns)


def test_decode_inverts_encode() -> None:
    torch.manual_seed(1)
    cells = anchors(64, 96)
    low = torch.rand(len(cells), 2) * 50
    boxes = torch.cat([low, low + 5 + torch.rand(len(cells), 2) * 60], dim=1)
    points = torch.rand(len(cells), 5, 2) * 90
    decoded_boxes, decoded_points = decode(*encode(boxes, points, cells), cells)
    torch.testing.assert_close(decoded_boxes, boxes, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(decoded_points, points, atol=1e-3, rtol=1e-4)


def test_decode_of_zeros_is_the_anchor_itself_also_in_batches() -> None:
    cells = anchors(32, 32)
    boxes, points = decode(torch.zeros(2, len(cells), 4), torch.zeros(2, len(cells), 10), cells)
    torch.testing.assert_close(
        boxes[1], torch.cat([cells[:, :2] - cells[:, 2:] / 2, cells[:, :2] + cells[:, 2:] / 2], 1)
    )
    torch.testing.assert_close(points[0], cells[:, None, :2].expand(-1, 5, 2))


def test_nms_keeps_the_best_of_overlapping_boxes() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    assert nms(boxes, torch.tensor([0.6, 0.9, 0.7]), max_iou=0.4).tolist() == [1, 2]


def test_match_finds_faces_background_and_the_band_between() -> None:
    cells = torch.tensor([[50.0, 50, 20, 20], [52, 50, 20, 20], [60, 50, 20, 20], [90, 90, 20, 20]])
    assigned = match(cells, torch.tensor([[40.0, 40, 60, 60]]), positive=0.5, negative=0.3)
    assert assigned.tolist() == [0, 0, retinaface.IGNORED, retinaface.BACKGROUND]


def test_match_gives_a_poorly_covered_face_its_best_anchor_and_no_face_none() -> None:
    cells = anchors(64, 64)
    assigned = match(cells, torch.tensor([[10.0, 10, 18, 18]]))  # 8 px: below the smallest anchor
    assert (assigned == 0).sum() == 1
    assert (match(cells, torch.zeros(0, 4)) == retinaface.BACKGROUND).all()


def perfect_outputs(cells: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    assigned = match(cells, boxes)
    own = assigned >= 0
    box_offsets, point_offsets = torch.zeros(1, len(cells), 4), torch.zeros(1, len(cells), 10)
    found = boxes[assigned[own]]
    box_offsets[0, own], point_offsets[0, own] = encode(found, points_of(found), cells[own])
    sure = torch.where(own, 20.0, -20.0)
    return box_offsets, torch.stack([-sure, sure], dim=-1)[None], point_offsets


def test_loss_of_perfect_outputs_is_zero_and_of_moved_ones_is_not() -> None:
    cells, boxes = anchors(64, 64), torch.tensor([[8.0, 8, 40, 40], [30, 30, 62, 62]])
    outputs = perfect_outputs(cells, boxes)
    assert multibox_loss(outputs, cells, [boxes], [points_of(boxes)])["loss"] < 1e-4
    assert multibox_loss(outputs, cells, [boxes + 3], [points_of(boxes)])["boxes"] > 0.1
    assert multibox_loss(outputs, cells, [boxes], [points_of(boxes) + 3])["points"] > 0.1


def test_loss_weighs_boxes_twice() -> None:
    cells, boxes = anchors(64, 64), torch.tensor([[8.0, 8, 40, 40]])
    parts = multibox_loss(tiny()(torch.randn(1, 3, 64, 64)), cells, [boxes], [points_of(boxes)])
    torch.testing.assert_close(parts["loss"], 2 * parts["boxes"] + parts["classes"] + parts["points"])


def test_seven_backgrounds_count_per_face_anchor() -> None:
    cells, boxes = anchors(96, 96), torch.tensor([[8.0, 8, 40, 40]])
    outputs = tuple(torch.zeros(1, len(cells), n) for n in (4, 2, 10))
    classes = multibox_loss(outputs, cells, [boxes], [points_of(boxes)])["classes"]  # every anchor costs log 2
    assert classes.item() == pytest.approx(8 * math.log(2), rel=1e-5)


def test_a_picture_without_a_face_teaches_as_much_as_another() -> None:
    cells = anchors(160, 160)
    outputs = tuple(torch.zeros(1, len(cells), n) for n in (4, 2, 10))
    classes = multibox_loss(outputs, cells, [torch.zeros(0, 4)], [torch.zeros(0, 5, 2)])["classes"]
    assert classes.item() == pytest.approx(NEGATIVES_PER_POSITIVE * EMPTY_AS_FACES * math.log(2), rel=1e-5)


def test_the_hardest_backgrounds_are_the_ones_that_count() -> None:
    cells, quota = anchors(160, 160), NEGATIVES_PER_POSITIVE * EMPTY_AS_FACES
    logits = torch.zeros(1, len(cells), 2, requires_grad=True)
    with torch.no_grad():
        logits[0, : quota + 2, 1] = torch.linspace(0, 9, quota + 2)  # growing belief in a face that is not there
    outputs = (torch.zeros(1, len(cells), 4), logits, torch.zeros(1, len(cells), 10))
    multibox_loss(outputs, cells, [torch.zeros(0, 4)], [torch.zeros(0, 5, 2)])["loss"].backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().sum(dim=1).nonzero().flatten().tolist() == list(range(2, quota + 2))


def test_unknown_points_leave_the_other_losses() -> None:
    cells, boxes = anchors(64, 64), torch.tensor([[8.0, 8, 40, 40]])
    unknown = torch.full((1, 5, 2), float("nan"))
    network = tiny()
    parts = multibox_loss(network(torch.randn(1, 3, 64, 64)), cells, [boxes], [unknown])
    assert parts["points"] == 0
    parts["loss"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_learns_one_picture() -> None:
    network = tiny()
    image, cells = torch.full((1, 64, 64, 3), 30, dtype=torch.uint8), anchors(64, 64)
    image[:, 12:44, 20:52] = 200
    boxes = torch.tensor([[20.0, 12, 51, 43]])
    x, optimiser = network.preprocess(image).repeat(2, 1, 1, 1), torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(60):
        parts = multibox_loss(network(x), cells, [boxes] * 2, [points_of(boxes)] * 2)
        optimiser.zero_grad()
        parts["loss"].backward()
        optimiser.step()
    with torch.no_grad():
        boxes_raw, logits, points_raw = network(x)
    best = logits[0].softmax(-1)[:, 1].argmax()
    found, points = decode(boxes_raw[0], points_raw[0], cells)
    torch.testing.assert_close(found[best], boxes[0], atol=5.0, rtol=0)
    torch.testing.assert_close(points[best], points_of(boxes)[0], atol=5.0, rtol=0)


def upstream_state(network: RetinaFace) -> dict[str, torch.Tensor]:
    own = network.state_dict()
    return {theirs: own[name] for theirs, name in retinaface._upstream_names()}


def test_upstream_names_cover_every_tensor_once() -> None:
    names = list(retinaface._upstream_names())
    assert len(names) == len({theirs for theirs, _ in names}) == 300
    assert {own for _, own in names} == set(RetinaFace().state_dict())
    known = dict(names)
    assert known["body.stage1.0.0.weight"] == "backbone.early.0.conv.weight"
    assert known["body.stage2.5.4.running_var"] == "backbone.middle.5.point.norm.running_var"
    assert known["fpn.merge2.1.bias"] == "pyramid.smooth.1.norm.bias"
    assert known["ssh3.conv7x7_3.0.weight"] == "context.2.widest.conv.weight"
    assert known["BboxHead.0.conv1x1.weight"] == "box_heads.0.weight"


@pytest.mark.parametrize("prefix", ["", "module."])
def test_load_upstream_takes_every_tensor_over(prefix: str) -> None:
    torch.manual_seed(3)
    network = RetinaFace()
    state = {prefix + key: value for key, value in upstream_state(network).items()}
    loaded = retinaface.load_upstream(state)
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_load_upstream_is_strict() -> None:
    state = upstream_state(RetinaFace())
    with pytest.raises(ModelError, match="extra does not fit"):
        retinaface.load_upstream({**state, "extra": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"fpn.merge1.0.weight does not fit"):
        retinaface.load_upstream({key: value for key, value in state.items() if key != "fpn.merge1.0.weight"})
    with pytest.raises(ModelError, match="a shape differs"):
        retinaface.load_upstream({**state, "ClassHead.0.conv1x1.bias": torch.zeros(6)})


@pytest.mark.skipif("PALSY_DATA" not in os.environ, reason="PALSY_DATA does not name the folder of test data")
def test_upstream_checkpoint_finds_one_face_on_frontal_photos() -> None:
    import csv

    import cv2
    import numpy as np

    from palsy_cli.config import FaceSettings
    from palsy_cli.stages.detection import OwnDetector

    data = Path(os.environ["PALSY_DATA"])
    file = data / "detectors" / "retinaface_mobilenet0.25_upstream.pth"
    network = retinaface.load_upstream(torch.load(file, map_location="cpu", weights_only=True))
    with (data / "photos" / "index.csv").open(newline="") as file:
        frontal = [row["file"] for row in csv.DictReader(file) if row["frontal"] == "1"]
    teacher = np.load(data / "photos" / "landmarks.npz")
    rows = {str(name): i for i, name in enumerate(teacher["files"])}
    detector = OwnDetector(network, FaceSettings())
    for name in frontal[::100]:
        image = cv2.imread(str(data / "photos" / name))[..., ::-1]
        (found,) = detector.detect([np.ascontiguousarray(image)])
        assert len(found) == 1, name
        mesh = teacher["landmarks478"][rows[name], :, :2]
        eyes = np.array([mesh[[33, 133]].mean(axis=0), mesh[[263, 362]].mean(axis=0)])  # patient's right, left
        error = np.linalg.norm(found.points[0, :2] - eyes, axis=1).max()
        assert error < 0.15 * np.linalg.norm(eyes[1] - eyes[0]), name
