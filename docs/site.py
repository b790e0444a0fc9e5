"""What the site shows that does not lie in docs/: a hook of mkdocs (mkdocs.yml).

The README is its first page; CHANGELOG.md, results/ and the notebook are pages too. Links lead from file to file in the
repository, and from page to page on the site.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
OVERVIEW = "results/index.html"
NOTEBOOK = "docs/first_comparison.ipynb"
# Files that have another name on the site. There results/README.md would become index.html, which is there already.
NAMES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "results/README.md": "results/overview.md",
    NOTEBOOK: "first_comparison.md",
}
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s:]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures from outside docs/."""
    for path in ["README.md", "CHANGELOG.md", *_results()]:
        files.append(File.generated(config, _on_site(path), abs_src_path=str(ROOT / path)))
    overview = (ROOT / OVERVIEW).read_text("utf-8")
    files.append(
        File.generated(config, OVERVIEW, content=re.sub(r'(?<=href=")([\w-]+)\.md(?=[#"])', r"\1.html", overview))
    )
    files.append(File.generated(config, _on_site(NOTEBOOK), content=as_markdown((ROOT / NOTEBOOK).read_text("utf-8"))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files of the repository lead to their pages."""
    here = _in_repository(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        there = _on_site(posixpath.normpath(posixpath.join(posixpath.dirname(here), link["path"])))
        return posixpath.relpath(there, posixpath.dirname(page.file.src_uri) or ".")

    return _LINK.sub(moved, markdown)


def as_markdown(notebook: str) -> str:
    """Return a notebook as a page: its text, its code, and what the code showed."""
    parts = []
    for cell in json.loads(notebook)["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text", "")})
            shown = "".join(data["text/html"]) if "text/html" in data else None
            parts.append(_html(shown) if shown else f"```text\n{''.join(data['text/plain'])}\n```")
    return "\n\n".join(parts) + "\n"


def _html(shown: str) -> str:
    # A blank line would end the HTML for Markdown.
    lines = re.sub(r"\n\s*\n", "\n", shown)
    return f'<div class="shown">{lines}</div>'


def _results() -> list[str]:
    found = (ROOT / "results").rglob("*")
    return sorted(path.relative_to(ROOT).as_posix() for path in found if path.suffix in {".md", ".png"})


def _on_site(path: str) -> str:
    return NAMES.get(path, path.removeprefix("docs/"))


def _in_repository(page: str) -> str:
    known = {name: path for path, name in NAMES.items()}
    return known.get(page, page if page.startswith("results/") else f"docs/{page}")
