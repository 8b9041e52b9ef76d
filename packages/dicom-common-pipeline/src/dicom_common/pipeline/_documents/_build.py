"""Making the documents of what has become quiet."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from dicom_common.core import BackendError, NotFoundError, Revisions, SeriesRevision
from dicom_common.host import Services
from dicom_common.pipeline._documents._documents import MetadataDocuments
from dicom_common.pipeline._settings import DocumentSettings

__all__ = ["BuildStatus", "BuiltDocument", "DocumentBuilder"]

_log = logging.getLogger(__name__)
_LATE = timedelta(minutes=5)
"""A change is dated when its transaction runs, and is seen after its commit: what is younger is looked at once more."""
_MAX_FAILURES = 5
"""Documents in a row that may fail: then the cause lies elsewhere."""


class BuildStatus(StrEnum):
    """The result for a document."""

    BUILT = "built"
    CURRENT = "current"
    """The storage has it."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltDocument:
    """The document of one series, or of a study (`series_uid` is None)."""

    tenant: str
    study_uid: str
    series_uid: str | None
    status: BuildStatus
    reason: str = ""


class DocumentBuilder:
    """Goes through the series of all tenants, the longest unchanged first, and makes the documents that are missing.

    The document of a study is made when the last of its series has become quiet. Another builder
    can go on at `position`: what changes later comes behind it again.

    Args:
        services: the backends.
        position: where an earlier builder stopped; from the beginning by default.
        quiet_seconds: by default the setting.
    """

    def __init__(self, services: Services, *, position: str = "", quiet_seconds: float | None = None) -> None:
        self._services = services
        self._documents = MetadataDocuments(services)
        settings = services.settings("documents", DocumentSettings)
        self._quiet = timedelta(seconds=settings.quiet_seconds if quiet_seconds is None else quiet_seconds)
        self.position = position

    def run(self) -> Generator[BuiltDocument, None, None]:
        """Go on to what changed last and is quiet, and yield a result for each document. Can be run again.

        Raises:
            BackendError: the index cannot be read, or five documents in a row could not be made; or the database has no
                `Revisions`.
        """
        db = self._services.db
        if not isinstance(db, Revisions):
            raise BackendError("The index has no revisions: documents are made on request, and cannot be stored.")
        now = datetime.now(UTC)
        failures = 0
        is_behind = True
        for one in db.changed_series(before=now - self._quiet, after=self.position):
            for series_uid in (one.series_uid, *([None] if self._is_last(db, one) else [])):
                built = self._build(one, series_uid)
                if built is None:
                    continue
                failures = failures + 1 if built.status is BuildStatus.FAILED else 0
                is_behind = is_behind and not failures
                yield built
                if failures == _MAX_FAILURES:
                    raise BackendError(f"{_MAX_FAILURES} documents in a row could not be made. {built.reason}")
            if is_behind and one.changed < now - _LATE:
                self.position = one.revision

    def _build(self, one: SeriesRevision, series_uid: str | None) -> BuiltDocument | None:
        status, reason = BuildStatus.CURRENT, ""
        try:
            if self._documents.build(one.tenant, one.study_uid, series_uid):
                status = BuildStatus.BUILT
        except NotFoundError:
            return None  # removed meanwhile
        except BackendError as error:
            status, reason = BuildStatus.FAILED, str(error)
            _log.warning("A metadata document was not made: %s", error)
        return BuiltDocument(
            tenant=one.tenant, study_uid=one.study_uid, series_uid=series_uid, status=status, reason=reason
        )

    def _is_last(self, db: Revisions, one: SeriesRevision) -> bool:
        """Tell whether this series of the study changed last; of several at once, one is the last."""
        of_study = db.revisions(one.tenant, one.study_uid)
        return bool(of_study) and max((each.changed, each.series_uid) for each in of_study) == (
            one.changed,
            one.series_uid,
        )
