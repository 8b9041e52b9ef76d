"""Which URLs are asked for keys: https, and http on this very machine only."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit

from dicom_common.auth.jose._check import Check, failed
from dicom_common.core import ConfigError
from dicom_common.core.tls import is_local

__all__ = ["URL_CHECKS", "is_plain_http", "refuse_url", "split_url"]

URL_CHECKS = (
    Check(
        "url-scheme",
        # `is_local` takes no host at all for this machine.
        lambda url: bool(url.hostname) and (url.scheme == "https" or (url.scheme == "http" and is_local(url.hostname))),
        "it has to begin with https:// and a host (http:// is for this machine only)",
    ),
    Check("url-user", lambda url: "@" not in url.netloc, "it must not hold a user or password"),
    Check("url-fragment", lambda url: not url.fragment, "it must not have a fragment"),
)


def split_url(text: Any) -> SplitResult | None:
    """Return the parts of a URL, or None where it is not one that we would ask."""
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
        return None
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - reading it is what refuses a port that is no number
    except ValueError:
        return None
    return None if failed(URL_CHECKS, url) else url


def is_plain_http(text: str) -> bool:
    """Tell whether a URL is one without TLS."""
    return text.lower().startswith("http:")


def refuse_url(text: str, setting: str) -> None:
    """Refuse a setting that is no URL to ask.

    Raises:
        ConfigError: it is not valid.
    """
    if split_url(text) is None:
        rules = "; ".join(check.refusal for check in URL_CHECKS)
        raise ConfigError(f"{setting} has to be a URL of ASCII characters: {rules}")
