"""Per-side facial muscle activity, asymmetry, synkinesis and severity from a video.

Research use only; not a medical device. The Python entry point is :func:`assess`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palsy_cli.pipeline import assess as assess

__version__ = "0.1.0"
__all__ = ["__version__", "assess"]


def __getattr__(name: str) -> object:
    """Load the pipeline only when it is asked for: importing the package costs nothing."""
    if name == "assess":
        from palsy_cli.pipeline import assess

        return assess
    raise AttributeError(f"module 'palsy_cli' has no attribute {name!r}")
