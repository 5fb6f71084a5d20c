"""What ``palsy benchmark`` starts as processes of their own: ``python -m palsy_cli.benchmark.probe NAME ...``.

The parent times the whole process; a probe writes as JSON, in one line, what only it can know, if anything.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from palsy_cli import console

#: Runs of a network that are timed, after one that is not.
_TIMED = 3
#: Pictures that a network reads at once where the machine has room for it.
_BATCH = 16
#: The papers' choice of helper frames, and sides of a face.
_HELPERS, _SIDES = 2, 2


class FirstFrameSeenError(Exception):
    """Enough."""


def first_frame(video: str, device: str, models: str = "") -> dict[str, Any]:
    """Start as ``palsy assess`` does and stop when the first frames have been looked at; the parent takes the time."""
    from palsy_cli.config import Execution, Settings
    from palsy_cli.decoder.process import start_ahead

    start_ahead(Settings().video)
    from palsy_cli.pipeline import assess

    def stop(stage: str, done: int, total: int | None) -> None:
        if stage == "face" and done:
            raise FirstFrameSeenError

    try:
        execution = Execution(device=device, models_dir=Path(models) if models else None)
        assess(Path(video), execution=execution, on_progress=stop)
    except FirstFrameSeenError:
        return {}
    raise ValueError(f"{video}: no frame was looked at")


def decode(video: str) -> dict[str, Any]:
    """The floor: every frame decoded once, as RGB, nothing else."""
    from palsy_cli.stages.video import iter_frames, read_clip

    for _ in iter_frames(read_clip(Path(video))):
        pass
    return {}


def landmarker(video: str, model: str) -> dict[str, Any]:
    """MediaPipe's Face Landmarker with blendshapes on every frame, as its documentation shows."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    from palsy_cli.stages.video import iter_frames, read_clip

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=model),
        running_mode=vision.RunningMode.VIDEO,
        output_face_blendshapes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as found:
        for frame in iter_frames(read_clip(Path(video))):
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame.image)
            found.detect_for_video(picture, round(frame.time_s * 1000))
    return {}


def literal(device: str) -> dict[str, Any]:
    """The papers' method on one frame: size ``paper``, fp32, one picture at a time, nothing shared but helpers' maps.

    The weights are random, which takes as long as trained ones. ``seconds`` are for one frame.
    """
    import torch

    from palsy_cli.networks.dem import difference
    from palsy_cli.networks.device import choose_device

    chosen = choose_device(device)
    networks = {name: _random(name, "paper", chosen) for name in _INPUTS}
    seen = {name: _picture(networks[name], name, 1, chosen) for name in _INPUTS}
    with torch.inference_mode():
        taps = networks["ovpm"].taps(seen["ovpm"])
        apart = difference(taps, [0.5 * tap for tap in taps])
        once = {name: _timed(lambda name=name: networks[name](seen[name]), chosen) for name in _INPUTS}  # type: ignore[misc]
        dvpm = _random("dvpm", "paper", chosen)
        once["dvpm"] = _timed(lambda: dvpm(apart), chosen)
    times = {name: 1 for name in once} | {"ovpm": _SIDES, "dvpm": _SIDES * _HELPERS}
    each = {name: seconds * times[name] for name, seconds in once.items()}
    return {"seconds": sum(each.values()), "networks": each}


def networks(device: str, size: str) -> dict[str, Any]:
    """Pictures a second of each network in batches of 16, in the form and precision that ``palsy assess`` takes."""
    import torch

    from palsy_cli.networks.device import autocast, choose_device, keep_freed_memory
    from palsy_cli.networks.layers import make_ready

    keep_freed_memory()
    chosen = choose_device(device)
    rates = {}
    for name in _INPUTS:
        network = _random(name, size, chosen)
        make_ready(network, chosen)
        x = _picture(network, name, _BATCH, chosen).to(memory_format=torch.channels_last)
        look = getattr(network, "tiles", network)  # of the landmark network, the part that is used
        with torch.inference_mode(), autocast(chosen):
            rates[name] = _BATCH / _timed(lambda look=look, x=x: look(x), chosen)  # type: ignore[misc]
    return {"batch": _BATCH, "per_second": rates}


#: Height, width and channels of what each network looks at; ``None`` where the network itself says which size it wants.
_INPUTS: dict[str, tuple[tuple[int, int] | None, int]] = {
    "retinaface": ((192, 320), 3),
    "landmark_fcn": ((96, 96), 1),
    "ovpm": (None, 3),
    "algrnet": (None, 3),
    "hb_cascade": (None, 3),
}


def _random(name: str, size: str, device: str) -> Any:
    """A network of random weights, in evaluation mode."""
    import torch

    from palsy_cli.networks.registry import build_network

    torch.manual_seed(0)
    return build_network(name, size).to(device).eval()


def _picture(network: Any, name: str, count: int, device: str) -> Any:
    """(count, channels, H, W) noise of the size that a network wants."""
    import torch

    sides, channels = _INPUTS[name]
    wanted = sides or getattr(network, "input_size", None) or network.crop
    height, width = (wanted, wanted) if isinstance(wanted, int) else wanted
    return torch.randn(count, channels, height, width, device=device)


def _timed(run: Callable[[], Any], device: str) -> float:
    """Median seconds of a call, the device's work included."""
    import torch

    seconds = []
    for _ in range(_TIMED + 1):
        started = time.perf_counter()
        run()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


PROBES: dict[str, Callable[..., dict[str, Any]]] = {
    "first-frame": first_frame,
    "decode": decode,
    "landmarker": landmarker,
    "literal": literal,
    "networks": networks,
}

if __name__ == "__main__":
    console.data(json.dumps(PROBES[sys.argv[1]](*sys.argv[2:])))
