"""The core of dicom-common: hook specifications, Protocols, records, configuration and plugin loading.

It knows nothing of DICOM files, of databases or of any SDK; packages that do are plugins, found by their entry points.
Every name is imported when it is first used (PEP 562): a plugin's `hookimpl` must not cost what `Services` costs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.core._attributes import (
        ATTRIBUTES as ATTRIBUTES,
        ATTRIBUTES_BY_KEYWORD as ATTRIBUTES_BY_KEYWORD,
        Attribute as Attribute,
        Level as Level,
    )
    from dicom_common.core._audit import (
        AuditedStudy as AuditedStudy,
        AuditEvent as AuditEvent,
        AuditKind as AuditKind,
        AuditOutcome as AuditOutcome,
        process_user as process_user,
    )
    from dicom_common.core._auth import (
        Authenticator as Authenticator,
        LetsEverybodyIn as LetsEverybodyIn,
        require_loopback as require_loopback,
    )
    from dicom_common.core._backend import Backend as Backend
    from dicom_common.core._bearer import MAX_TOKEN_BYTES as MAX_TOKEN_BYTES, bearer_token as bearer_token
    from dicom_common.core._broker import (
        DEAD_LETTERS as DEAD_LETTERS,
        Broker as Broker,
        Consumer as Consumer,
        Delivery as Delivery,
        Groups as Groups,
        Message as Message,
        TopicChecks as TopicChecks,
        validate_topic as validate_topic,
    )
    from dicom_common.core._cache import Cache as Cache
    from dicom_common.core._config import Config as Config, General as General, storage_table as storage_table
    from dicom_common.core._database import (
        Backlog as Backlog,
        ComparedRows as ComparedRows,
        Database as Database,
        DerivedRows as DerivedRows,
        EventsOf as EventsOf,
        Found as Found,
        Migrations as Migrations,
        RemovalEventsOf as RemovalEventsOf,
        Removed as Removed,
        Value as Value,
    )
    from dicom_common.core._errors import (
        AlreadyExistsError as AlreadyExistsError,
        AuthenticationError as AuthenticationError,
        AuthorizationError as AuthorizationError,
        BackendError as BackendError,
        BrokenPluginError as BrokenPluginError,
        ConfigError as ConfigError,
        DamagedError as DamagedError,
        DicomCommonError as DicomCommonError,
        DicomError as DicomError,
        IncompatiblePluginError as IncompatiblePluginError,
        NotFoundError as NotFoundError,
        PluginConflictError as PluginConflictError,
        PluginError as PluginError,
        PluginNotFoundError as PluginNotFoundError,
        PublishError as PublishError,
        QueryError as QueryError,
        RefusedError as RefusedError,
        SchemaVersionError as SchemaVersionError,
        TooLargeError as TooLargeError,
        UnavailableError as UnavailableError,
    )
    from dicom_common.core._explain import Explained as Explained, explain as explain
    from dicom_common.core._extensions import Extensions as Extensions
    from dicom_common.core._health import Health as Health, HealthStatus as HealthStatus
    from dicom_common.core._hooks import hookimpl as hookimpl, hookspec as hookspec
    from dicom_common.core._json import MAX_JSON_DEPTH as MAX_JSON_DEPTH, parse_json as parse_json
    from dicom_common.core._keyring import Keyring as Keyring, WrappedKey as WrappedKey
    from dicom_common.core._keys import EncryptionKeys as EncryptionKeys, TenantKey as TenantKey
    from dicom_common.core._loading import (
        EXTENSION as EXTENSION,
        KINDS as KINDS,
        PluginInfo as PluginInfo,
        Plugins as Plugins,
        installed_plugins as installed_plugins,
    )
    from dicom_common.core._logs import (
        LogPosition as LogPosition,
        LogRecord as LogRecord,
        Logs as Logs,
        ReceivedObject as ReceivedObject,
        WebAccess as WebAccess,
    )
    from dicom_common.core._patience import call_within as call_within
    from dicom_common.core._policy import (
        Action as Action,
        Needs as Needs,
        Policy as Policy,
        authorize as authorize,
    )
    from dicom_common.core._private import (
        make_private_file as make_private_file,
        make_private_folder as make_private_folder,
        others_may as others_may,
    )
    from dicom_common.core._query import (
        Absent as Absent,
        AnyOf as AnyOf,
        Condition as Condition,
        Interval as Interval,
        Like as Like,
        OneOf as OneOf,
        Query as Query,
    )
    from dicom_common.core._query_check import validate_query as validate_query
    from dicom_common.core._query_parse import parse_query as parse_query
    from dicom_common.core._records import (
        DEFAULT_TENANT as DEFAULT_TENANT,
        AddStatus as AddStatus,
        Entry as Entry,
        Event as Event,
        Finding as Finding,
        Instance as Instance,
        Origin as Origin,
        Outcome as Outcome,
        PersonName as PersonName,
        PixelData as PixelData,
        Principal as Principal,
        RequestAttributes as RequestAttributes,
        Stored as Stored,
        uuid7 as uuid7,
        validate_tenant as validate_tenant,
    )
    from dicom_common.core._revisions import Revisions as Revisions, SeriesRevision as SeriesRevision
    from dicom_common.core._secret import Secret as Secret
    from dicom_common.core._services import Services as Services
    from dicom_common.core._storage import (
        MAX_KEY_BYTES as MAX_KEY_BYTES,
        RESERVED_SEGMENT as RESERVED_SEGMENT,
        BatchWrites as BatchWrites,
        LocalFiles as LocalFiles,
        ObjectInfo as ObjectInfo,
        OpenObject as OpenObject,
        OpenObjects as OpenObjects,
        SignedUrls as SignedUrls,
        Source as Source,
        Storage as Storage,
        Write as Write,
        validate_key as validate_key,
    )
    from dicom_common.core._tracebacks import TRACEBACKS as TRACEBACKS

_HOMES = {
    "_attributes": "ATTRIBUTES ATTRIBUTES_BY_KEYWORD Attribute Level",
    "_auth": "Authenticator LetsEverybodyIn require_loopback",
    "_audit": "AuditEvent AuditKind AuditOutcome AuditedStudy process_user",
    "_backend": "Backend",
    "_bearer": "MAX_TOKEN_BYTES bearer_token",
    "_broker": "DEAD_LETTERS Broker Consumer Delivery Groups Message TopicChecks validate_topic",
    "_cache": "Cache",
    "_config": "Config General storage_table",
    "_database": ("Backlog ComparedRows Database DerivedRows EventsOf Found Migrations RemovalEventsOf Removed Value"),
    "_errors": (
        "AlreadyExistsError AuthenticationError AuthorizationError BackendError BrokenPluginError ConfigError "
        "DamagedError DicomCommonError DicomError IncompatiblePluginError NotFoundError PluginConflictError "
        "PluginError PluginNotFoundError PublishError QueryError RefusedError SchemaVersionError TooLargeError "
        "UnavailableError"
    ),
    "_explain": "Explained explain",
    "_extensions": "Extensions",
    "_health": "Health HealthStatus",
    "_hooks": "hookimpl hookspec",
    "_json": "MAX_JSON_DEPTH parse_json",
    "_keyring": "Keyring WrappedKey",
    "_keys": "EncryptionKeys TenantKey",
    "_loading": "EXTENSION KINDS PluginInfo Plugins installed_plugins",
    "_logs": "LogPosition LogRecord Logs ReceivedObject WebAccess",
    "_patience": "call_within",
    "_policy": "Action Needs Policy authorize",
    "_private": "make_private_file make_private_folder others_may",
    "_query": "Absent AnyOf Condition Interval Like OneOf Query",
    "_query_check": "validate_query",
    "_query_parse": "parse_query",
    "_records": (
        "DEFAULT_TENANT AddStatus Entry Event Finding Instance Origin Outcome PersonName PixelData Principal "
        "RequestAttributes Stored uuid7 validate_tenant"
    ),
    "_revisions": "Revisions SeriesRevision",
    "_secret": "Secret",
    "_services": "Services",
    "_storage": (
        "MAX_KEY_BYTES RESERVED_SEGMENT BatchWrites LocalFiles ObjectInfo OpenObject OpenObjects SignedUrls Source "
        "Storage Write validate_key"
    ),
    "_tracebacks": "TRACEBACKS",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - a list, made of the one table instead of written a third time


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
