"""Removing a study, a series or an instance."""

from __future__ import annotations

import logging

from dicom_common.core import BackendError, Stored
from dicom_common.host import Services
from dicom_common.pipeline._discarded import delete_discarded
from dicom_common.pipeline._documents._documents import MetadataDocuments
from dicom_common.pipeline._events._messages import removal_events
from dicom_common.pipeline._settings import TopicSettings

__all__ = ["remove"]

_log = logging.getLogger(__name__)


def remove(
    services: Services, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
) -> list[Stored]:
    """Remove a study, a series or an instance: from the index in one transaction, then from the storage.

    The transaction has the events of the removal: an image message with `image_status` `DELETED` for each instance, and
    for each series a state message with what is left of it. Once this returns nothing is found any more. An object
    whose deletion fails is deleted by a later `delete_discarded`. So are the metadata documents of what is removed.

    Raises:
        BackendError: the index cannot be written; nothing was removed.
    """
    # Entered before the rows go, which name them, and deleted after them: a crash in between leaves none.
    if documents := MetadataDocuments(services).keys(tenant, study_uid, series_uid):
        services.db.discard(documents)
    topics = services.settings("topics", TopicSettings)
    removed = services.db.remove(
        tenant, study_uid, series_uid, sop_uid, events=lambda removed: removal_events(removed, topics)
    )
    try:
        if documents:
            services.db.discard(documents)  # again: another process may have deleted them, and a request made one since
        while removed and delete_discarded(services):
            pass
    except BackendError as error:
        _log.warning("Discarded objects are deleted later: %s", error)
    return removed
