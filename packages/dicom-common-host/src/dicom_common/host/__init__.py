"""What a program imports: the configuration, the backends that it chooses, extensions and the policy.

The author of a plugin needs `dicom_common.core` only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.host._bearer import bearer_token as bearer_token
    from dicom_common.host._config import Config as Config, General as General
    from dicom_common.host._contracts import CONTRACTS as CONTRACTS, Contract as Contract
    from dicom_common.host._explain import Explained as Explained, explain as explain
    from dicom_common.host._extensions import Extensions as Extensions
    from dicom_common.host._health import health_within as health_within
    from dicom_common.host._listen import listen as listen
    from dicom_common.host._loading import Plugins as Plugins
    from dicom_common.host._loopback import require_loopback as require_loopback
    from dicom_common.host._plugin_metadata import (
        CHECKS as CHECKS,
        COMMANDS as COMMANDS,
        CONFORMANCE as CONFORMANCE,
        EXTENSION as EXTENSION,
        KINDS as KINDS,
        READER as READER,
        SERVERS as SERVERS,
        PluginInfo as PluginInfo,
        installed_plugins as installed_plugins,
    )
    from dicom_common.host._policy import Action as Action, Needs as Needs, Policy as Policy, authorize as authorize
    from dicom_common.host._seen_services import SeenServices as SeenServices
    from dicom_common.host._server_tls import (
        ServerTls as ServerTls,
        TlsClient as TlsClient,
        client_of as client_of,
        server_context as server_context,
    )
    from dicom_common.host._services import Services as Services
    from dicom_common.host._tracebacks import TRACEBACKS as TRACEBACKS

__all__ = [
    "CHECKS",
    "COMMANDS",
    "CONFORMANCE",
    "CONTRACTS",
    "EXTENSION",
    "KINDS",
    "READER",
    "SERVERS",
    "TRACEBACKS",
    "Action",
    "Config",
    "Contract",
    "Explained",
    "Extensions",
    "General",
    "Needs",
    "PluginInfo",
    "Plugins",
    "Policy",
    "SeenServices",
    "ServerTls",
    "Services",
    "TlsClient",
    "authorize",
    "bearer_token",
    "client_of",
    "explain",
    "health_within",
    "installed_plugins",
    "listen",
    "require_loopback",
    "server_context",
]

_HOMES = {
    "CHECKS": "_plugin_metadata",
    "COMMANDS": "_plugin_metadata",
    "CONFORMANCE": "_plugin_metadata",
    "CONTRACTS": "_contracts",
    "EXTENSION": "_plugin_metadata",
    "KINDS": "_plugin_metadata",
    "READER": "_plugin_metadata",
    "SERVERS": "_plugin_metadata",
    "TRACEBACKS": "_tracebacks",
    "Action": "_policy",
    "Config": "_config",
    "Contract": "_contracts",
    "Explained": "_explain",
    "Extensions": "_extensions",
    "General": "_config",
    "Needs": "_policy",
    "PluginInfo": "_plugin_metadata",
    "Plugins": "_loading",
    "Policy": "_policy",
    "SeenServices": "_seen_services",
    "ServerTls": "_server_tls",
    "Services": "_services",
    "TlsClient": "_server_tls",
    "authorize": "_policy",
    "bearer_token": "_bearer",
    "client_of": "_server_tls",
    "explain": "_explain",
    "health_within": "_health",
    "installed_plugins": "_plugin_metadata",
    "listen": "_listen",
    "require_loopback": "_loopback",
    "server_context": "_server_tls",
}
"""Where each name is. It is imported when it is used: a search needs no policy and no TLS of a server."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
