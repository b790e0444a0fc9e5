"""Downloads: an address is read whole, or not at all."""

from __future__ import annotations

import http.client
import urllib.request

_SECONDS = 30.0


class DownloadError(Exception):
    """Says in a few words why an address cannot be read."""


def fetch(url: str) -> bytes:
    """Return what lies at an address.

    Args:
        url: The address.

    Raises:
        DownloadError: If it cannot be reached, answers with an error or is silent for 30 seconds, or if the answer ends
            before it is complete.
    """
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the URL is the user's
            content: bytes = answer.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DownloadError(str(getattr(error, "reason", None) or error)) from error
    return content
