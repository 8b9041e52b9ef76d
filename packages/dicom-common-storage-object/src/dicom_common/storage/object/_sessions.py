"""Sessions of `requests` for the SDKs that are built on it (Google's and Microsoft's); S3 does not need this module."""

from __future__ import annotations

import logging
import re
import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from dicom_common.core.tls import Tls, client_context

__all__ = ["mount"]

_SIGNATURE = re.compile(r"(?i)((?:^|[?&])(?:sig|x-goog-signature|x-amz-signature)=)[^&\s]*")


def mount(session: requests.Session, tls: Tls, connections: int) -> None:
    """Let a session trust what `tls` says and nothing else, keep that many connections, and never try twice."""
    adapter = _Adapter(client_context(tls), connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    logging.getLogger("urllib3.connectionpool").addFilter(_hide_signatures)  # twice is once


def _hide_signatures(record: logging.LogRecord) -> bool:
    """Keep what is as good as a password out of urllib3's log of requests (level DEBUG)."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            _SIGNATURE.sub(r"\1***", value) if isinstance(value, str) else value for value in record.args
        )
    return True


class _Adapter(HTTPAdapter):
    """Connections with a TLS context of ours.

    Left to itself, requests adds its own bundle of authorities (certifi) to a context, or that of REQUESTS_CA_BUNDLE:
    a server of theirs would pass although `tls.ca` names another authority.
    """

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give the context to every connection."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Give it to those through a proxy, too."""
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Leave out what requests would set for TLS: the context says it all."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Add no authorities."""
