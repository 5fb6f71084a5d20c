"""``python -m palsy_cli`` is ``palsy``."""

from __future__ import annotations

from palsy_cli.cli import main

if __name__ == "__main__":
    main()
