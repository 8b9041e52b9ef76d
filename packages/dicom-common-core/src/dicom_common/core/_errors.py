"""Every error of the library, in one place.

A message is one sentence for the person who can mend the cause: it names the file, the key or the
setting, and says what to do. It never holds a patient's attributes or a secret.
"""

from __future__ import annotations

__all__ = [
    "AlreadyExistsError",
    "AuthenticationError",
    "AuthorizationError",
    "BackendError",
    "BrokenPluginError",
    "ConfigError",
    "DamagedError",
    "DicomCommonError",
    "DicomError",
    "IncompatiblePluginError",
    "NotFoundError",
    "PluginConflictError",
    "PluginError",
    "PluginNotFoundError",
    "PublishError",
    "QueryError",
    "RefusedError",
    "SchemaVersionError",
    "TooLargeError",
    "UnavailableError",
]


class DicomCommonError(Exception):
    """The root of all errors that this library raises on purpose."""


class ConfigError(DicomCommonError):
    """A configuration file, variable or setting is wrong; the message names it and its origin."""


class QueryError(DicomCommonError):
    """A search asks for what cannot be searched: an unknown key, a bad date, a negative limit."""


class PluginError(DicomCommonError):
    """A plugin cannot be used."""


class PluginNotFoundError(PluginError):
    """The configuration names a plugin that is not installed."""


class PluginConflictError(PluginError):
    """Two installed distributions offer the same kind of plugin under the same name."""


class IncompatiblePluginError(PluginError):
    """A plugin needs another version of dicom-common-core, or of another requirement, than is installed."""


class BrokenPluginError(PluginError):
    """A plugin cannot be imported, or does not register what its entry point promises."""


class BackendError(DicomCommonError):
    """A backend failed; the subclasses say how, this class says "in no way that was foreseen"."""


class NotFoundError(BackendError):
    """The object, row or topic that was asked for is not there."""


class AlreadyExistsError(BackendError):
    """Something is there already, and the caller asked not to replace it."""


class UnavailableError(BackendError):
    """The backend cannot be reached, is full or too slow; the same call may succeed later."""


class RefusedError(BackendError):
    """The backend refused: wrong credentials or no permission. Trying again does not help."""


class TooLargeError(RefusedError):
    """A broker takes no message of this size, however often it comes; its settings say which size it takes."""


class DamagedError(BackendError):
    """What the backend holds is not what was given to it: a digest differs, a file is corrupt."""


class SchemaVersionError(BackendError):
    """A database has another version of the schema than this code needs: `found` (None: none yet) and `needed`."""

    def __init__(self, message: str, found: str | None, needed: str) -> None:
        super().__init__(message)
        self.found, self.needed = found, needed

    def __reduce__(self) -> tuple[type[SchemaVersionError], tuple[str, str | None, str]]:
        return type(self), (str(self), self.found, self.needed)  # as in DicomError


class PublishError(UnavailableError):
    """A broker did not take all messages of a `publish`.

    `failed` holds the positions, in the sequence that was given, of the messages that are not known
    to be durable. All others are. Its `__cause__` is a `TooLargeError` where one of them is too large.
    """

    def __init__(self, message: str, failed: tuple[int, ...]) -> None:
        super().__init__(message)
        self.failed = failed

    def __reduce__(self) -> tuple[type[PublishError], tuple[str, tuple[int, ...]]]:
        return type(self), (str(self), self.failed)  # as in DicomError


class DicomError(DicomCommonError):
    """A byte stream cannot be taken as a DICOM instance.

    `reason` is a stable code (lower-case words joined by hyphens) that programs may compare.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[DicomError], tuple[str, str]]:
        # Exceptions are pickled by their `args`; this one has more than its message.
        return type(self), (self.reason, str(self))


class AuthenticationError(DicomCommonError):
    """Who is calling could not be established."""


class AuthorizationError(DicomCommonError):
    """The caller is known, but may not do this."""
