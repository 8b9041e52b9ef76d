"""What went wrong below HTTP, from whatever an SDK makes of it; and which endpoints are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from dicom_common.core import BackendError, ConfigError, RefusedError, UnavailableError
from dicom_common.core.tls import Tls
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["checked_endpoint", "connection_error", "place_of", "secure_session"]

_NOT_TRUSTED = (
    "The certificate of {host} is not trusted: name the authority that issued it in the setting tls.ca, or correct the"
    " setting {setting}."
)
_BROKEN = "The connection to {host} broke: try again."
# The codes are the names of the errors of ssl, socket, urllib3, requests and azure.core; the surest come first.
_MEANINGS = Meanings(
    (
        Meaning(RefusedError, _NOT_TRUSTED, codes=("SSLCertVerificationError",)),
        Meaning(RefusedError, _NOT_TRUSTED, words=("CERTIFICATE_VERIFY_FAILED",)),
        Meaning(
            UnavailableError,
            "The host {host} is not known: correct the setting {setting}, or mend the name service.",
            codes=("gaierror", "NameResolutionError"),
        ),
        Meaning(
            UnavailableError,
            "Nothing listens at {host}: check the setting {setting}, or start the store.",
            codes=("ConnectionRefusedError",),
        ),
        Meaning(
            UnavailableError,
            "{host} did not take a connection within connect_timeout: check the setting {setting} and the network.",
            codes=("ConnectTimeout", "ConnectTimeoutError"),
        ),
        Meaning(
            UnavailableError,
            "{host} did not answer within read_timeout: try again, or raise that setting.",
            codes=("ReadTimeout", "ReadTimeoutError", "TimeoutError", "ServiceResponseTimeoutError"),
        ),
        Meaning(
            UnavailableError,
            "The proxy on the way to {host} failed: check HTTPS_PROXY and NO_PROXY.",
            codes=("ProxyError",),
        ),
        Meaning(
            UnavailableError,
            "Nothing listens at {host}: check the setting {setting}, or start the store.",
            codes=("NewConnectionError",),
        ),
        Meaning(UnavailableError, _BROKEN, codes=("SSLEOFError", "SSLZeroReturnError")),
        Meaning(
            RefusedError,
            "TLS with {host} failed: check the settings {setting}, tls.mode and tls.certificate, and what the server"
            " speaks and asks for.",
            codes=("SSLError",),
        ),
        Meaning(UnavailableError, _BROKEN),
    ),
    {},
)


def checked_endpoint(endpoint: str, tls: Tls, setting: str = "endpoint") -> SplitResult:
    """Take an endpoint apart, and refuse what would send credentials and images in the clear.

    One without a scheme, as `host` or `host:port`, gets that which `tls` asks for.

    Raises:
        ConfigError: it is not a URL, or http where TLS is wanted, or https where it is off.
    """
    try:
        url = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        host, _ = url.hostname, url.port
    except ValueError:
        host = None
    if not host or url.scheme not in ("", "http", "https"):
        raise ConfigError(
            f"The setting {setting} of the storage has to be host, host:port, or a URL of these with https:// or"
            " http://."
        )
    if url.username is not None or url.query or url.fragment:
        raise ConfigError(f"The setting {setting} of the storage has to be a URL without user, query and fragment.")
    wanted = tls.wanted(host)
    if url.scheme == "http" and wanted:
        raise ConfigError(
            f"The setting {setting} of the storage begins with http:// and names another machine: use https://, or set"
            " tls.mode = 'off' where the network itself is protected."
        )
    if url.scheme == "https" and tls.mode == "off":
        raise ConfigError(f"The setting {setting} of the storage begins with https://, but tls.mode is 'off'.")
    return url._replace(scheme=url.scheme or ("https" if wanted else "http"), path=url.path.rstrip("/"))


def place_of(endpoint: SplitResult, container: str, prefix: str) -> str:
    """Return where the objects of a bucket or container lie, as `Backend.place` has it."""
    return f"object://{endpoint.netloc}{endpoint.path}/{container}/{prefix}"


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
    names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    return _MEANINGS.error(error, *names, text=" ".join(map(str, causes)), host=host, setting=setting)


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
