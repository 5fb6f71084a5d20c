"""The rig from ICT-FaceKit: what moves a vertex moves the point on it; sides stay sides; damage is named."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import neutral_points
from scipy.spatial import Delaunay
from typer.testing import CliRunner, Result

from palsy_cli.cli import app
from palsy_cli.errors import DatasetError
from palsy_cli.points import MIRROR_68
from palsy_cli.records import FloatArray
from palsy_cli.simulate.ict_facekit import MP68, RIMS, read_facekit, typical_face, write_rig
from palsy_cli.simulate.rig import BLENDSHAPES, load_rig

#: Of the meshes; 1 in the rig.
UNIT = 9.0
LISTED = ["browDown_L", "browDown_R", "jawOpen", "eyeLookUp_L", "eyeLookUp_R"]
RIM = sorted({number for rim in RIMS for number in rim} - set(MP68))
FREE = sorted({*range(468)} - {*RIM, *MP68})
LIPS = {*RIMS[4], *RIMS[5]}
DATA = os.environ.get("PALSY_DATA")


def twins() -> np.ndarray:
    """Each point's number in the mirrored face."""
    twin = np.arange(468)
    for k, number in enumerate(MP68):
        twin[number] = MP68[MIRROR_68[k]]
    for one, other in ((RIMS[0], RIMS[2]), (RIMS[1], RIMS[3]), *((lip, lip[::-1]) for lip in RIMS[4:])):
        twin[list(one)], twin[list(other)] = other, one
    twin[FREE] = [*FREE[len(FREE) // 2 :], *FREE[: len(FREE) // 2]]
    return twin


TWIN = twins()


def face() -> FloatArray:
    """(468, 3) of a flat, symmetric face, outer-canthal distances from the nasion, y up; each point is a vertex."""
    known = neutral_points() * [1, -1]
    points = np.zeros((468, 2))
    points[list(MP68)] = (known - known[27]) / (known[45, 0] - known[36, 0])
    for rim in RIMS:
        stops = [k for k, number in enumerate(rim) if number in MP68]
        for axis in range(2):
            points[list(rim), axis] = np.interp(range(len(rim)), stops, points[[rim[k] for k in stops], axis])
    taken = points[[*MP68, *RIM]]
    half = np.random.default_rng(3).uniform([0.02, -1.3], [0.8, 0.6], (2000, 2))
    half = half[np.linalg.norm(half[:, None] - taken, axis=-1).min(1) > 0.05][: len(FREE) // 2]
    points[FREE] = np.concatenate([half * [-1, 1], half])
    return np.column_stack([points, 0.1 * points[:, 1]])


def moves() -> dict[str, FloatArray]:
    """A displacement (468, 3) of every expression; what ends in R mirrors what ends in L."""
    rng = np.random.default_rng(4)
    needed = {name.format(side=side) for shapes in BLENDSHAPES.values() for name in shapes for side in "LR"}
    fields: dict[str, FloatArray] = {}
    for name in sorted({*LISTED, *needed}):
        fields[name] = rng.normal(0, 0.05, (468, 3))
        if name.endswith("_R"):
            fields[name] = fields[f"{name[:-1]}L"][TWIN] * [-1, 1, 1]
    return fields


def write_obj(path: Path, vertices: FloatArray, faces: np.ndarray) -> None:
    lines = ["mtllib some.mtl", *(f"v {x:.9f} {y:.9f} {z:.9f}" for x, y, z in vertices), "vt 0.5 0.5"]
    path.write_text("\n".join([*lines, *("f " + " ".join(f"{k + 1}/1" for k in face) for face in faces)]) + "\n")


def write_facekit(folder: Path, points: FloatArray, fields: dict[str, FloatArray], index68: list[int]) -> Path:
    """A folder FaceXModel whose vertices are the 468 points, somewhere else and larger."""
    folder.mkdir(parents=True)
    faces = np.array([face for face in Delaunay(points[:, :2]).simplices if not {*face} <= LIPS])
    write_obj(folder / "generic_neutral_mesh.obj", points * UNIT + [0, 3, 9], faces)
    for name, field in fields.items():
        write_obj(folder / f"{name}.obj", (points + field) * UNIT + [0, 3, 9], faces)
    (folder / "vertex_indices.json").write_text(json.dumps({"expressions": LISTED, "idx_to_landmark_verts": index68}))
    return folder


def write_photos(root: Path, points: FloatArray) -> Path:
    """Three frontal photos of one face, turned and scaled, and one that is not frontal and of nobody."""
    (root / "photos").mkdir(parents=True)
    shown = np.random.default_rng(5).uniform(0, 200, (4, 478, 3))
    for photo, (turn, size) in enumerate(((0.2, 70.0), (-0.1, 90.0), (0.0, 110.0))):
        turned = points[:, :2] * [1, -1] @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        shown[photo, :468, :2] = turned * size + [100, 120]
    names = [f"{k}.jpg" for k in range(4)]
    np.savez(root / "photos/landmarks.npz", files=names, landmarks478=shown)
    with (root / "photos/index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["file", "frontal"], *([name, int(name != "3.jpg")] for name in names)])
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``checkout/FaceXModel`` and ``data/photos``."""
    root = tmp_path_factory.mktemp("facekit")
    write_facekit(root / "checkout/FaceXModel", face(), moves(), list(MP68))
    write_photos(root / "data", face())
    return root


def measure(made: Path, out: Path, checkout: str = "checkout") -> dict[str, Any]:
    with np.load(write_rig(made / checkout, made / "data", out)) as archive:
        return {name: archive[name] for name in archive.files}


def test_a_point_on_a_vertex_moves_with_it_in_outer_canthal_distances(made: Path, tmp_path: Path) -> None:
    rig, fields = measure(made, tmp_path), moves()
    assert list(rig["names"][: len(LISTED)]) == LISTED and set(rig["names"]) == set(fields)
    for name, d468, d68 in zip(rig["names"], rig["d468"], rig["d68"], strict=True):
        np.testing.assert_allclose(d468, fields[name], atol=1e-4)
        np.testing.assert_allclose(d68, fields[name][list(MP68)], atol=1e-6)
    np.testing.assert_allclose(rig["c468"], face(), atol=1e-4)
    np.testing.assert_array_equal(rig["mp68"], MP68)
    np.testing.assert_allclose(rig["n68"], face()[list(MP68)], atol=1e-6)


def test_mirrored_mesh_gives_the_mirrored_rig(made: Path, tmp_path: Path) -> None:
    straight = measure(made, tmp_path / "straight")
    mirror = [MP68[k] for k in MIRROR_68]
    write_facekit(tmp_path / "mirrored", face() * [-1, 1, 1], {n: f * [-1, 1, 1] for n, f in moves().items()}, mirror)
    rig = measure(made, tmp_path, str(tmp_path / "mirrored"))
    np.testing.assert_allclose(rig["d68"], straight["d68"][:, MIRROR_68] * [-1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(rig["d468"], straight["d468"][:, TWIN] * [-1, 1, 1], atol=1e-4)
    # The made-up expressions mirror each other, so the patient's left in one is the right in the other.
    of = dict(zip(straight["names"], straight["d468"], strict=True))
    np.testing.assert_allclose(of["browDown_R"][TWIN] * [-1, 1, 1], of["browDown_L"], atol=1e-4)


def test_upper_and_lower_lip_are_told_apart_where_they_meet(tmp_path: Path) -> None:
    points = face()
    upper, lower = list(RIMS[4][1:-1]), list(RIMS[5][1:-1])
    points[lower] = points[upper] - [0, 1e-4, 0]
    fields = {name: np.zeros((468, 3)) for name in moves()}
    fields["jawOpen"][lower, 1] = -0.3
    write_photos(tmp_path / "data", points)
    write_facekit(tmp_path / "checkout", points, fields, list(MP68))
    rig = measure(tmp_path, tmp_path)
    jaw = rig["d468"][list(rig["names"]).index("jawOpen"), :, 1]
    np.testing.assert_allclose(jaw[upper], 0.0, atol=1e-3)
    np.testing.assert_allclose(jaw[lower], -0.3, atol=1e-3)


def test_training_reads_what_was_written(made: Path, tmp_path: Path) -> None:
    rig = load_rig(write_rig(made / "checkout", made / "data", tmp_path))
    assert len(rig.basis) == 2 * len(BLENDSHAPES) and rig.neutral.shape == (468, 3)
    np.testing.assert_allclose(rig.basis[4, "left"], moves()["browDown_L"] * [1, -1, 1], atol=1e-4)


def test_typical_face_knows_no_size_no_roll_and_no_turned_head(made: Path) -> None:
    middle = (face()[MP68[36]] + face()[MP68[45]])[:2] / 2
    np.testing.assert_allclose(typical_face(made / "data"), face()[:, :2] - middle, atol=1e-9)


def test_what_follows_the_skin_is_left_out(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A vertex in front of the face that is none of its skin, as an eyelash, is not picked."""
    checkout = Path(shutil.copytree(made / "checkout", tmp_path / "checkout")) / "FaceXModel"
    for path in checkout.glob("*.obj"):
        text = path.read_text()
        path.write_text(text.replace("vt 0.5", "v 0 0 99\nvt 0.5") + "f 469/1 1/1 2/1\nf 469/1 200/1 300/1\n")
    monkeypatch.setattr("palsy_cli.simulate.ict_facekit.FACE_VERTICES", 468)
    mesh = read_facekit(checkout)
    assert mesh.neutral.shape == (468, 3) and mesh.triangles.max() < 468
    np.testing.assert_array_equal(mesh.moves, read_facekit(made / "checkout").moves)


def damage_line(path: Path, start: str, new: str) -> None:
    lines = path.read_text().splitlines()
    lines[next(k for k, line in enumerate(lines) if line.startswith(start))] = new
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("file", "start", "new", "word"),
    [
        ("generic_neutral_mesh.obj", "v ", "v 1 two 3", "malformed"),
        ("jawOpen.obj", "v ", "v 1 2", "malformed"),
        ("jawOpen.obj", "v ", "v 1 2 nan", "finite"),
        ("jawOpen.obj", "v ", "# gone", "467 vertices"),
        ("generic_neutral_mesh.obj", "f ", "f 1/1 x/1 2/1", "no face"),
        ("generic_neutral_mesh.obj", "f ", "f 1 2 9999", "no face"),
        ("vertex_indices.json", "{", "{", "readable"),
        ("vertex_indices.json", "{", '{"expressions": []}', "readable"),
        ("vertex_indices.json", "{", '{"expressions": [], "idx_to_landmark_verts": [1, 2]}', "68"),
        ("vertex_indices.json", "{", f'{{"expressions": ["gone"], "idx_to_landmark_verts": {list(MP68)}}}', "gone.obj"),
        ("vertex_indices.json", "{", f'{{"expressions": [], "idx_to_landmark_verts": {[7] * 68}}}', "eyes"),
        ("vertex_indices.json", "{", f'{{"expressions": [], "idx_to_landmark_verts": {list(MP68[::-1])}}}', "belongs"),
    ],
)
def test_damage_is_named(made: Path, tmp_path: Path, file: str, start: str, new: str, word: str) -> None:
    checkout = Path(shutil.copytree(made / "checkout", tmp_path / "checkout"))
    damage_line(checkout / "FaceXModel" / file, start, new)
    with pytest.raises(DatasetError, match=word):
        write_rig(checkout, made / "data", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "file", ["generic_neutral_mesh.obj", "browDown_L.obj", "cheekRaiser_R.obj", "vertex_indices.json"]
)
def test_missing_file_is_named(made: Path, tmp_path: Path, file: str) -> None:
    checkout = Path(shutil.copytree(made / "checkout", tmp_path / "checkout"))
    (checkout / "FaceXModel" / file).unlink()
    with pytest.raises(DatasetError, match=f"{file}: is missing"):
        read_facekit(checkout)


def test_mesh_without_faces_or_with_a_tear_is_named(made: Path, tmp_path: Path) -> None:
    checkout = Path(shutil.copytree(made / "checkout", tmp_path / "checkout"))
    neutral = checkout / "FaceXModel/generic_neutral_mesh.obj"
    lines = neutral.read_text().splitlines()
    vertices = [line for line in lines if not line.startswith("f ")]
    for faces, word in (([], "no faces"), (["f 1 2 3"], "no way")):
        neutral.write_text("\n".join([*vertices, *faces]))
        with pytest.raises(DatasetError, match=word):
            write_rig(checkout, made / "data", tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no archive"])
def test_damaged_photo_points_are_named(made: Path, tmp_path: Path, content: bytes) -> None:
    data = Path(shutil.copytree(made / "data", tmp_path / "data"))
    (data / "photos/landmarks.npz").write_bytes(content)
    with pytest.raises(DatasetError, match="no readable photo points"):
        typical_face(data)
    with pytest.raises(DatasetError, match="photo points"):
        typical_face(tmp_path / "nowhere")


def test_no_frontal_photo(made: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(made / "data", tmp_path / "data"))
    index = data / "photos/index.csv"
    index.write_text(index.read_text().replace(",1", ",0"))
    with pytest.raises(DatasetError, match="frontal"):
        typical_face(data)


def palsy(*args: object, **environment: str) -> Result:
    env: dict[str, str | None] = {"PALSY_DATA": None, **environment}
    return CliRunner().invoke(app, [str(arg) for arg in args], env=env)


def test_command_writes_the_rig(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = palsy("simulate", "rig", "--ict-facekit", made / "checkout", PALSY_DATA=str(made / "data"))
    assert done.exit_code == 0 and done.stdout == f"{Path('simulated/au_rig.npz')}\n", done.output
    args = ("--ict-facekit", made / "checkout/FaceXModel", "--photos", made / "data", "-o", tmp_path / "rig")
    assert palsy("simulate", "rig", *args).stdout == f"{tmp_path / 'rig/au_rig.npz'}\n"
    assert (tmp_path / "rig/au_rig.npz").read_bytes() == (tmp_path / "simulated/au_rig.npz").read_bytes()


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (("rig",), 2, "--ict-facekit"),
        (("--ict-facekit", "x"), 2, "rig"),
        (("me.jpg", "--ict-facekit", "x"), 2, "rig"),
        (("rig", "--ict-facekit", "x"), 3, "PALSY_DATA"),
        (("rig", "--ict-facekit", "x", "--photos", "y"), 3, "generic_neutral_mesh.obj"),
        (("./rig",), 3, "rig"),
    ],
)
def test_command_in_the_wrong_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], code: int, word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = palsy("simulate", *args)
    assert done.exit_code == code and done.stdout == "" and word in done.stderr and done.stderr.count("\n") == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.data
@pytest.mark.skipif(DATA is None, reason="PALSY_DATA is not set: no photos at hand")
def test_real_people_have_the_rigs_68_points() -> None:
    rig = load_rig(Path(str(DATA)) / "rig/au_rig.npz")
    points = typical_face(Path(str(DATA)))[list(MP68)]
    np.testing.assert_array_equal(rig.index68, MP68)
    assert np.abs(points[MIRROR_68] * [-1, 1] - points).max() < 0.02
    inner = slice(17, 68)
    neutral = rig.neutral[rig.index68, :2] * [1, -1]
    neutral -= neutral[[36, 45]].mean(0)
    assert np.median(np.linalg.norm(points - neutral, axis=1)[inner]) < 0.06
