"""Why TLS to a peer fails, in words that say what to do."""

from __future__ import annotations

import socket
import ssl
from typing import Final

__all__ = ["tls_problem"]

_CERTIFICATES: Final = {
    9: "its certificate is not valid yet: check the clocks of both machines",
    10: "its certificate has expired: it needs a new one",
}
"""By the codes of OpenSSL, X509_V_ERR."""
_OTHER_NAME: Final = (62, 64)
"""A host name, or an IP address, that the certificate does not have."""
_ALERT_SECONDS: Final = 2.0
"""Seconds that an alert of the peer may take behind the handshake."""
_NO_TLS: Final = "it does not answer with TLS: correct its port, or remove its table tls"


def tls_problem(host: str, port: int, context: ssl.SSLContext, seconds: float) -> str:
    """Connect once more, without asking for an association, to say why TLS fails; "" if it does not.

    The connection that failed may not know: what the peer thinks of our certificate comes behind the handshake (TLS
    1.3), and is lost where the peer then closes a connection on which something was sent.

    Args:
        host: the peer's, which its certificate has to be for.
        port: the peer's.
        context: ours.
        seconds: that it may take to connect, and for the handshake.
    """
    try:
        connection = socket.create_connection((host, port), seconds)
    except OSError:
        return ""
    with connection:
        try:
            connection = context.wrap_socket(connection, server_hostname=host)
        except ssl.SSLError as error:
            return _sentence(error, host)
        except OSError:
            return _NO_TLS
    with connection:
        connection.settimeout(min(seconds, _ALERT_SECONDS))
        try:
            connection.recv(1)
        except ssl.SSLError as error:
            return _sentence(error, host)
        except OSError:
            pass
    return ""


def _sentence(error: ssl.SSLError, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            return f"its certificate is not for {host}: set host to a name of the certificate, or issue it for {host}"
        return _CERTIFICATES.get(error.verify_code, "its certificate is not from an authority that tls.ca of it names")
    reason = error.reason or ""
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return "it wants a certificate of ours, or shares no cipher: set tls.certificate and tls.key of the peer"
    if "CERT" in reason or "UNKNOWN_CA" in reason:
        return "it does not accept our certificate: set a tls.certificate of the peer that comes from its authority"
    return _NO_TLS if "ALERT" not in reason else f"TLS fails ({reason.replace('_', ' ').lower()})"
