"""Where the project stands: its root, and its public address as `_config.yml` says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def config(root: Path = ROOT) -> dict[str, Any]:
    """All of `_config.yml`."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf8"))


def repository(root: Path = ROOT) -> dict[str, str]:
    """The `repository` section of `_config.yml`: url (empty while the book is not published), branch."""
    return config(root)["repository"]
