"""How to cite the paper and the book, made from CITATION.cff."""

from __future__ import annotations

from typing import Any

import yaml

from book.tools.project import ROOT


def citation() -> dict[str, Any]:
    """CITATION.cff: version, date, licence, authors, the paper."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))


def markdown() -> str:
    """BibTeX of the paper and of the book, as a block of code."""
    said = citation()
    paper = said["preferred-citation"]
    names = " and ".join(f"{who['family-names']}, {who['given-names']}" for who in paper["authors"])
    address = [f"  url     = {{{said['repository-code']}}},"] if "repository-code" in said else []
    lines = [
        "@inproceedings{cmpie,",
        f"  author    = {{{names}}},",
        f"  title     = {{{paper['title']}}},",
        f"  booktitle = {{{paper['collection-title']}}},",
        f"  year      = {{{paper['year']}}},",
        f"  url       = {{{paper['url']}}},",
        "}",
        "@software{cmpie_lite,",
        f"  author  = {{{{{said['authors'][0]['name']}}}}},",
        f"  title   = {{{said['title']}}},",
        f"  version = {{{said['version']}}},",
        f"  date    = {{{said['date-released']}}},",
        *address,
        "}",
    ]
    return "\n".join(["```bibtex", *lines, "```"])
