"""A photo that moves: identity at rest, one side at a time, no folds, lids that meet, lips that part."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.records import ByteImage, FloatArray, Side
from palsy_cli.simulate.muscles import mirror_points, move_points
from palsy_cli.simulate.palsy import Lesion, effective_drive, house_brackmann_preset, rest_displacement
from palsy_cli.simulate.person import Person, View, draw_person
from palsy_cli.simulate.photo_renderer import UNIT_PX, PhotoRenderer
from palsy_cli.simulate.script import TASKS
from palsy_cli.simulate.skin import SkinMesh, face_frame
from palsy_cli.simulate.template import neutral_points
from palsy_cli.simulate.warp import fill_ring, warp_mesh
from palsy_cli.stages.alignment import transform_points

HEALTHY, STILL = Lesion(), View()


@pytest.fixture(scope="module")
def photo() -> tuple[ByteImage, FloatArray]:
    """A drawn person's picture and its points."""
    return draw_person(Person(), {}, size=(480, 600), view=View(roll=6.0, shift_x=0.05, zoom=0.16))


@pytest.fixture(scope="module")
def renderer(photo: tuple[ByteImage, FloatArray]) -> PhotoRenderer:
    return PhotoRenderer.of(*photo, seed=1)


def both(aus: dict[int, float], *sides: Side) -> dict[tuple[int, Side], float]:
    return {(au, side): drive for au, drive in aus.items() for side in sides or ("left", "right")}


def test_face_frame_is_level_and_of_pupil_distance_one() -> None:
    face = neutral_points()
    matrix = np.array([[40.0, -30.0, 200.0], [30.0, 40.0, 150.0]])
    found = face_frame(transform_points(face, matrix))
    unit = face[42:48].mean(0) - face[36:42].mean(0)
    assert np.allclose(found[:, :2], matrix[:, :2] * np.hypot(*unit))
    assert np.allclose(transform_points(np.array([[-0.5, 0.0], [0.5, 0.0]]), found).mean(0), found[:, 2])


def test_working_picture_is_an_even_square_with_pupils_90_px_apart(renderer: PhotoRenderer) -> None:
    height, width = renderer.image.shape[:2]
    assert height == width and height % 2 == 0 and abs(height - 5.7 * UNIT_PX) <= 2
    assert np.hypot(*renderer.frame[:, 0]) == pytest.approx(UNIT_PX, rel=0.01)


@pytest.mark.parametrize("factor", [1, 4])
def test_points_stay_on_their_pixels_whatever_the_size_of_the_photo(
    photo: tuple[ByteImage, FloatArray], factor: int
) -> None:
    image, points = photo
    large = np.kron(image, np.ones((factor, factor, 1), np.uint8))
    made = PhotoRenderer.of(large, (points + 0.5) * factor - 0.5)
    pupils = made.render({}, lesion=HEALTHY, view=STILL)[1][[36, 45]].mean(0)
    reference = PhotoRenderer.of(image, points)
    assert np.allclose(pupils, reference.render({}, lesion=HEALTHY, view=STILL)[1][[36, 45]].mean(0), atol=0.5)
    assert np.abs(made.image.astype(int) - reference.image).mean() < 6


def test_rest_is_the_photo_itself(renderer: PhotoRenderer, photo: tuple[ByteImage, FloatArray]) -> None:
    image, points = renderer.render({}, lesion=HEALTHY, view=STILL)
    assert np.array_equal(image, renderer.image)
    # The same place in the photo and in the working picture: similar triangles.
    assert np.allclose(points, transform_points(renderer.mesh.neutral, renderer.frame))
    assert np.ptp(points[:, 0]) / np.ptp(photo[1][:, 0]) == pytest.approx(
        np.ptp(points[:, 1]) / np.ptp(photo[1][:, 1]), rel=0.02
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_sided_brows_leave_the_other_half_alone(renderer: PhotoRenderer, side: Side) -> None:
    image, points = renderer.render(both({1: 1.0, 2: 1.0}, side), lesion=HEALTHY, view=STILL)
    across = renderer.frame[:, 0] / np.hypot(*renderer.frame[:, 0])
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    place = (np.stack([columns, rows], 2) - renderer.frame[:, 2]) @ across
    changed = np.abs(image.astype(int) - renderer.image).sum(2) > 30
    left = side == "left"
    assert changed[place > 15 if left else place < -15].sum() > 200
    assert not changed[place < -45 if left else place > 45].any()
    still = transform_points(renderer.mesh.neutral, renderer.frame)
    moved = np.hypot(*(points - still).T)
    own, other = (range(22, 27), range(17, 22)) if left else (range(17, 22), range(22, 27))
    assert moved[list(own)].min() > 5 and moved[list(other)].max() < 1e-6


def test_closed_lids_meet_and_cover_the_eye(renderer: PhotoRenderer) -> None:
    image, points = renderer.render(both({43: 1.0}, "left"), lesion=HEALTHY, view=STILL)
    assert np.abs(points[[43, 44]] - points[[47, 46]])[:, 1].max() < 3 and np.ptp(points[[37, 41], 1]) > 8
    x, y = np.round(renderer.render({}, lesion=HEALTHY, view=STILL)[1][42:48].mean(0)).astype(int)
    eye, lid = renderer.image[y - 3 : y + 4, x - 6 : x + 7], image[y - 3 : y + 4, x - 6 : x + 7]
    x, y = np.round(points[[46, 47]].mean(0) + [0, 22]).astype(int)
    skin = renderer.image[y - 3 : y + 4, x - 6 : x + 7]
    distance = [np.abs(patch.mean((0, 1)) - skin.mean((0, 1))).sum() for patch in (eye, lid)]
    assert distance[1] < 0.5 * distance[0]


def test_half_closed_lids_cover_the_iris_instead_of_squeezing_it(renderer: PhotoRenderer) -> None:
    image, points = renderer.render(both({43: 0.5}, "left"), lesion=HEALTHY, view=STILL)
    x, y = np.round(points[[43, 44, 46, 47]].mean(0)).astype(int)
    assert np.abs(image[y, x - 8 : x + 9].astype(int) - renderer.image[y, x - 8 : x + 9]).max() <= 3


def test_parted_lips_show_the_inside_of_the_mouth(renderer: PhotoRenderer) -> None:
    image, points = renderer.render(both({26: 1.0, 25: 1.0}), lesion=HEALTHY, view=STILL)
    x, y = np.round(points[[62, 66]].mean(0) + [0, 4]).astype(int)
    assert np.allclose(image[y, x], renderer.look.cavity, atol=12)
    closed, _ = renderer.render(both({12: 1.0}), lesion=HEALTHY, view=STILL)
    ring = renderer.mesh.neutral[60:68]
    assert np.ptp(ring[1:4, 1]) < 0.1 and not (np.abs(closed.astype(int) - renderer.look.cavity).sum(2) < 6).any()


@pytest.mark.parametrize("grade", [1, 4, 6])
@pytest.mark.parametrize("task", ["tight_eye_closure", "open_smile", "snarl", "lip_pucker", "cheek_puff"])
def test_skin_never_folds(renderer: PhotoRenderer, task: str, grade: int) -> None:
    mesh, lesion = renderer.mesh, house_brackmann_preset(grade, "left")
    motion = move_points(mesh.neutral, effective_drive(TASKS[task].commands(), lesion), rest=rest_displacement(lesion))
    areas = []
    for vertices in (mesh.place(mesh.neutral), mesh.place(motion.points, motion.cheeks)):
        a, b, c = (vertices[mesh.triangles[:, k]] for k in range(3))
        areas.append((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    ratio = areas[1] / areas[0]
    # Openings may close entirely; next to nothing of the skin may turn over.
    assert np.abs(areas[0])[ratio < -1e-3].sum() < 0.01 * np.abs(areas[0])[np.abs(ratio - 1) > 1e-3].sum()


def test_mesh_is_as_symmetric_as_its_face() -> None:
    face = neutral_points()
    mesh = SkinMesh.of(face)
    left = mesh.place(move_points(face, both({12: 1.0, 1: 1.0}, "left")).points)
    right = mesh.place(move_points(face, both({12: 1.0, 1: 1.0}, "right")).points)
    assert np.allclose(mirror_points(left[:68]), right[:68])
    assert np.abs(left - mesh.vertices).sum() == pytest.approx(np.abs(right - mesh.vertices).sum(), rel=0.02)


def test_pose_moves_the_picture_as_a_whole(renderer: PhotoRenderer) -> None:
    still = renderer.render({}, lesion=HEALTHY, view=STILL)[1]
    image, turned = renderer.render({}, lesion=HEALTHY, view=View(yaw=3.0, roll=5.0))
    assert image.shape == renderer.image.shape
    # The roll is about the pupils, so what is left is the turn's shift to image-right.
    shift = turned[36:48].mean(0) - still[36:48].mean(0)
    assert shift[0] > 3 and abs(shift[1]) < 0.5
    across = [p[45] - p[36] for p in (still, turned)]
    angle = [np.degrees(np.arctan2(v[1], v[0])) for v in across]
    assert angle[1] - angle[0] == pytest.approx(5.0) and np.hypot(*across[1]) == pytest.approx(np.hypot(*across[0]))


def test_unusable_points_are_refused(photo: tuple[ByteImage, FloatArray]) -> None:
    for points in (np.full((68, 2), np.nan), np.zeros((68, 2)), np.zeros((5, 2))):
        with pytest.raises(ValueError):
            PhotoRenderer.of(photo[0], points)


def test_warp_mesh_moves_pixels_with_the_vertices() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 20:24] = 200
    source = np.array([[0, 0], [59, 0], [0, 39], [59, 39], [22.0, 20.0]])
    triangles = np.array([[0, 1, 4], [1, 3, 4], [3, 2, 4], [2, 0, 4]])
    target = source.copy()
    target[4] += [12, 0]
    assert np.array_equal(warp_mesh(image, source, source, triangles), image)
    moved = warp_mesh(image, source, target, triangles)
    assert moved[20, 33:35].min() > 150 and moved[20, 10:24].max() < 50 and np.array_equal(moved[0], image[0])


def test_fill_ring_stays_inside_and_blends() -> None:
    image, other = np.zeros((30, 30, 3), np.uint8), np.full((30, 30, 3), 200, np.uint8)
    ring = np.array([[10, 10], [20, 10], [20, 20], [10, 20.0]])
    fill_ring(image, other, ring, within=ring + [0, 5], strength=0.5)
    assert image[18, 15, 0] == 100 and image[11, 15, 0] < 5 and image[:, :6].max() == 0
    fill_ring(image, other, ring + 100)
    assert image[:, :6].max() == 0
