"""Deleting objects that no row of the index refers to any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from dicom_common.core import BackendError, Database, Storage
from dicom_common.host import Services
from dicom_common.pipeline._shared_index import ParentIndex

__all__ = ["delete_discarded", "delete_objects"]

_log = logging.getLogger(__name__)


def delete_discarded(services: Services, limit: int = 1000) -> int:
    """Delete up to `limit` discarded objects from the storage, and return how many are gone.

    What fails stays in the index's list of discarded keys and is tried again by the next call.

    Raises:
        BackendError: the index cannot be read or written.
    """
    return delete_objects(services.storage, services.db, limit)


def delete_objects(
    storage: Storage, index: Database | ParentIndex, limit: int = 1000, *, retired: Iterable[str] = ()
) -> int:
    """Do what `delete_discarded` does, for an index that may be another process's.

    Args:
        storage: has the objects.
        index: has the list of discarded keys.
        limit: how many keys of the list to take.
        retired: keys that the index has refused as retired, and under which there may be an object of the caller. They
            are on the list; but who deleted what was under them before may note only now that it is gone.
    """
    gone = []
    for key in dict.fromkeys((*retired, *index.discarded(limit))):
        try:
            storage.delete(key)
        except BackendError as error:
            _log.warning("A discarded object could not be deleted and stays for the next time: %s", error)
        else:
            gone.append(key)
    if gone:
        index.deleted(gone)
    return len(gone)
