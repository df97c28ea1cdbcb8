"""Where the project stands: its root, and its public address as `_config.yml` says it."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def repository() -> dict[str, str]:
    """The `repository` section of `_config.yml`: url, branch."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))["repository"]


def source_url(path: str, first: int | None = None, last: int | None = None) -> str:
    """The address of a file of the repository, with a range of lines where one is given."""
    where = repository()
    lines = f"#L{first}-L{last}" if first else ""
    return f"{where['url']}/blob/{where['branch']}/{path}{lines}"
