"""The plugins that are known, whether they are installed or not: only their distributions are named in a pip line.

A name that is not listed may belong to anybody on a package index, so it is never made up from a rule.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LISTED"]

LISTED: Mapping[str, Mapping[str, str]] = {
    "storage": {
        "azure": "dicom-common-storage-azure",
        "encrypted": "dicom-common-storage-encrypted",
        "filesystem": "dicom-common-storage-filesystem",
        "gcs": "dicom-common-storage-gcs",
        "s3": "dicom-common-storage-s3",
    },
    "db": {
        "mysql": "dicom-common-db-mysql",
        "postgres": "dicom-common-db-postgres",
        "sqlite": "dicom-common-db-sqlite",
    },
    "cache": {
        "memory": "dicom-common-cache-memory",
        "redis": "dicom-common-cache-redis",
    },
    "broker": {
        "kafka": "dicom-common-broker-kafka",
        "sqlite": "dicom-common-broker-sqlite",
    },
    "auth": {
        "jose": "dicom-common-auth-jose",
        "none": "dicom-common-auth-none",
    },
    "keyring": {
        "local": "dicom-common-keyring-local",
    },
    "extension": {
        "audit": "dicom-common-audit",
    },
}
"""By kind and name, the distribution. A third party's is added here by its author."""
