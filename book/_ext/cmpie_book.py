"""What the book adds to Sphinx: the paper's equation numbers, generated pages, inlined drawings.

- An equation labelled `eq-4` prints as (4) wherever it stands, and `page#eq-4` is a link that works.
- A page that holds `<!-- generated: ledger -->` gets the Markdown that `book.tools.ledger.markdown` returns,
  at each build.
- A notebook cell tagged `live-only` or `setup`, which is for a kernel, stays out of the page.
- A link to a source file leads to that module's own page in the site (`book.tools.sources`).
- Buttons that need the book's public address are there only where `_config.yml` states one.
- An image below `_static/diagram/` is put into the page itself, so that its lines take the theme's colour.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.transforms import Transform
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from book.tools import audit, citation, headline, ledger, register, reproduction, sources  # noqa: E402

log = logging.getLogger(__name__)

GENERATORS = {
    "audit": audit.markdown,
    "citation": citation.markdown,
    "headline": headline.markdown,
    "ledger": ledger.markdown,
    "package": sources.markdown,
    "register": register.markdown,
    "reproduction": reproduction.markdown,
}
MARK = re.compile(r"<!-- generated: (\w+) -->")


class PaperNumbers(Transform):
    """Number the labelled equations as the paper does and let links name them as `page#eq-4`."""

    default_priority = 400  # before MyST resolves links

    def apply(self, **kwargs: Any) -> None:
        env = self.document.settings.env
        domain, slugs = env.get_domain("math"), getattr(self.document, "myst_slugs", None)
        for node in self.document.findall(nodes.math_block):
            label = node.get("label") or ""
            if not label.startswith("eq-"):
                continue
            identity = label.removeprefix("eq-")
            if identity not in ledger.EQUATIONS:
                log.warning(
                    "equation label %r is not one of %s", label, ", ".join(ledger.EQUATIONS), location=node
                )
            node["number"] = ledger.printed(identity)
            domain.equations[label] = (env.docname, node["number"])
            entry = (node.line or 0, f"equation-{label}", f"Eq. {node['number']}")
            for table in (slugs, env.metadata[env.docname].setdefault("myst_slugs", {})):
                if table is not None:
                    table[label] = entry


class InlineDrawings(Transform):
    """Put the SVG in the place of an image of `_static/diagram/`, titled with its alternative text."""

    default_priority = 401

    def apply(self, **kwargs: Any) -> None:
        env = self.document.settings.env
        for number, node in enumerate(list(self.document.findall(nodes.image))):
            if "_static/diagram/" not in node["uri"]:
                continue
            path = ROOT / "book" / "_static" / "diagram" / Path(node["uri"]).name
            env.note_dependency(str(path))
            drawing = re.sub(r"<style>.*?</style>", "", path.read_text(encoding="utf8").strip())
            alt = html.escape(nodes.unescape(node.get("alt", "")))
            if not alt:
                log.warning("%s has no alternative text", path.name, location=node)
            drawing = re.sub(r'aria-label="[^"]*"><title>.*?</title>', f'aria-label="{alt}">', drawing)
            figure = f'<div class="diagram" id="diagram-{number}">{drawing}</div>'
            alone = isinstance(node.parent, nodes.paragraph) and len(node.parent) == 1
            (node.parent if alone else node).replace_self(nodes.raw("", figure, format="html"))


def only_with_an_address(app: Sphinx, config: Any) -> None:
    """No button for a repository, an issue or a launch while the book has no address."""
    options = config.html_theme_options
    published = bool(options.get("repository_url"))
    options["use_repository_button"] = options["use_issues_button"] = published
    if not published:
        options["launch_buttons"] = {}


def linked(text: str, here: str) -> str:
    """Markdown with its generated parts, and with links to source pages; a wrong one is a warning."""
    text = MARK.sub(lambda match: GENERATORS[match[1]](), text)
    try:
        return sources.with_links(text, here)
    except LookupError as error:
        log.warning("%s", error)
        return text


def insert_generated(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put in what is generated, and links to source pages; leave out a notebook's cells for a kernel only."""
    if not app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = linked(source[0], docname)
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        if {"live-only", "setup"} & set(cell["metadata"].get("tags", [])):
            cell["metadata"]["tags"].append("remove-cell")
        if cell["cell_type"] == "markdown":
            cell["source"] = linked("".join(cell["source"]), docname)
    source[0] = json.dumps(notebook)


def clear_source_pages(app: Sphinx) -> None:
    """Pages of modules that are gone do not stay behind."""
    shutil.rmtree(Path(app.outdir) / "source", ignore_errors=True)


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """One page for every module, as `sphinx.ext.viewcode` does for what autodoc imports."""
    if app.builder.name != "html":
        return
    sources.modules.cache_clear()
    for path, module in sources.modules().items():

        def highlighted(text: str) -> str:
            return app.builder.highlighter.highlight_block(text, "python")

        yield (
            f"source/{path}",
            {"title": module.dotted, "body": sources.page(module, highlighted)},
            "page.html",
        )


def report_gaps(app: Sphinx) -> None:
    """An equation without a cell, a function or a test is a warning, and so stops a strict build."""
    for gap in ledger.gaps():
        log.warning("equation ledger: %s", gap)


def generated_pages(
    app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Pages with generated content are read again at every build."""
    return [
        name for name in env.found_docs if MARK.search(Path(env.doc2path(name)).read_text(encoding="utf8"))
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(PaperNumbers)
    app.add_transform(InlineDrawings)
    app.connect("config-inited", only_with_an_address, priority=900)
    app.connect("builder-inited", report_gaps)
    app.connect("builder-inited", clear_source_pages)
    app.connect("source-read", insert_generated)
    app.connect("env-get-outdated", generated_pages)
    app.connect("html-collect-pages", source_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
