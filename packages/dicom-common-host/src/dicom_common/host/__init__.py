"""What a program imports: the configuration, the backends that it chooses, extensions and the policy.

The author of a plugin needs `dicom_common.core` only.
"""

from dicom_common.host._bearer import bearer_token
from dicom_common.host._config import Config, General
from dicom_common.host._contracts import CONTRACTS, Contract
from dicom_common.host._explain import Explained, explain
from dicom_common.host._extensions import Extensions
from dicom_common.host._health import health_within
from dicom_common.host._listen import listen
from dicom_common.host._loading import Plugins
from dicom_common.host._loopback import require_loopback
from dicom_common.host._plugin_metadata import (
    CHECKS,
    COMMANDS,
    CONFORMANCE,
    EXTENSION,
    KINDS,
    SERVERS,
    PluginInfo,
    installed_plugins,
)
from dicom_common.host._policy import Action, Needs, Policy, authorize
from dicom_common.host._seen_services import SeenServices
from dicom_common.host._server_tls import ServerTls, TlsClient, client_of, server_context
from dicom_common.host._services import Services
from dicom_common.host._tracebacks import TRACEBACKS

__all__ = [
    "CHECKS",
    "COMMANDS",
    "CONFORMANCE",
    "CONTRACTS",
    "EXTENSION",
    "KINDS",
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
