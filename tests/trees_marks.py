"""Data sets in miniature, as they lie on disk: drawn people whose points and grades are true of the pixels."""

from __future__ import annotations

import csv
import dataclasses
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from palsy_cli.datasets.marks import write_pts
from palsy_cli.records import SIDES, ByteImage, FloatArray
from palsy_cli.simulate.clips import simulate_clip, simulate_frames
from palsy_cli.simulate.muscles import Drives, move_points
from palsy_cli.simulate.palsy import Lesion
from palsy_cli.simulate.person import Person, View, draw_person
from palsy_cli.simulate.run import lesion_of
from palsy_cli.simulate.script import TASKS, write_script
from palsy_cli.simulate.template import draw_shape, neutral_points
from palsy_cli.stages.video import write_video

#: Painting a person takes a second, so that all are these two with other shapes of face and other skin.
PAINTED = (9, 11)
SIZE = 160
#: Pupil distance in parts of the picture's side.
ZOOM = 0.27
#: What the face does in each of AFLFP's expressions.
AFLFP_TASKS = {
    **{"BR": "brow_raise", "CS": "close_smile", "FR": "frown", "FN": "cheek_puff", "GEC": "gentle_eye_closure"},
    **{"LE": "left_eyebrow", "LSM": "left_smile", "LSN": "left_snarl", "LW": "left_wink", "OS": "open_smile"},
    **{"RE": "right_eyebrow", "RSM": "right_smile", "RSN": "right_snarl", "RW": "right_wink", "SN": "snarl"},
    "TEC": "tight_eye_closure",
}
#: The 21 points of AFLW in the order of their ids; the number is the one of ours, or the mean of ours, at that place.
AFLW_POINTS: tuple[tuple[str, tuple[int, ...]], ...] = (
    *(("LeftBrowLeftCorner", (17,)), ("LeftBrowCenter", (19,)), ("LeftBrowRightCorner", (21,))),
    *(("RightBrowLeftCorner", (22,)), ("RightBrowCenter", (24,)), ("RightBrowRightCorner", (26,))),
    *(("LeftEyeLeftCorner", (36,)), ("LeftEyeCenter", (37, 38, 40, 41)), ("LeftEyeRightCorner", (39,))),
    *(("RightEyeLeftCorner", (42,)), ("RightEyeCenter", (43, 44, 46, 47)), ("RightEyeRightCorner", (45,))),
    *(("LeftEar", (1,)), ("NoseLeft", (31,)), ("NoseCenter", (30,)), ("NoseRight", (35,)), ("RightEar", (15,))),
    *(("MouthLeftCorner", (48,)), ("MouthCenter", (62,)), ("MouthRightCorner", (54,)), ("ChinCenter", (8,))),
)


def tint(number: int) -> FloatArray:
    """(3,) factors of red, green and blue by which one person differs from the next."""
    return np.random.default_rng([number, 7]).uniform(0.75, 1.0, 3)


def draw_face(
    number: int, *, task: str = "rest", level: float = 1.0, roll: float = 0.0
) -> tuple[ByteImage, FloatArray]:
    """(SIZE, SIZE, 3) RGB of a person doing something at a share 0..1 of the full movement, and the (68, 2) points."""
    shape = neutral_points(draw_shape(np.random.default_rng([number, 8])))
    drives = {(au, side): level * drive for au, drive in TASKS[task].commands().items() for side in TASKS[task].sides}
    person = Person.from_seed(PAINTED[number % len(PAINTED)])
    view = View(zoom=ZOOM, roll=roll, shift_y=-0.05)
    image, points = draw_person(person, move_points(shape, drives).points, size=(SIZE, SIZE), view=view)
    return np.asarray(image * tint(number), np.uint8), points


def write_picture(path: Path, image: ByteImage) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def w300_tree(root: Path) -> Path:
    """Every part of 300-W: two to four faces each, one photo of afw with two faces."""
    names = {
        "afw": ("134212_1.jpg", "134212_2.jpg", "1051618982_1.jpg"),
        "helen/trainset": ("100032540_1.jpg", "100040721_1.jpg", "100466187_1.jpg", "10405146_1.jpg"),
        "helen/testset": ("296814969_3.jpg", "30427236_2.jpg"),
        "ibug": ("image_003_1.jpg", "image_004_1.jpg"),
        "lfpw/trainset": ("image_0001.png", "image_0002.png", "image_0003.png"),
        "lfpw/testset": ("image_0001.png", "image_0002.png"),
        "300W/01_Indoor": ("indoor_001.png",),
        "300W/02_Outdoor": ("outdoor_001.png",),
    }
    tasks = ("rest", "open_smile", "brow_raise", "open_mouth", "frown")
    pictures = [root / part / name for part, files in names.items() for name in files]
    for number, path in enumerate(pictures):
        image, points = draw_face(number, task=tasks[number % len(tasks)], roll=8.0 * (number % 3 - 1))
        write_picture(path, image)
        write_pts(path.with_suffix(".pts"), points)
    return root


def aflw_tree(root: Path) -> Path:
    """Eight faces in seven photos of AFLW, whose tables and columns are the true ones; one face lacks some points."""
    flickr = root / "data/flickr"
    with closing(sqlite3.connect(make_folder(root / "data") / "aflw.sqlite")) as base, base:
        base.executescript(AFLW_SCHEMA)
        rows = [(number, name, name) for number, (name, _) in enumerate(AFLW_POINTS, start=1)]
        base.executemany("INSERT INTO FeatureCoordTypes (feature_id, descr, code) VALUES (?, ?, ?)", rows)
        for photo in range(7):
            filed, people = f"image{photo + 1:05d}.jpg", (0, 7) if photo == 0 else (photo,)
            drawn = [draw_face(number, task="close_smile", level=photo / 7) for number in people]
            place = f"{(0, 2, 3)[photo % 3]}/{filed}"
            write_picture(flickr / place, np.concatenate([image for image, _ in drawn], axis=1))
            size = (SIZE * len(people), SIZE)
            row = (photo + 1, "flickr", filed, place, 0, *size)
            base.execute("INSERT INTO FaceImages VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            for column, (number, (_, points)) in enumerate(zip(people, drawn, strict=True)):
                add_face(base, 39341 + number, filed, points + (column * SIZE, 0), partly=number == 3)
    return root


AFLW_SCHEMA = """
CREATE TABLE Faces (face_id INTEGER PRIMARY KEY, file_id TEXT, db_id TEXT);
CREATE TABLE FaceImages (image_id INTEGER PRIMARY KEY, db_id TEXT, file_id TEXT, filepath TEXT, bw INTEGER,
    width INTEGER, height INTEGER);
CREATE TABLE FeatureCoords (face_id INTEGER, feature_id INTEGER, x REAL, y REAL, annot_type_id INTEGER);
CREATE TABLE FeatureCoordTypes (feature_id INTEGER PRIMARY KEY, descr TEXT, code TEXT, x REAL, y REAL, z REAL);
CREATE TABLE FaceRect (face_id INTEGER, x INTEGER, y INTEGER, w INTEGER, h INTEGER, annot_type_id INTEGER);
CREATE TABLE FacePose (face_id INTEGER, roll REAL, pitch REAL, yaw REAL, annot_type_id INTEGER);
CREATE TABLE FaceMetaData (face_id INTEGER, sex TEXT, occluded INTEGER, glasses INTEGER, bw INTEGER,
    annot_type_id INTEGER);
"""


def add_face(base: sqlite3.Connection, face_id: int, filed: str, points: FloatArray, *, partly: bool = False) -> None:
    """One face with its rectangle, pose, sex and points; ``partly``: without what a turned head hides."""
    base.execute("INSERT INTO Faces VALUES (?, ?, 'flickr')", (face_id, filed))
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    base.execute("INSERT INTO FaceRect VALUES (?, ?, ?, ?, ?, 1)", (face_id, left, top, right - left, bottom - top))
    base.execute("INSERT INTO FacePose VALUES (?, 0, 0, 0, 1)", (face_id,))
    base.execute("INSERT INTO FaceMetaData VALUES (?, ?, 0, 0, 0, 1)", (face_id, "mf"[face_id % 2]))
    for number, (name, ours) in enumerate(AFLW_POINTS, start=1):
        if not (partly and name.startswith("Right")):
            row = (face_id, number, *points[list(ours)].mean(axis=0).tolist())
            base.execute("INSERT INTO FeatureCoords VALUES (?, ?, ?, ?, 1)", row)


def aflfp_tree(root: Path, subjects: int = 10, expressions: tuple[str, ...] = ("BR", "OS")) -> Path:
    """People S01, S02, ... at the four key states of each expression; every second one has points in a CSV file."""
    for number in range(subjects):
        for place, code in enumerate(expressions):
            for level, state in enumerate(("neutral", "onset", "mid", "peak")):
                image, points = draw_face(number, task=AFLFP_TASKS[code], level=level / 3, roll=len(code) - place)
                path = write_picture(root / f"S{number + 1:02d}" / code / f"{state}.jpg", image)
                if number % 2:
                    lines = [f"{x:.3f},{y:.3f}" for x, y in points]
                    path.with_suffix(".csv").write_text("\n".join(["x,y", *lines]) + "\n")
                else:
                    write_pts(path.with_suffix(".pts"), points)
    return root


@dataclass(frozen=True)
class Sitter:
    """Renderer of one person; see ``palsy_cli.simulate.clips.Renderer``."""

    number: int

    def render(self, drives: Drives, *, lesion: Lesion, view: View) -> tuple[ByteImage, FloatArray]:
        person = Person.from_seed(PAINTED[self.number % len(PAINTED)])
        near = dataclasses.replace(view, zoom=ZOOM)
        image, points = draw_person(person, drives, size=(SIZE, SIZE), view=near, lesion=lesion)
        return np.asarray(image * tint(self.number), np.uint8), points


def palsy_of(number: int) -> tuple[Lesion, int]:
    """Lesion and House-Brackmann grade 1..6 of a person; sides take turns."""
    grade = number % 6 + 1
    return lesion_of(SIDES[number // 6 % 2] if grade > 1 else "none", grade=grade), grade


def fpara_tree(root: Path, subjects: int = 6) -> Path:
    """A video of each person and a second visit of the first, with ``labels.csv``."""
    script = write_script(("open_smile",), tempo=4.0)
    rows = []
    visits = [(number, "visit1") for number in range(subjects)] + [(0, "visit2")]
    for number, visit in visits:
        lesion, grade = palsy_of(number)
        frames = simulate_frames(Sitter(number), lesion, script, fps=15, seed=number + 100 * (visit == "visit2"))
        name = f"p{number + 1:02d}/{visit}.mp4"
        write_video((frame.image for frame in frames), make_folder((root / name).parent) / f"{visit}.mp4", fps=15)
        rows.append((name, f"p{number + 1:02d}", str(grade), "smile", "fm"[number % 2]))
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("video", "subject", "house_brackmann", "task", "group_sex"), *rows])
    return root


def clips_tree(root: Path, subjects: int = 6) -> Path:
    """What ``palsy simulate`` writes: a healthy and a palsied clip of one person, one clip of each other one."""
    script = write_script(("open_smile",), tempo=4.0)
    for number in (*range(subjects), -1):
        seed = max(number, 0)
        lesion, _ = palsy_of(1 if number < 0 else number)
        folder = make_folder(root / (f"person{seed}" + ("_again" if number < 0 else "")))
        simulate_clip(folder / "patient.mp4", renderer=Sitter(seed), lesion=lesion, script=script, fps=15, seed=seed)
        truth = json.loads((folder / "truth.json").read_text())
        truth["source"] = {"kind": "drawn", "sha256": None}
        (folder / "truth.json").write_text(json.dumps(truth))
    return root


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def marked_tree(root: Path, subjects: int = 6) -> Path:
    """A folder a person with two pictures and their points, and one picture by itself."""
    for number in range(subjects):
        for level in (0.0, 1.0):
            image, points = draw_face(number, task="open_smile", level=level)
            path = write_picture(root / f"patient-{number:02d}" / f"smile{level:.0f}.png", image)
            write_pts(path.with_suffix(".pts"), points)
    image, points = draw_face(0, task="open_smile", level=0.5)
    write_pts(write_picture(root / "alone.png", image).with_suffix(".pts"), points)
    return root
