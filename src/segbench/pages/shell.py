"""The parts of a self-contained page: nothing but the file itself, and nothing that it names is fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from segbench.words import visible


@cache
def page_environment(package: str) -> Environment:
    """Return the environment of a package's ``templates``: everything is escaped, and nothing in a text is hidden.

    Args:
        package: Name of the package.
    """
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def shared_style() -> str:
    """Return the style sheet of all pages: light and dark, wide and narrow, and for print."""
    return (files(__package__) / "style.css").read_text(encoding="utf-8")


def content_policy(style: str, scripts: Sequence[str] = ()) -> str:
    """Return the content security policy that allows this style, these scripts, pictures inside, and nothing else."""
    allowed = " ".join(_digest(script) for script in scripts) or "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {allowed};"
        " base-uri 'none'; form-action 'none'"
    )


def data_uri(content: bytes, kind: str) -> str:
    """Return a picture file's content as a data URI.

    Args:
        content: The file.
        kind: As in its media type: ``png``, ``jpeg``, ``svg+xml``.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shown(value: Any) -> Any:
    """Return what a page shows of a value: a text without anything hidden; markup is made of such texts."""
    return visible(value, lines=True) if type(value) is str else value
