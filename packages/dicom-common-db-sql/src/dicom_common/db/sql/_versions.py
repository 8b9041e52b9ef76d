"""The versions of the schema that this code knows, and the one that it needs."""

from __future__ import annotations

from dicom_common.core import SchemaVersionError

__all__ = ["HEAD", "KNOWN", "VERSION_TABLE", "require"]

VERSION_TABLE = "schema_version"
KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006")
"""The versions that this code knows, the oldest first."""
HEAD = KNOWN[-1]
"""The version that this code needs."""


def require(found: str | None, where: str) -> bool:
    """Tell whether the version is the one that is needed.

    Raises:
        SchemaVersionError: it is newer.
    """
    if found is not None and found not in KNOWN:
        raise SchemaVersionError(
            f"{where} has the schema version {found}, which is newer than {HEAD}, the newest that this version of"
            " dicom-common-db-sql knows: upgrade the packages; the only way back is a backup.",
            found,
            HEAD,
        )
    return found == HEAD
