"""Small documents of an issuer, over verified TLS: no redirects, a limit in size, a limit in time for the whole."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import SplitResult

from dicom_common.auth.jose._check import Check, failed
from dicom_common.auth.jose._strict_json import parse_object
from dicom_common.auth.jose._urls import is_plain_http, split_url
from dicom_common.core import UnavailableError
from dicom_common.core.tls import Tls, client_context
from dicom_common.toolkit import call_within

__all__ = ["ANSWER_CHECKS", "DISCOVERY_CHECKS", "Fetch", "discovered_keys", "fetcher"]

MOST_BYTES = 65_536
_WELL_KNOWN = "/.well-known/openid-configuration"

Fetch = Callable[[str], bytes]
"""Gets the body of a URL, or raises UnavailableError."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    encoding: str
    body: bytes = field(repr=False)


ANSWER_CHECKS = (
    Check(
        "answer-status",
        lambda answer: answer.status == http.client.OK,
        "the status is not 200; redirects are not followed",
    ),
    Check("answer-size", lambda answer: len(answer.body) <= MOST_BYTES, "it is larger than 64 kB"),
    Check("answer-encoding", lambda answer: answer.encoding in ("", "identity"), "it is compressed"),
)


@dataclass(frozen=True, slots=True)
class _Discovery:
    issuer: str
    document: dict[str, Any]


DISCOVERY_CHECKS = (
    Check(
        "discovery-issuer",
        lambda found: found.document.get("issuer") == found.issuer,
        "it is that of another issuer: write its issuer exactly as the document has it",
    ),
    Check(
        "discovery-plain",
        lambda found: is_plain_http(found.issuer) or not is_plain_http(str(found.document.get("jwks_uri"))),
        "its jwks_uri is without TLS",
    ),
)


def fetcher(tls: Tls, time_limit: float) -> Fetch:
    """Return what fetches, each time within a limit in seconds.

    Raises:
        ConfigError: a file of `tls` cannot be used.
    """
    context = cache(lambda: client_context(tls))  # some 10 ms, which plain HTTP on this machine does not need
    if tls != Tls():
        context()

    def fetch(url: str) -> bytes:
        parts = split_url(url)
        if parts is None:
            raise UnavailableError(
                "The issuer names a URL for its keys that is not asked: it has to begin with https://."
            )
        try:
            # The time limit of a socket begins anew with each byte; a server that drips them would hold us for hours.
            answer = call_within(time_limit, _get, parts, context, time_limit)
        except TimeoutError as error:
            raise UnavailableError(f"{url} does not answer within {time_limit:g} s.") from error
        except ssl.SSLError as error:
            raise UnavailableError(f"{url} cannot be verified: {(error.reason or 'TLS failed').lower()}.") from error
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"{url} cannot be reached ({type(error).__name__}).") from error
        check = failed(ANSWER_CHECKS, answer)
        if check is not None:
            raise UnavailableError(f"The answer of {url} is not accepted: {check.refusal}.")
        return answer.body

    return fetch


def discovered_keys(issuer: str, fetch: Fetch) -> str:
    """Return the `jwks_uri` of an issuer's discovery document (OpenID Connect Discovery 1.0, 4.3).

    Raises:
        UnavailableError: the document is missing or not accepted.
    """
    url = issuer.rstrip("/") + _WELL_KNOWN
    document = parse_object(fetch(url))
    if document is None:
        raise UnavailableError(f"{url} gives no JSON object.")
    check = failed(DISCOVERY_CHECKS, _Discovery(issuer, document))
    if check is not None:
        raise UnavailableError(f"The document {url} is not accepted: {check.refusal}.")
    return str(document.get("jwks_uri"))


def _get(parts: SplitResult, context: Callable[[], ssl.SSLContext], time_limit: float) -> _Answer:
    host = parts.hostname or ""
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=time_limit, context=context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=time_limit)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/json", "Connection": "close"})
        response = connection.getresponse()
        body = response.read(MOST_BYTES + 1)
        return _Answer(response.status, response.getheader("Content-Encoding", "").strip().lower(), body)
    finally:
        connection.close()
