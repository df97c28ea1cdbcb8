"""The whole book as one PDF: a one-page build, printed by Chromium.

python book/tools/print.py [--out out/book.pdf]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from book.tools.browser import Browser
from book.tools.check_use import WIDTH
from book.tools.project import ROOT

# All pictures are loaded, what shrinks to fit does so in the width of the paper, and a link to a page of the
# site, which paper does not have, is none.
READY = """(async () => {
  window.dispatchEvent(new Event("beforeprint"));
  const contents = 'p.caption[role="heading"], #jb-print-toc h2'; // no entries of the outline
  document.querySelectorAll(contents).forEach((part) => { part.role = "none"; });
  document.querySelectorAll('a[href]').forEach((link) => {
    const within = link.getAttribute("href").startsWith("#");
    if (link.protocol === "file:" && !within) link.removeAttribute("href"); });
  document.querySelectorAll("img").forEach((image) => { image.loading = "eager"; });
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
  window.dispatchEvent(new Event("resize")); })()"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "book.pdf")
    args = parser.parse_args()
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    build = [str(jupyter_book), "build", str(ROOT), "--builder", "singlehtml"]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    folder = ROOT / "_build" / "singlehtml"
    page = folder / "print.html"  # the builder writes paths as if the page stood here
    shutil.copy(folder / "book" / "intro.html", page)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        browser.open(page.as_uri(), WIDTH, "light")
        browser.send("Emulation.setEmulatedMedia", media="print")
        browser.evaluate(READY)
        browser.pdf(args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
