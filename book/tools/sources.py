"""The package's own pages in the site: each module's documentation, from its docstrings, and its source.

Links to a source file, such as `[pooling](../cmpie_lite/pooling.py#mmil)`, lead to these pages, so that the
site needs no other place for them. Files are read, never imported, so the tests have pages too.
"""

from __future__ import annotations

import ast
import html
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from book.tools.project import ROOT

FILES = ("cmpie_lite/**/*.py", "data_fetch/**/*.py", "tests/**/test_*.py")
LINK = re.compile(
    r"\[([^\]]+)\]\((?:\.\./|[a-z]+://[^)\s]+?/blob/[^/)\s]+/)((?:cmpie_lite|data_fetch|tests)/[\w/]+)\.py(?:#([\w.]+))?\)"
)
Definition = ast.FunctionDef | ast.ClassDef


class Name(NamedTuple):
    """One public function, class or method: its qualified name, its definition."""

    name: str
    node: Definition


class Module(NamedTuple):
    """One file: its path without `.py`, its docstring, its public names, its text."""

    path: str
    docstring: str
    names: list[Name]
    text: str

    @property
    def dotted(self) -> str:
        return self.path.removesuffix("/__init__").replace("/", ".")


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[Name]:
    """Functions and classes whose names do not begin with `_`, and the methods of the classes."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield Name(prefix + node.name, node)
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{node.name}.")


@cache
def modules(root: Path = ROOT) -> dict[str, Module]:
    """{path without `.py`: module}, for every file that holds anything."""
    found = {}
    for path in sorted(file for pattern in FILES for file in root.glob(pattern)):
        text = path.read_text(encoding="utf8")
        tree = ast.parse(text)
        if tree.body:
            name = path.relative_to(root).with_suffix("").as_posix()
            found[name] = Module(name, ast.get_docstring(tree) or "", list(public(tree.body)), text)
    return found


def first_sentence(docstring: str) -> str:
    """What a docstring says first, on one line."""
    return re.split(r"(?<!\bEq\.)(?<=\.)\s", " ".join(docstring.split("\n\n")[0].split()), maxsplit=1)[0]


def inline(text: str) -> str:
    """Escaped text whose `code` is code."""
    return re.sub(r"(``?)([^`]+)\1", r"<code>\2</code>", html.escape(text))


def breakable(name: str) -> str:
    """An escaped name that a narrow screen breaks after a dot, a slash or an underscore."""
    return re.sub(r"(?<=[A-Za-z0-9])([._/])(?=[A-Za-z0-9])", r"\1<wbr>", html.escape(name))


def flowing(docstring: str) -> str:
    """A docstring whose paragraphs and list items are one line each; what is indented stays as it is."""
    lines: list[str] = []
    for line in docstring.splitlines():
        before = lines[-1] if lines else ""
        item = before.startswith("- ") and line.startswith("  ") and not line.startswith("   ")
        if before.strip() and before[0] != " " and (item or line[:1] not in ("", " ", "-")):
            lines[-1] = f"{before} {line.strip()}"
        else:
            lines.append(line)
    return "\n".join(lines)


def signature(name: Name) -> str:
    """How a function is called, or a class made."""
    node = name.node
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {name.name}" + (f"({bases})" if bases else "")
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{name.name}({ast.unparse(node.args)}){returns}"


def section(name: Name) -> str:
    """One name: signature, documentation, a link to its lines."""
    level = 3 if "." in name.name else 2
    line = name.node.lineno
    words = inline(flowing(ast.get_docstring(name.node) or ""))
    return (
        f'<section id="{name.name}"><h{level}><code>{breakable(name.name)}</code></h{level}>'
        f'<pre class="signature"><code>{html.escape(signature(name))}</code></pre>'
        f'<div class="docstring">{words}</div><p><a href="#L{line}">Source, line {line}</a></p></section>'
    )


def listing(module: Module, source: Callable[[str], str]) -> str:
    """The whole file, highlighted, with a place to go to at each definition."""
    before, opening, code = source(module.text).partition("<pre>")
    lines = code.split("\n")
    for name in module.names:
        lines[name.node.lineno - 1] = f'<span id="L{name.node.lineno}">{lines[name.node.lineno - 1]}</span>'
    return before + opening + "\n".join(lines)


def page(module: Module, source: Callable[[str], str]) -> str:
    """The HTML of a module's page; `source` turns Python text into highlighted HTML."""
    return (
        f"<h1>{breakable(module.dotted)}</h1>"
        f'<div class="docstring">{inline(flowing(module.docstring))}</div>'
        + "".join(section(name) for name in module.names)
        + f'<section id="source"><h2>Source of {breakable(module.path)}.py</h2>'
        + f"{listing(module, source)}</section>"
    )


def anchor(text: str, path: str, name: str | None, here: str) -> str:
    """A link from the page `here` to a place in a source page; its text may hold Markdown.

    Raises:
        LookupError: there is no such file, or it has no such public name.
    """
    module = modules().get(path)
    if module is None or (name and name not in {known.name for known in module.names}):
        raise LookupError(
            f"{here}: there is no {path}.py" if module is None else f"{here}: {path}.py has no {name}"
        )
    target = os.path.relpath(f"source/{path}.html", os.path.dirname(here) or ".")
    return f'<a href="{target}{f"#{name}" if name else ""}">{text}</a>'


def with_links(markdown: str, here: str) -> str:
    """Markdown whose links to source files lead to source pages."""
    return LINK.sub(lambda link: anchor(link[1], link[2], link[3], here), markdown)


def markdown() -> str:
    """The list of the package's and the fetchers' modules, each with its first sentence and its names."""
    lines = []
    for folder, title in (("cmpie_lite", "The package"), ("data_fetch", "The fetchers")):
        lines += [f"## {title}", ""]
        for module in modules().values():
            if module.path.startswith(folder + "/"):
                names = ", ".join(
                    f"[`{n.name}`](../{module.path}.py#{n.name})" for n in module.names if "." not in n.name
                )
                what = first_sentence(module.docstring).rstrip(":.") + "."
                title = module.dotted.replace("_", r"\_")
                lines += [
                    f"[**{title}**](../{module.path}.py)",
                    f": {what}" + (f"<br>{names}" if names else ""),
                    "",
                ]
    return "\n".join(lines)
