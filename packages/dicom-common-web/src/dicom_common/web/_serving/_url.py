"""How clients reach the socket that is listened on."""

from __future__ import annotations

import ipaddress
import socket

from dicom_common.web._settings import WebSettings

__all__ = ["url_of"]


def url_of(settings: WebSettings, listening: socket.socket) -> tuple[str, bool]:
    """Return the URL of the site's root, with the port that is really listened on, and whether others can use it.

    `0.0.0.0` and `::` are no addresses of a server: there, links follow the request.
    """
    host = settings.host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        shown, usable = host, bool(host)
    else:
        shown, usable = f"[{host}]" if address.version == 6 else host, not address.is_unspecified
    scheme = "https" if settings.tls is not None else "http"
    port = listening.getsockname()[1]
    default = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{shown}" + (f":{port}" if port != default else ""), usable
