"""The options that commands share, each written once, and what they amount to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from palsy_cli.config import Execution, Profile, Settings, load_settings

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
NetworkName = Literal["retinaface", "landmark_fcn", "ovpm", "dvpm", "algrnet", "hb_cascade"]
SizeName = Literal["paper", "compact", "tiny"]

Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="A video, a picture, or a folder of pictures.")]
OutFolder = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder to write into; made if it is absent.")
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="PATH", help="File or folder to write into; without it, stdout."),
]
Models = Annotated[
    Path | None,
    typer.Option(
        "--models", envvar="PALSY_MODELS", metavar="DIR", help="Folder of weights, instead of those that came along."
    ),
]
Branch = Annotated[
    Literal["T", "Z", "B", "M", "C"] | None,
    typer.Option("--branch", help="The only weak branch: temporal, zygomatic, buccal, marginal, cervical."),
]
Synkinesis = Annotated[
    float, typer.Option("--synkinesis", min=0.0, max=1.0, help="Strength of the synkinesis: 0 none, 0.6 severe.")
]
Device = Annotated[DeviceName, typer.Option("--device", help="Where the networks run.")]
ProfileOption = Annotated[
    Profile | None,
    typer.Option("--profile", help="clinical: our corrected defaults; paper: the published text taken literally."),
]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings from a TOML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting; may be repeated.")
]
Mirrored = Annotated[bool, typer.Option("--mirrored", help="The recording is mirrored, as selfie cameras store it.")]
IncludeImages = Annotated[bool, typer.Option("--include-images", help="Put pictures of the face into the report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to stdout instead of a table.")]


class Chosen(NamedTuple):
    """What the shared options amount to."""

    settings: Settings
    execution: Execution

    def prepare(self) -> None:
        """Start the decoder, which gets ready on another core while PyTorch is loaded: two seconds for half a one."""
        from palsy_cli.decoder.process import start_ahead

        start_ahead(self.settings.video)


def resolve(
    *,
    profile: Profile | None,
    config: Path | None,
    overrides: list[str] | None,
    device: str,
    models: Path | None,
) -> Chosen:
    """What changes the answer, and how the run is carried out; raises ConfigError as ``load_settings`` does."""
    settings = load_settings(profile=profile, config_file=config, overrides=overrides or ())
    return Chosen(settings, Execution(device=device, models_dir=models))
