"""What went wrong below HTTP, from whatever an SDK makes of it; and which endpoints are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from dicom_common.core import BackendError, ConfigError, RefusedError, UnavailableError
from dicom_common.core.tls import Tls

__all__ = ["checked_endpoint", "connection_error", "secure_session"]

# By the names of the errors of ssl, socket, urllib3, requests and azure.core, the surest first.
_SENTENCES = (
    (
        {"gaierror", "NameResolutionError"},
        "The host {host} is not known: correct the setting {setting}, or mend the name service.",
    ),
    (
        {"ConnectTimeout", "ConnectTimeoutError"},
        "{host} did not take a connection within connect_timeout: check the setting {setting} and the network.",
    ),
    (
        {"ReadTimeout", "ReadTimeoutError", "TimeoutError", "ServiceResponseTimeoutError"},
        "{host} did not answer within read_timeout: try again, or raise that setting.",
    ),
    ({"ProxyError"}, "The proxy on the way to {host} failed: check HTTPS_PROXY and NO_PROXY."),
    (
        {"ConnectionRefusedError", "NewConnectionError"},
        "Nothing listens at {host}: check the setting {setting}, or start the store.",
    ),
)


def checked_endpoint(endpoint: str, tls: Tls, setting: str = "endpoint") -> SplitResult:
    """Take an endpoint apart, and refuse what would send credentials and images in the clear.

    Raises:
        ConfigError: it is no URL, or http where TLS is wanted, or https where it is off.
    """
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigError(f"The setting {setting} of the storage has to be a URL that begins with https:// or http://.")
    if url.username is not None or url.query or url.fragment:
        raise ConfigError(f"The setting {setting} of the storage has to be a URL without user, query and fragment.")
    if url.scheme == "http" and tls.wanted(url.hostname):
        raise ConfigError(
            f"The setting {setting} of the storage begins with http:// and names another machine: use https://, or say"
            " tls.mode = 'off' where the network itself is protected."
        )
    if url.scheme == "https" and tls.mode == "off":
        raise ConfigError(f"The setting {setting} of the storage begins with https://, but tls.mode is 'off'.")
    return url


def secure_session(session: Any, tls: Tls, connections: int) -> None:
    """Let a session of `requests` trust what `tls` says and nothing else, keep that many connections, and never retry.

    It also keeps the signatures of signed URLs out of the log of urllib3.

    Raises:
        ConfigError: a file of `tls` cannot be used.
    """
    from dicom_common.storage.object._sessions import mount  # noqa: PLC0415 - S3 does without requests

    mount(session, tls, connections)


def connection_error(error: BaseException, host: str, setting: str = "endpoint") -> BackendError:
    """Make the error, with its sentence, of what happened before or while a store answered."""
    causes = list(_causes(error))
    texts = " ".join(str(cause) for cause in causes)
    names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    if "SSLCertVerificationError" in names or "CERTIFICATE_VERIFY_FAILED" in texts:
        return RefusedError(
            f"The certificate of {host} is not trusted: name the authority that issued it in the setting tls.ca, or"
            f" correct the setting {setting}."
        )
    if "SSLError" in names and not names & {"SSLEOFError", "SSLZeroReturnError", "TimeoutError"}:
        return RefusedError(
            f"TLS with {host} failed: check the settings {setting}, tls.mode and tls.certificate, and what the server"
            " speaks and asks for."
        )
    for kinds, sentence in _SENTENCES:
        if names & kinds:
            return UnavailableError(sentence.format(host=host, setting=setting))
    return UnavailableError(f"The connection to {host} broke: try again.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk through an error and all that it was made of: SDKs keep the cause in different places."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (getattr(cause, name, None) for name in ("reason", "inner_exception", "__cause__", "__context__"))
        waiting.extend((*inner, *cause.args))
