"""What the four papers print, as data: facts to stand beside our own figures, with their source and their errata.

Numbers are as printed, in the papers' units. ``recomputed`` is the mean (or the Dice coefficient) that the paper's own
entries give where that differs from what is printed by more than rounding; both are quoted (E12). A method's mark
(``*``) is the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass

AVERAGE = "average"
Values = tuple[float | None, ...]


@dataclass(frozen=True)
class PublishedRow:
    """One method of a table.

    Attributes:
        method: as the paper calls it.
        values: of the table's columns, ``None`` where not quoted here.
        spread: standard deviations of the same columns.
        recomputed: the last column from the row's entries, where that is not what is printed.
        note: what a reader must know of this row.
    """

    method: str
    values: Values
    spread: tuple[float, ...] = ()
    recomputed: float | None = None
    note: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """One table or figure of a paper.

    Attributes:
        key: short name for files.
        paper: AFLFP, ALGRNet, DEM or CEN, as in the paper map.
        where: table or figure, and its subject.
        title: what is measured, with its unit.
        columns: names of the figures.
        rows: as printed, top to bottom.
        decimals: as printed.
        cautions: what makes the comparison weak, one sentence each, errata by their number.
    """

    key: str
    paper: str
    where: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    decimals: int = 1
    cautions: tuple[str, ...] = ()

    def row(self, method: str) -> PublishedRow:
        """The row of a method; KeyError when there is none."""
        for row in self.rows:
            if row.method == method:
                return row
        raise KeyError(method)


def _means_only(columns: int, means: dict[str, float]) -> tuple[PublishedRow, ...]:
    """Rows of which only the last column is quoted."""
    return tuple(PublishedRow(method, (None,) * columns + (mean,)) for method, mean in means.items())


#: The sixteen expressions in the table's order; ``BR`` is the brow raise, ``CS`` the close smile, and so on.
EXPRESSIONS: dict[str, str] = {
    "BR": "brow raise", "CS": "close smile", "FR": "frown", "FN": "funny", "GEC": "gentle eye closure",
    "LE": "left eyebrow", "LSM": "left smile", "LSN": "left snarl", "LW": "left wink", "OS": "open smile",
    "RE": "right eyebrow", "RSM": "right smile", "RSN": "right snarl", "RW": "right wink", "SN": "snarl",
    "TEC": "tight eye closure",
}  # fmt: skip

AFLFP_EXPRESSIONS = PublishedTable(
    "aflfp-expressions", "AFLFP", "table 2", "Normalised error of 68 points per expression, mean ± SD over images (%)",
    (*EXPRESSIONS, AVERAGE),
    (
        PublishedRow("Emotrics",
            (14.3, 14.7, 14.9, 15.7, 15.1, 15.5, 15.1, 15.2, 14.7, 15.4, 15.1, 15.4, 15.4, 14.6, 15.7, 17.0, 15.2),
            (2.8, 3.7, 3.1, 7.5, 3.4, 2.9, 2.9, 3.1, 3.9, 3.3, 3.5, 3.8, 2.8, 3.4, 4.4, 5.1, 3.7)),
        PublishedRow("SDM",
            (13.1, 14.1, 13.5, 16.3, 13.2, 13.8, 14.4, 14.2, 14.1, 14.5, 13.4, 14.5, 14.2, 14.1, 14.7, 14.3, 14.1),
            (3.1, 3.5, 3.2, 7.3, 2.4, 2.8, 3.3, 3.8, 3.2, 3.0, 3.2, 3.0, 2.8, 3.7, 4.0, 4.3, 3.8)),
        PublishedRow("VGGNet",
            (11.9, 12.5, 11.8, 14.9, 11.7, 11.5, 12.3, 12.2, 11.8, 12.4, 12.2, 13.4, 12.2, 12.0, 12.8, 13.1, 12.4),
            (2.7, 3.7, 2.7, 7.6, 2.7, 3.0, 2.4, 2.7, 2.5, 2.7, 3.6, 3.7, 3.0, 2.5, 4.2, 4.0, 3.7)),
        PublishedRow("FCN",
            (11.7, 11.8, 11.7, 13.4, 11.9, 11.3, 12.0, 11.9, 11.9, 12.2, 11.9, 12.9, 12.1, 11.9, 12.8, 12.2, 12.1),
            (2.4, 2.6, 2.4, 3.4, 2.5, 2.0, 2.5, 2.2, 2.2, 2.0, 2.1, 2.7, 2.6, 2.3, 3.7, 2.6, 2.5)),
        PublishedRow("Cascaded FCN",
            (11.5, 11.1, 11.1, 12.6, 11.4, 10.8, 11.9, 11.5, 11.4, 12.0, 11.2, 12.4, 11.6, 11.5, 12.0, 11.9, 11.6),
            (1.8, 2.0, 2.1, 3.0, 2.0, 1.9, 2.4, 2.1, 2.1, 1.7, 2.0, 2.6, 2.0, 2.2, 2.9, 2.5, 2.3)),
    ),
    cautions=(
        "The published error is the norm over all 68 points, not their mean (E5); only that row of ours compares.",
        "Published: ten folds over 88 subjects, patients or mixed (E4, E6), each training on the others of the set.",
    ),
)  # fmt: skip

AFLFP_TRAINING_FACES = PublishedTable(
    "aflfp-training-faces", "AFLFP", "table 3", "Normalised error by the faces trained on, mean ± SD (%)",
    (AVERAGE,),
    (
        PublishedRow("trained on 3,148 healthy faces", (16.3,), (3.0,)),
        PublishedRow("trained on 3,148 palsied faces", (12.8,), (2.5,)),
    ),
    cautions=("The published error is the norm over all 68 points, not their mean (E5).",),
)  # fmt: skip

BP4D_AUS: tuple[int, ...] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
DISFA_AUS: tuple[int, ...] = (1, 2, 4, 6, 9, 12, 25, 26)


def _units(aus: tuple[int, ...]) -> tuple[str, ...]:
    return (*(f"AU{au}" for au in aus), AVERAGE)


_ALGR_BP4D = PublishedRow(
    "ALGRNet", (51.2, 48.2, 57.3, 77.9, 76.4, 84.9, 88.2, 64.8, 50.8, 62.8, 47.6, 51.9, 63.5)
)  # fmt: skip
_ALGR_DISFA = PublishedRow("ALGRNet", (63.8, 65.4, 73.6, 44.5, 54.1, 74.0, 94.7, 69.9, 67.5))
_FOLDS = "Published: threefold by subject (E13), trained on the same set."

BP4D_F1 = PublishedTable(
    "bp4d-f1", "ALGRNet", "F1 on BP4D", "BP4D: F1 of the presence of action units (%)",
    _units(BP4D_AUS),
    (
        *_means_only(12, {"DSIN": 58.9, "MLCR": 59.8, "CMS": 60.6}),
        PublishedRow("LP-Net", (None,) * 12 + (61.0,), recomputed=62.0),
        *_means_only(12, {"JAA-Net": 60.0, "ARL": 61.1}),
        PublishedRow("JÂA-Net", (53.8, 47.8, 58.2, 78.5, 75.8, 82.7, 88.2, 63.7, 43.3, 61.8, 45.6, 49.9, 62.4)),
        *_means_only(12, {"UGN-B*": 63.3, "HMP-PS*": 63.4, "DML*": 63.4}),
        _ALGR_BP4D,
    ),
    cautions=(_FOLDS,),
)  # fmt: skip

DISFA_F1 = PublishedTable(
    "disfa-f1", "ALGRNet", "F1 on DISFA", "DISFA: F1 of the presence of action units (%)",
    _units(DISFA_AUS),
    (
        *_means_only(8, {"DSIN": 53.6, "CMS": 57.4, "LP-Net": 56.9, "JAA-Net": 56.0, "ARL": 58.7, "JÂA-Net": 63.5}),
        PublishedRow("UGN-B*", (None,) * 8 + (60.0,), recomputed=59.4),
        PublishedRow("HMP-PS*", (None,) * 8 + (61.0,), recomputed=51.1, note="the entries of this row are mis-copied"),
        *_means_only(8, {"DML*": 64.4}),
        _ALGR_DISFA,
    ),
    cautions=(_FOLDS, "Present from intensity 2 on; the paper does not say so, the code it builds on does."),
)  # fmt: skip

BP4D_ABLATION = PublishedTable(
    "bp4d-ablation", "ALGRNet", "ablation on BP4D", "BP4D: F1 without parts of ALGRNet (%)",
    _units(BP4D_AUS),
    (
        PublishedRow("without all three",
            (50.1, 47.1, 54.3, 77.3, 75.1, 82.5, 88.1, 61.7, 44.9, 62.7, 45.2, 49.9, 61.6)),
        PublishedRow("without fusion and refining",
            (50.4, 46.9, 53.4, 79.0, 77.4, 84.7, 87.4, 63.0, 45.3, 63.3, 47.0, 55.7, 62.8)),
        PublishedRow("without skip-BiLSTM",
            (51.3, 47.6, 56.3, 78.2, 76.2, 83.7, 88.1, 64.4, 49.1, 61.9, 46.1, 49.8, 62.7)),
        PublishedRow("plain BiLSTM",
            (50.7, 50.0, 55.2, 77.0, 75.7, 84.1, 88.2, 63.4, 49.1, 62.3, 47.3, 52.0, 62.9)),
        PublishedRow("without adaptive regions",
            (50.8, 47.1, 57.8, 77.6, 77.4, 84.7, 88.2, 66.4, 49.8, 61.5, 46.8, 52.3, 63.4)),
        _ALGR_BP4D,
    ),
    cautions=(_FOLDS, "The skip-BiLSTM is taken away from the network without adaptive regions: 63.4 to 62.7."),
)  # fmt: skip

DISFA_ABLATION = PublishedTable(
    "disfa-ablation", "ALGRNet", "ablation on DISFA", "DISFA: F1 without parts of ALGRNet (%)",
    _units(DISFA_AUS),
    (
        PublishedRow("without all three", (47.1, 61.1, 66.3, 44.7, 52.2, 74.9, 92.2, 66.2, 63.1)),
        PublishedRow("without fusion and refining", (62.6, 64.2, 72.4, 42.3, 49.9, 76.1, 93.5, 72.6, 66.7)),
        PublishedRow("without skip-BiLSTM", (58.7, 65.2, 73.5, 43.9, 53.5, 72.2, 94.1, 64.7, 65.7)),
        PublishedRow("plain BiLSTM", (61.1, 58.4, 70.9, 45.5, 47.9, 74.9, 92.5, 70.8, 65.2)),
        PublishedRow("without adaptive regions", (62.6, 64.4, 72.5, 46.6, 48.8, 75.7, 94.4, 73.0, 67.3)),
        _ALGR_DISFA,
    ),
    cautions=(_FOLDS, "The skip-BiLSTM is taken away from the network without adaptive regions: 67.3 to 65.7."),
)  # fmt: skip

FPARA_F1 = PublishedTable(
    "fpara-f1", "ALGRNet", "F1 on FPara", "FPara: F1 of four severities (%)",
    ("normal", "low", "medium", "high", AVERAGE),
    (
        PublishedRow("ResNet18", (99.8, 50.7, 47.7, 67.9, 66.5)),
        PublishedRow("ResNet50", (99.9, 53.9, 54.7, 71.4, 70.0)),
        PublishedRow("Transformer", (100.0, 63.0, 58.6, 68.7, 72.6)),
        PublishedRow("JÂA-Net", (100.0, 58.8, 64.3, 72.9, 72.8), recomputed=74.0,
            note="so the gain of ALGRNet is 1.3 points, not the claimed 2.6 (E12)"),
        PublishedRow("ALGRNet", (100.0, 55.9, 72.1, 73.2, 75.4), recomputed=75.3),
    ),
    cautions=(
        "Every published network finds the normal faces; such an F1 near 100 % may come from how they were recorded.",
        "Grades: normal I, low II, medium III and IV, high V and VI; the printed bounds leave grades out (E11).",
    ),
)  # fmt: skip

ALIGNMENT_ERROR = PublishedTable(
    "algrnet-alignment", "ALGRNet", "alignment errors", "Mean error of 49 points (%)",
    ("BP4D", "DISFA", "FPara"),
    (PublishedRow("JÂA-Net", (3.80, 3.87, 5.15)), PublishedRow("ALGRNet", (3.78, 3.29, 5.18))),
    decimals=2,
)  # fmt: skip

_ONE_PROTOCOL = (
    "Accuracy (table 4, figure 6) and errors (table 5) hardly come from one evaluation; never mix them (E18)."
)
_LEAK = "Published on frames drawn at random 8:2, so that the same people are in training and test (E16)."

DEM_BACKBONES = PublishedTable(
    "dem-backbones", "DEM", "table 4", "DISFA+: accuracy of the OVPM by its backbone (%)",
    ("accuracy",),
    tuple(
        PublishedRow(name, (value,))
        for name, value in {
            "ResNet50": 88.81, "ResNet101": 90.70, "ResNet152": 90.95, "DenseNet169": 88.95, "DenseNet201": 89.56,
            "MobileNetV3": 90.84, "EfficientNet-B6": 90.56, "EfficientNet-B7": 90.88, "VGG16": 90.59, "VGG19": 91.67,
        }.items()
    ),
    decimals=2,
    cautions=(_LEAK, _ONE_PROTOCOL),
)  # fmt: skip

#: Figure 6: at its left end, at the m that the paper chose, and at its right end, whose m it does not say.
DEM_HELPERS = PublishedTable(
    "dem-helpers", "DEM", "figure 6", "DISFA+: accuracy by the number m of helper frames (%)",
    ("m = 0", "m = 2", "largest m"),
    (
        PublishedRow("DEM", (91.07, 95.67, 96.66),
            note="m = 2 from the text's gain of 4.6 points; table 4 prints 91.67 for m = 0 (E17)"),
    ),
    decimals=2,
    cautions=(_LEAK, _ONE_PROTOCOL),
)  # fmt: skip

DEM_INTENSITY = PublishedTable(
    "dem-intensity", "DEM", "table 5", "Intensity of action units, mean over units",
    ("MAE", "ICC", "PCC"),
    (
        PublishedRow("COR", (1.15, 0.19, 0.22)),
        PublishedRow("DSRVM", (0.86, 0.03, 0.16)),
        PublishedRow("MTL+BN", (None, 0.43, 0.38)),
        PublishedRow("CCNN-IT", (0.61, 0.45, None)),
        PublishedRow("BORMIR", (0.84, 0.28, 0.37)),
        PublishedRow("Wang et al.", (0.43, 0.55, 0.49)),
        PublishedRow("Ntinou et al.", (0.56, 0.49, 0.58)),
        PublishedRow("RA-UWML", (0.48, 0.53, 0.60)),
        PublishedRow("ALGRNet", (0.43, 0.57, 0.61)),
        PublishedRow("DEM", (0.41, 0.59, 0.63)),
    ),
    decimals=2,
    cautions=(
        "The kind of ICC is not stated; ours is ICC(3,1).",
        "The figures of the rival methods are those usually quoted for DISFA, not DISFA+ (E18).",
        _LEAK,
    ),
)  # fmt: skip

DEM_REGIONS = PublishedTable(
    "dem-regions", "DEM", "text, 34 patients", "Weaker side of each region: F1 (%)",
    ("eyebrows", "eyes", "mouth"),
    (PublishedRow("DEM", (80.0, 79.23, 90.91)),),
    decimals=2,
    cautions=("Published on 34 private videos; how the F1 is averaged over the signs is not stated.",),
)  # fmt: skip

CEN_SEGMENTATION = PublishedTable(
    "cen-segmentation", "CEN", "table 2", "Classification error (%)",
    ("error",),
    tuple(
        PublishedRow(name, (value,))
        for name, value in {
            "Kumar": 18.88, "Zhang": 15.00, "Liu": 12.70, "Wang": 12.00, "Zhong": 10.02, "Kalayeh": 8.84,
            "CEN without attention": 12.32, "CEN": 8.72,
        }.items()
    ),
    decimals=2,
    cautions=(
        "Not comparable: the first six rows are errors in predicting 40 attributes of celebrity faces, another task "
        "(E26); segmentation is measured here by mean intersection over union and pixel accuracy.",
    ),
)  # fmt: skip

CEN_GRADES = PublishedTable(
    "cen-grades", "CEN", "table 3", "House-Brackmann grade (%)",
    ("accuracy", "recall", "confidence", "Dice"),
    (
        PublishedRow("Insu", (89.00, 88.49, 89.23, 88.00), recomputed=88.86),
        PublishedRow("Hyun", (88.90, 90.07, 87.11, 86.66), recomputed=88.57),
        PublishedRow("Muhammad", (92.60, 93.14, 92.91, 93.00)),
        PublishedRow("CEN, end to end", (82.90, 82.53, 83.41, 82.96)),
        PublishedRow("CEN, cascaded", (95.60, 95.90, 95.75, 95.82)),
    ),
    decimals=2,
    cautions=(
        "The published unit is the image, of a private set of 500 patients.",
        "The printed formula of accuracy is a misprint; the printed values behave like multiclass accuracy (E24).",
        "Recall, confidence (precision) and Dice are means over the grades; in brackets 2CR/(C + R) where it differs.",
    ),
)  # fmt: skip

PUBLISHED: dict[str, PublishedTable] = {
    table.key: table
    for table in (
        AFLFP_EXPRESSIONS, AFLFP_TRAINING_FACES, BP4D_F1, BP4D_ABLATION, DISFA_F1, DISFA_ABLATION, FPARA_F1,
        ALIGNMENT_ERROR, DEM_BACKBONES, DEM_HELPERS, DEM_INTENSITY, DEM_REGIONS, CEN_SEGMENTATION, CEN_GRADES,
    )
}  # fmt: skip
