"""The errors that a user may meet: each is one line (what, where, what to do next) and one exit code."""

from __future__ import annotations

from palsy_cli.text import one_line


class PalsyError(Exception):
    """Base of every expected failure; anything else that escapes is a bug (exit 1).

    The message is one line that may be shown anywhere, whatever names and cells it quotes.
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))


class UsageError(PalsyError):
    """The command or a setting is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown, has the wrong type or lies outside its range."""


class InputError(PalsyError):
    """The input cannot be used."""

    exit_code = 3


class VideoError(InputError):
    """The file is no readable video or image."""


class NoFaceError(InputError):
    """No frame shows a face that can be assessed."""


class DatasetError(InputError):
    """A data set is absent, incomplete or damaged."""


class ModelError(PalsyError):
    """A weight file is missing, damaged or does not fit."""

    exit_code = 4


class SelftestError(PalsyError):
    """This installation does not do what it did when it was made: code, settings or a library under it changed."""
