"""What a shared link shows, and the pages that no chapter is: description and card, root page, 404, sitemap.

Version, date and licence are those of CITATION.cff. Canonical links and the sitemap need the book's address.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from book.tools import citation

PDF = citation.ROOT / "out" / "book.pdf"  # `make print` writes it


def summary(doctree: nodes.document) -> str:
    """A page's first paragraph of its own, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if isinstance(paragraph.parent, nodes.section) and len(text) > 40:
            return text if len(text) <= 200 else text[:199].rsplit(" ", 1)[0] + " …"
    return ""


def describe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Description, OpenGraph card, and a footer with version, date, licence and how to cite."""
    book, base = app.config.html_title, app.config.html_baseurl
    title = html.escape(re.sub(r"<[^>]*>", "", context.get("title", "")) or book)
    words = html.escape(summary(doctree) if doctree else "") or f"{title}: a page of {book}."
    card = f"{base}_static/card.png" if base else context["pathto"]("_static/card.png", 1)
    tags = {"type": "article", "title": title, "description": words, "site_name": book, "image": card}
    lines = [f'<meta name="description" content="{words}" />']
    lines += [f'<meta property="og:{name}" content="{value}" />' for name, value in tags.items()]
    lines += ['<meta name="twitter:card" content="summary_large_image" />']
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])
    said = citation.citation()
    cite = context["pathto"]("book/references").rstrip("#") + "#cite-this-book"
    pdf = f' <a href="{context["pathto"]("book.pdf", 1)}">The book as a PDF</a>.' if PDF.is_file() else ""
    context["theme_extra_footer"] = (
        f"<p>Version {said['version']}, {said['date-released']}. Licence: {said['license']}. "
        f'<a href="{cite}">Cite this book</a>.{pdf}</p>'
    )


def lost_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for addresses that do not exist."""
    if app.builder.name == "html":
        start = app.builder.get_relative_uri("404", app.config.root_doc)
        body = f'<h1>No such page</h1><p>Nothing is here. <a href="{start}">Go to the first page</a>.</p>'
        yield "404", {"title": "No such page", "body": body}, "page.html"


def once_titled(page: str) -> str:
    """The first page, whose title is the book's: once, not twice."""
    return re.sub(r"<title>(.*?) &#8212; \1</title>", r"<title>\1</title>", page)


def at_the_root(page: str, folder: str) -> str:
    """A page of a folder as it must read one level up: its relative addresses begin with the folder."""

    def moved(match: re.Match[str]) -> str:
        address = match[2]
        if not address or urlsplit(address).scheme or address.startswith(("#", "/")):
            return match[0]
        return f'{match[1]}="{os.path.normpath(f"{folder}/{address}")}"'

    page = re.sub(r'\b(href|src|action|poster)="([^"]*)"', moved, page)
    page = page.replace('content="../', 'content="')
    page = page.replace("s.src = '../", "s.src = '")
    return page.replace('data-content_root="../"', 'data-content_root="./"')


def sitemap(base: str, pages: list[str]) -> str:
    """Every page's full address."""
    entries = "".join(f"<url><loc>{html.escape(base + page)}</loc></url>" for page in pages)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0" encoding="utf-8"?><urlset xmlns="{space}">{entries}</urlset>'


def write_shared_pages(app: Sphinx, error: Exception | None) -> None:
    """The root page is the first page; with an address there is a sitemap, and 404 serves at any depth."""
    if error or app.builder.name != "html":
        return
    site, base = Path(app.outdir), app.config.html_baseurl
    start = site / f"{app.config.root_doc}.html"
    if PDF.is_file():
        shutil.copy(PDF, site / "book.pdf")
    folder = start.parent.relative_to(site).as_posix()
    first = once_titled(start.read_text(encoding="utf8"))
    start.write_text(first, encoding="utf8")
    (site / "index.html").write_text(at_the_root(first, folder), encoding="utf8")
    if base:
        lost = site / "404.html"
        text = lost.read_text(encoding="utf8").replace("<head>", f'<head><base href="{base}" />')
        lost.write_text(text, encoding="utf8")
        names = sorted(app.builder.get_target_uri(name) for name in app.env.all_docs)
        (site / "sitemap.xml").write_text(sitemap(base, names), encoding="utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", describe, priority=950)
    app.connect("html-collect-pages", lost_page)
    app.connect(
        "build-finished", write_shared_pages, priority=980
    )  # after `delivery`, after the table of contents
    return {"parallel_read_safe": True, "parallel_write_safe": True}
