"""Which runs are of the same data: by what was read, where they say so, else by the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def data_mark(summary: Mapping[str, Any]) -> str:
    """Return what is equal for runs of the same data, from ``summary.json``; empty where it does not say.

    That is the digest of the content, or of runs before it was recorded the fingerprint of the files.
    """
    data = summary.get("data", {})
    return str(data.get("content") or data.get("fingerprint") or "")


def split_mark(summary: Mapping[str, Any]) -> str:
    """Return what is equal for runs that split their images alike; empty for runs of before it was recorded."""
    return str(summary.get("data", {}).get("split") or "")


def data_marks(summary: Mapping[str, Any]) -> set[str]:
    """Return all by which a run's data may be known again."""
    data = summary.get("data", {})
    return {str(data[key]) for key in ("content", "fingerprint") if data.get(key)}


def tell_content(summaries: Iterable[dict[str, Any]]) -> None:
    """Add the content to the summaries of runs that lack it, where a run of the same files tells it.

    Args:
        summaries: Those of all runs; they are changed.
    """
    known: dict[str, Any] = {}
    lacking = []
    for data in (summary["data"] for summary in summaries if "data" in summary):
        if not (files := str(data.get("fingerprint") or "")):
            continue
        if data.get("content"):
            known.setdefault(files, data["content"])
        else:
            lacking.append((files, data))
    for files, data in lacking:
        data |= {"content": known[files]} if files in known else {}
