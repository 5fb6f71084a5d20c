"""``palsy evaluate PROTOCOL``: a paper's tables with our row in them, from labels and networks, or from predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

import palsy_cli
from palsy_cli.config import Execution, Settings
from palsy_cli.console import ProgressCallback
from palsy_cli.datasets.catalogue import dataset_spec, folds_of, own_folds, read_dataset
from palsy_cli.datasets.faces import FaceDataset, LabelledFace
from palsy_cli.datasets.folds import PAPER_SPLIT_WARNING, Split, digests_of
from palsy_cli.errors import DatasetError, ModelError, UsageError
from palsy_cli.evaluation import published
from palsy_cli.evaluation.labels import KINDS, Answers, Kind, key_of, sequence_of
from palsy_cli.evaluation.paper_tables import (
    aflfp_tables,
    house_brackmann_tables,
    intensity_tables,
    presence_tables,
    segmentation_tables,
    severity_tables,
    sign_tables,
)
from palsy_cli.evaluation.predict import (
    ASSESSED,
    assess_video,
    find_intensities,
    find_points,
    find_presence,
    grade_frames,
    segment,
)
from palsy_cli.evaluation.predictions import read_predictions, write_predictions
from palsy_cli.evaluation.published import PublishedTable
from palsy_cli.evaluation.render import tables_to_csv, tables_to_json, tables_to_latex, tables_to_markdown
from palsy_cli.evaluation.results import ResultTable
from palsy_cli.evaluation.study import NotRun, Study
from palsy_cli.evaluation.study_plots import draw_study
from palsy_cli.evaluation.study_tables import points_tables, subgroup_tables
from palsy_cli.evaluation.subject_sums import SubjectSums
from palsy_cli.evaluation.workers import Workers
from palsy_cli.files import atomic_write
from palsy_cli.networks.dem import OVPM
from palsy_cli.networks.device import choose_device
from palsy_cli.networks.manifest_file import read_manifest
from palsy_cli.networks.weights import ModelSet, find_models_dir
from palsy_cli.records import FloatArray
from palsy_cli.stages.regions import REGION_NAMES
from palsy_cli.training.on_dataset import PEOPLE_KEY
from palsy_cli.training.prepare import Preparation, PreparedFaces, prepare_faces
from palsy_cli.training.samples import CACHE_SIDE

#: Everything that a study of the right kind, or ``NotRun`` in its place, becomes.
Tables = Callable[[Any], list[ResultTable]]


@dataclass(frozen=True)
class Part:
    """One kind of answer that a protocol measures, its tables, and the published one among them, if any."""

    kind: str
    tables: Tables
    paper: PublishedTable | None = None


def _points_of(name: str) -> Part:
    return Part("points", lambda study: points_tables(study, key=name, title=name))


def _presence_of(name: str, paper: PublishedTable | None = None, ablation: PublishedTable | None = None) -> Part:
    def tables(study: Any) -> list[ResultTable]:
        beside_parts = [] if ablation is None else presence_tables(study, ablation)[:1]
        return beside_parts + presence_tables(study, paper, key=f"{name}-presence", title=name)

    return Part("presence", tables, paper)


def _intensity_of(name: str, paper: PublishedTable | None = None) -> Part:
    return Part("intensity", lambda study: intensity_tables(study, paper, key=f"{name}-intensity", title=name), paper)


_SEVERITY = Part("severity", severity_tables, published.FPARA_F1)
_GRADE = Part("house_brackmann", house_brackmann_tables, published.CEN_GRADES)
_SIGNS = Part("signs", sign_tables, published.DEM_REGIONS)


def _everything(name: str) -> tuple[Part, ...]:
    """Whatever is labelled."""
    return _points_of(name), _presence_of(name), _intensity_of(name), _SEVERITY, _GRADE, _SIGNS


#: What each protocol measures. Its name is that of the data set; ``hb`` reads folders as ``fpara`` does.
PROTOCOLS: dict[str, tuple[Part, ...]] = {
    "aflfp": (Part("points", aflfp_tables, published.AFLFP_EXPRESSIONS),),
    "bp4d": (_presence_of("bp4d", published.BP4D_F1, published.BP4D_ABLATION),),
    "disfa": (
        _presence_of("disfa", published.DISFA_F1, published.DISFA_ABLATION),
        _intensity_of("disfa", published.DEM_INTENSITY),
    ),
    "disfa-plus": (_intensity_of("disfa-plus", published.DEM_INTENSITY),),
    "fpara": (_SEVERITY,),
    "hb": (_GRADE,),
    "300w": (_points_of("300w"),),
    "aflw": (_points_of("aflw"),),
    "marked": (_points_of("marked"),),
    "csv": _everything("csv"),
    "clips": _everything("clips"),
}


@dataclass(frozen=True)
class Request:
    """What to measure, on what, with what.

    Attributes:
        protocol: a key of ``PROTOCOLS``.
        data: folder of the data set; ``None`` gives the published rows alone.
        settings, execution: as for ``assess``; the folder of models may hold ``fold1`` and so on, as ``palsy train
            --dataset`` exports them: then each fold's networks answer for the people that they have not seen.
        predictions: another program's answers, instead of ours.
        split: how the folds were dealt.
        room: an existing or new folder where crops, which are as large as the pictures, lie for a while; ``None`` takes
            the system's folder for temporary files.
        workers: processes for whole videos; 0 chooses.
        on_progress: told stage, done, in all.
    """

    protocol: str
    data: Path | None
    settings: Settings
    execution: Execution
    predictions: Path | None = None
    split: Split = "subjects"
    room: Path | None = None
    workers: int = 0
    on_progress: ProgressCallback | None = None

    @property
    def dataset(self) -> str:
        """The adapter's name."""
        return "fpara" if self.protocol == "hb" else self.protocol


@dataclass(frozen=True)
class Measured:
    """Tables, what they rest on, the studies behind them by part, and our own answers by kind."""

    protocol: str
    tables: tuple[ResultTable, ...]
    about: Mapping[str, Any]
    studies: tuple[tuple[Part, Study], ...] = ()
    answers: Mapping[str, tuple[tuple[str, ...], Answers]] = field(default_factory=dict)

    def markdown(self) -> str:
        """All tables as a page."""
        lines = [f"{key}: {value}" for key, value in self.about.items()]
        return tables_to_markdown(self.tables, title=f"Protocol {self.protocol}", about=lines)

    def write(self, out: Path) -> Path:
        """The tables in four formats, the plots, and what was answered to each label; returns the page to read."""
        name = self.protocol
        atomic_write(out / f"{name}.csv", tables_to_csv(self.tables), private=False)
        atomic_write(out / f"{name}.json", tables_to_json(self.tables, about=self.about), private=False)
        atomic_write(out / f"{name}.tex", tables_to_latex(self.tables), private=False)
        for part, study in self.studies:
            for kind, picture in draw_study(study, part.paper):
                atomic_write(out / f"{name}-{part.kind}-{kind}.png", picture, private=False)
        for kind, (columns, own) in self.answers.items():
            whole = own.values if own.right is None else (own.values + own.right) / 2
            write_predictions(out / f"{name}-{kind}-predictions.csv", own.keys, columns, whole)
        return atomic_write(out / f"{name}.md", self.markdown(), private=False)


def evaluate_protocol(request: Request) -> Measured:
    """Measure what a protocol asks for.

    Raises:
        UsageError: unknown protocol.
        DatasetError: the data set is not whole, a prediction is missing, or weights have seen somebody who is tested.
        ModelError: weights are missing or answer something else.
    """
    if request.protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol {request.protocol!r}; known: {', '.join(PROTOCOLS)}")
    parts = PROTOCOLS[request.protocol]
    about: dict[str, Any] = {"version": palsy_cli.__version__, "settings": request.settings.fingerprint()}
    if request.data is None:
        missing = NotRun(f"no data set; name its folder with --data (palsy datasets show {request.dataset})")
        return Measured(request.protocol, tuple(table for part in parts for table in part.tables(missing)), about)
    faces = read_dataset(request.dataset, request.data)
    parts = tuple(part for part in parts if any(KINDS[part.kind].labelled(faces, face) for face in faces.faces))
    if not parts:
        raise DatasetError(f"{request.data}: holds no label that {request.protocol} measures")
    about["data set"] = f"{dataset_spec(faces.name).title}: {len(faces.faces)} faces of {len(faces.subjects)} people"
    if request.room is not None:
        request.room.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="crops-", dir=request.room) as crops:
        return _measure(request, faces, parts, about, Path(crops))


def _measure(
    request: Request, faces: FaceDataset, parts: Sequence[Part], about: dict[str, Any], crops: Path
) -> Measured:
    """Ask for every kind of answer, lay each beside its labels, make the tables."""
    kinds = [part.kind for part in parts]
    networks = None if request.predictions else _Networks(request, faces, crops)
    source = networks or _Predicted(cast("Path", request.predictions), faces, kinds)
    tables: list[ResultTable] = []
    studies: list[tuple[Part, Study]] = []
    answers = {}
    for part in parts:
        kind = KINDS[part.kind]
        try:
            asked, own = source.answer(part.kind)
        except ModelError as error:
            if len(parts) == 1:
                raise
            tables += part.tables(NotRun(str(error)))  # weights need not answer everything that a set asks
            continue
        study = _study(request, kind, faces, asked, own)
        studies.append((part, study))
        answers[part.kind] = kind.columns(faces), own
        tables += part.tables(study)
        if any(faces.groups.values()):
            tables += subgroup_tables(study, kind.figure)
    if request.protocol == "aflw" and networks is not None:
        tables += segmentation_tables(*networks.overlaps())
    about |= source.about
    ours = {} if request.predictions else answers
    return Measured(request.protocol, tuple(tables), about, tuple(studies), ours)


def _study(request: Request, kind: Kind, faces: FaceDataset, asked: Sequence[LabelledFace], own: Answers) -> Study:
    """Answers beside labels; those of a file may be off their scale."""
    try:
        return kind.study(faces, asked, own)
    except ValueError as error:
        if request.predictions is None:
            raise
        raise DatasetError(f"{request.predictions}: {error}") from error


class _Predicted:
    """Another program's answers, which must cover every label.

    Where a set asks for presence and intensity, values that never exceed 1 are taken as probabilities of presence, and
    others as intensities, from which presence follows.
    """

    def __init__(self, path: Path, faces: FaceDataset, kinds: Sequence[str]) -> None:
        self.faces, self.file = faces, read_predictions(path)
        self.doubtful = {"presence", "intensity"} <= set(kinds)
        self.about = {"predictions": path.name}

    def answer(self, kind: str) -> tuple[list[LabelledFace], Answers]:
        """The labelled faces, and what the file says of anything."""
        asked = KINDS[kind].asked(self.faces, range(len(self.faces.faces)))
        own = self.file.of(KINDS[kind].columns(self.faces))
        values = np.stack(list(own.values()))
        if self.doubtful and kind in ("presence", "intensity"):
            values = self._told_apart(kind, values)
        return asked, Answers(tuple(own), values)

    def _told_apart(self, kind: str, values: FloatArray) -> FloatArray:
        if np.nanmax(values, initial=0.0) <= 1:
            if kind == "intensity":
                raise ModelError(f"{self.file.path.name}: no value above 1, taken as probabilities of presence")
            return values
        if kind == "intensity":
            return values
        return np.where(np.isfinite(values), values >= self.faces.present_from, np.nan)


@dataclass(frozen=True)
class _Share:
    """Networks, and the faces that they answer for."""

    models: ModelSet
    rows: np.ndarray[Any, Any]


class _Networks:
    """Our own answers."""

    def __init__(self, request: Request, faces: FaceDataset, crops: Path) -> None:
        self.request, self.faces, self.crops = request, faces, crops
        self.about: dict[str, Any] = {}
        self.shares = self._deal()
        self.weights: dict[str, str] = {}
        self.graded: dict[str, Answers] = {}

    def _deal(self) -> list[_Share]:
        """One set of weights for everybody, or each fold's for its test people."""
        place, _ = find_models_dir(self.request.execution.models_dir)
        device = choose_device(self.request.execution.device)
        folders = sorted(place.glob("fold*"), key=lambda folder: int(folder.name.removeprefix("fold") or 0))
        if not folders:
            own = own_folds(self.faces)
            tested = np.arange(len(self.faces.faces)) if own is None else np.concatenate([fold.test for fold in own])
            return [_Share(ModelSet(place, device=device), tested)]
        split, count = self.request.split, len(folders)
        if split == "paper":
            self.about["warning"] = PAPER_SPLIT_WARNING
        folds = {f"fold{fold.number}": fold for fold in folds_of(self.faces, count=count, split=split)}
        if set(folds) != {folder.name for folder in folders}:
            raise ModelError(f"{place}: holds {', '.join(f.name for f in folders)}, expected {', '.join(folds)}")
        self.about["folds"] = count
        return [_Share(ModelSet(folder, device=device), folds[folder.name].test) for folder in folders]

    def answer(self, kind: str) -> tuple[list[LabelledFace], Answers]:
        """The labelled faces that networks answer for, and their answers."""
        parts = [self._share(kind, share) for share in self.shares]
        self.about["weights"] = self.weights
        asked = [face for faces, _ in parts for face in faces]
        return asked, _joined([own for _, own in parts])

    def _share(self, kind: str, share: _Share) -> tuple[list[LabelledFace], Answers]:
        asked = KINDS[kind].asked(self.faces, share.rows.tolist())
        if kind in ASSESSED and "folds" not in self.about and all(face.whole_video for face in asked):
            return asked, self._assess(asked, kind)
        if kind == "signs":
            raise ModelError(
                f"{share.models.directory}: sides are named by the whole of palsy assess, not by one network"
            )
        self._note(kind, share)
        if kind == "points":
            return asked, find_points(asked, share.models, detecting=self._finders(share))
        prepared = self._prepared(kind, share)
        rows = prepared.rows(
            np.array([row for row in share.rows if KINDS[kind].labelled(self.faces, self.faces.faces[row])])
        )
        if kind == "presence":
            return asked, find_presence(self.faces, prepared, rows, share.models)
        if kind == "intensity":
            keys = find_intensities(self.faces, prepared, rows, share.models, self.request.settings)
            chosen = set(keys.keys)
            return [face for face in asked if key_of(face) in chosen], keys
        return asked, grade_frames(self.faces, prepared, rows, share.models, KINDS[kind].networks[0])

    def overlaps(self) -> tuple[SubjectSums, tuple[str, ...]] | tuple[NotRun]:
        """Pixels of each region as E1 of the cascaded encoder sees them, and the regions' names."""
        try:
            sums, subjects = [], []
            for share in self.shares:
                prepared = self._prepared("points", share)
                rows = prepared.rows(share.rows)
                sums.append(segment(prepared, rows, share.models))
                subjects += [self.faces.faces[int(prepared.face[row])].subject for row in rows]
        except ModelError as error:
            return (NotRun(str(error)),)
        return SubjectSums.of(np.concatenate(sums), subjects), REGION_NAMES

    def _prepared(self, kind: str, share: _Share) -> PreparedFaces:
        """Crops; those of half faces are as large as the OVPM wants them."""
        halves = kind == "intensity"
        tall = cast("OVPM", share.models.get("ovpm").module).input_size[0] if halves else 0
        side = 2 * CACHE_SIDE if tall > CACHE_SIDE else CACHE_SIDE
        preparation = Preparation(side=side, keyframes=halves)
        return prepare_faces(
            self.faces,
            self.crops / preparation.folder(self.faces),
            models=self._finders(share),
            preparation=preparation,
            on_progress=self.request.on_progress,
        )

    def _finders(self, share: _Share) -> ModelSet:
        """What finds faces and points: the weights that came along, unless one set answers for everybody."""
        return ModelSet(find_models_dir()[0], device=share.models.device) if "folds" in self.about else share.models

    def _assess(self, asked: Sequence[LabelledFace], kind: str) -> Answers:
        """Every video the whole way of ``palsy assess``, once for all that it says."""
        known = {sequence_of(face) for face in asked}
        if not self.graded or not known <= set(self.graded[kind].keys):
            tell = self.request.on_progress or (lambda stage, done, total: None)
            with Workers(self.request.settings, self.request.execution, count=self.request.workers) as pool:
                found = pool.map(assess_video, asked, partial(tell, "videos"))
                folder = pool.context.models.directory
            self.weights |= {entry.name: entry.sha256[:12] for entry in read_manifest(folder)}
            keys = tuple(sequence_of(face) for face in asked)
            self.graded = {name: Answers(keys, np.stack([each[name] for each in found])) for name in ASSESSED}
        return self.graded[kind]

    def _note(self, kind: str, share: _Share) -> None:
        """Remember which weights answered; refuse those that learned from somebody who is tested."""
        tested = {face.subject: face for face in (self.faces.faces[row] for row in share.rows)}
        for name in KINDS[kind].networks:
            loaded = share.models.get(name)
            self.weights[f"{share.models.directory.name}/{name}"] = loaded.card.sha256[:12]
            seen = set(loaded.metadata.get(PEOPLE_KEY, "").split())
            known = next((face for who, face in tested.items() if digests_of(self.faces.name, [who]) <= seen), None)
            if known is not None and self.request.split == "subjects":
                raise DatasetError(
                    f"{known.path}: {name} in {share.models.directory} learned from {known.subject}, who is tested here"
                )


def _joined(parts: Sequence[Answers]) -> Answers:
    """The answers of all folds one after the other."""
    if len(parts) == 1:
        return parts[0]
    right = [part.right for part in parts if part.right is not None]
    helped = [part.by_helpers for part in parts if part.by_helpers is not None]
    by_helpers = {
        m: tuple(np.concatenate([part[m][side] for part in helped]) for side in (0, 1))
        for m in (helped[0] if helped else ())
    }
    return Answers(
        keys=tuple(key for part in parts for key in part.keys),
        values=np.concatenate([part.values for part in parts]),
        right=np.concatenate(right) if right else None,
        by_helpers=by_helpers or None,  # type: ignore[arg-type]
    )
