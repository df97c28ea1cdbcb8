"""Give the book its public address, or take it away: the one command that knows every place.

    make address URL=https://github.com/OWNER/NAME     sets it everywhere
    make address URL=                                  the book is not published: no link pretends that it is

The places: `_config.yml` (buttons, canonical links, sitemap), `CITATION.cff`, the badges of `README.md`, and
in the notebooks the set-up cell and the links to source files. A Git address of another kind (`file:///...`)
serves as well; only GitHub's has Colab buttons and a site of its own, so give `SITE=` for the others.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import nbformat

from book.tools.execute import normalise
from book.tools.project import ROOT, config, repository

SOURCE = r"(?:cmpie_lite|data_fetch|tests|book)/[\w/]+\.py"
BADGES = re.compile(r"(<!-- badges -->\n).*?(<!-- /badges -->)", re.S)


def checked(url: str) -> str:
    """The address without a slash or `.git` at its end.

    Raises:
        ValueError: it is no address of a Git repository.
    """
    url = url.strip().rstrip("/").removesuffix(".git")
    parts = urlsplit(url)
    wanted = 2 if parts.scheme == "https" else 1
    if url and (parts.scheme not in ("https", "file") or len(parts.path.strip("/").split("/")) < wanted):
        raise ValueError(
            f"got the address {url!r}, expected https://github.com/OWNER/NAME, or nothing to clear it"
        )
    return url


def site_of(url: str) -> str:
    """Where GitHub Pages serves a repository; empty for other hosts."""
    parts = urlsplit(url)
    if parts.hostname != "github.com":
        return ""
    owner, name = parts.path.strip("/").split("/")[:2]
    return f"https://{owner.lower()}.github.io/" + (
        "" if name.lower() == f"{owner.lower()}.github.io" else f"{name}/"
    )


def set_config(text: str, url: str, site: str) -> str:
    """`_config.yml` with `repository.url` and `html.baseurl`; comments and order stay."""
    text = re.sub(r"^(repository:\n  url:).*$", rf'\1 "{url}"', text, count=1, flags=re.M)
    return re.sub(r"^(  baseurl:).*$", rf'\1 "{site}"', text, count=1, flags=re.M)


def set_citation(text: str, url: str) -> str:
    """`CITATION.cff` with `repository-code`, or without."""
    text = re.sub(r"^repository-code:.*\n", "", text, flags=re.M)
    return re.sub(
        r"^(license:.*\n)", rf'\1repository-code: "{url}"\n' if url else r"\1", text, count=1, flags=re.M
    )


def set_badges(text: str, url: str, site: str) -> str:
    """README with badges between its two marks; none without an address."""
    badges = []
    if urlsplit(url).hostname == "github.com":
        name, branch = urlsplit(url).path.strip("/"), repository()["branch"]
        colab = f"https://colab.research.google.com/github/{name}/blob/{branch}/notebooks/00_task.ipynb"
        badges = [
            f"[![tests]({url}/actions/workflows/tests.yml/badge.svg)]({url}/actions/workflows/tests.yml)",
            f"[![Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})",
            f"[![Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{name}/{branch})",
        ]
    badges += [f"[Read the book]({site})"] if site else []
    return BADGES.sub(lambda mark: mark[1] + "".join(f"{badge}\n" for badge in badges) + mark[2], text)


def set_links(text: str, url: str, branch: str) -> str:
    """A notebook's Markdown; links to source files are full where there is an address, as on Colab."""
    before = f"{url}/blob/{branch}/" if url else "../"
    return re.sub(
        rf"\]\((?:\.\./|https?://[^)\s]+?/blob/[^/)\s]+/|file://[^)\s]+?/blob/[^/)\s]+/)({SOURCE})",
        rf"]({before}\1",
        text,
    )


def rewrite(path: Path, text: str) -> bool:
    """Write a file where its text has changed."""
    changed = path.read_text(encoding="utf8") != text
    if changed:
        path.write_text(text, encoding="utf8")
    return changed


def set_notebook(path: Path, root: Path) -> bool:
    """One notebook's links and set-up cell. Outputs stay."""
    before = path.read_text(encoding="utf8")
    notebook, where = nbformat.reads(before, as_version=4), repository(root)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = set_links(cell.source, where["url"], where["branch"])
    return rewrite(path, nbformat.writes(normalise(notebook, where["url"])) + "\n")


def set_address(url: str, site: str | None = None, root: Path = ROOT) -> list[Path]:
    """Set the address in every place below `root`; returns the files that changed.

    Raises:
        ValueError: `url` is no address of a Git repository.
    """
    url = checked(url)
    site = site_of(url) if site is None else site
    makers = {
        "_config.yml": lambda text: set_config(text, url, site),
        "CITATION.cff": lambda text: set_citation(text, url),
        "README.md": lambda text: set_badges(text, url, site),
    }
    changed = [
        root / name
        for name, make in makers.items()
        if rewrite(root / name, make((root / name).read_text(encoding="utf8")))
    ]
    said = config(root)
    if (said["repository"]["url"], said["html"]["baseurl"]) != (url, site):
        raise ValueError(
            f"{root / '_config.yml'} has no lines `url:` below `repository:` and `baseurl:` below `html:`"
        )
    return changed + [
        path for path in sorted((root / "notebooks").glob("*.ipynb")) if set_notebook(path, root)
    ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="https://github.com/OWNER/NAME; an empty one takes the address away")
    parser.add_argument("--site", help="where the site is served; default: GitHub Pages of a GitHub address")
    chosen = parser.parse_args(arguments)
    try:
        changed = set_address(chosen.url, chosen.site or None)
    except ValueError as error:
        print(f"address: {error}", file=sys.stderr)
        return 2
    print(*(f"changed {path.relative_to(ROOT)}" for path in changed), sep="\n")
    print(f"the address is {repository()['url'] or 'not set'}; now: make book")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
