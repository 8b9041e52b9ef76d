"""The metadata of whole studies and series, as documents that are made once and are never stale."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TypeVar

from dicom_common.core import BackendError, NotFoundError, Revisions, SeriesRevision, validate_tenant
from dicom_common.dicom import absolute_bulk_data
from dicom_common.host import Services
from dicom_common.pipeline._documents._document import HEADER_BYTES, Document, is_of, open_document, write_document
from dicom_common.pipeline._documents._layout import DocumentLayout
from dicom_common.pipeline._documents._request_cache import RequestCache, cache_key
from dicom_common.pipeline._settings import DocumentSettings

__all__ = ["MetadataDocuments"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
_READS = 3
"""How often a study that changes while it is read is read again from the beginning."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a document has to be of, as the index has it now."""

    tenant: str
    study_uid: str
    series_uid: str | None
    key: str
    revision: str
    """Stands for the tenant, the UIDs and the revisions of all series: a document of something else never has it."""
    changed: datetime


class MetadataDocuments:
    """Gives the metadata of studies and series: from the cache, from the storage, or made from the index. Thread-safe.

    A document is an array of DICOM JSON objects (PS3.18 Annex F) in the order of `Database.find`. Every one that is
    given was true when it was asked for: it names the revision of the index that it was made from, and the index is
    asked for the present one first, which is cheap. What cannot be believed is made anew. No DICOM object is read.

    The cache and the storage may fail: then the index answers. A database without `Revisions` always answers itself.

    Args:
        services: the backends.
        public_url: the root of the DICOMweb service, by which BulkDataURIs are absolute; "": they are relative to it.
            By default the setting `public_url`. Processes that share a storage should have the same.
    """

    def __init__(self, services: Services, public_url: str | None = None) -> None:
        self._services = services
        self._public_url = services.config.general.public_url if public_url is None else public_url.rstrip("/")
        self._settings = services.settings("documents", DocumentSettings)
        self._layout = DocumentLayout(self._settings.layout)

    def study(self, tenant: str, study_uid: str) -> Document:
        """Return the metadata of a study. The caller closes it.

        Raises:
            NotFoundError: the index does not have the study.
            BackendError: the index cannot be read.
        """
        return self._get(tenant, study_uid, None)

    def series(self, tenant: str, study_uid: str, series_uid: str) -> Document:
        """Return the metadata of a series; see `study`."""
        return self._get(tenant, study_uid, series_uid)

    def kept(self, tenant: str, study_uid: str, series_uid: str | None = None) -> Document | None:
        """Return the metadata of a study or series if there is a document of it that is true; nothing is made.

        Raises:
            BackendError: the index cannot be read.
        """
        wanted = self._wanted(tenant, study_uid, series_uid)
        return None if wanted is None else self._kept(self._visit(), wanted)

    def build(self, tenant: str, study_uid: str, series_uid: str | None = None) -> bool:
        """Make sure that the storage has a true document of a study or series, and return whether one was written.

        Where the study changes all the time, none is written.

        Raises:
            NotFoundError: the index does not have the study or series.
            BackendError: the index cannot be read or has no `Revisions`, or the storage cannot be written.
        """
        if not isinstance(self._services.db, Revisions):
            raise BackendError("The index has no revisions: documents are made on request, and cannot be stored.")
        wanted = self._wanted(tenant, study_uid, series_uid)
        if wanted is None:
            raise _absent()
        visit = self._visit()

        def ready() -> bool | None:
            return False if self._is_stored(wanted) else None

        def make() -> bool:
            document, made = self._read(wanted)
            with document:
                self._keep_in_cache(visit, made, document)
                return self._write(made, document)

        return ready() is None and self._once(visit, wanted, ready, make)

    def clean(self, tenant: str) -> Generator[str, None, None]:
        """Delete the documents of a tenant whose study or series is gone, or has another Study Date; yield their keys.

        `remove` deletes documents itself; this finds what a crash has left, and what was dated otherwise.

        Raises:
            BackendError: the index or the storage failed.
        """
        for info in self._services.storage.scan(f"{validate_tenant(tenant)}/metadata/"):
            subject = self._layout.subject(info.key)
            if subject is None:
                continue  # of another program
            wanted = self._wanted(tenant, subject.study_uid, subject.series_uid)
            if wanted is None or wanted.key != info.key:
                self._services.storage.delete(info.key)
                yield info.key

    def keys(self, tenant: str, study_uid: str, series_uid: str | None = None) -> list[str]:
        """Return the storage keys of the documents that an instance of a study or series is in.

        Without a series, those of all series are among them.

        Raises:
            BackendError: the index cannot be read.
        """
        found = self._revisions(tenant, study_uid, series_uid)
        keys = [self._layout.key(tenant, one.study_date, study_uid, one.series_uid) for one in found]
        return [*keys, self._layout.key(tenant, found[0].study_date, study_uid)] if found else []

    def _get(self, tenant: str, study_uid: str, series_uid: str | None) -> Document:
        if not isinstance(self._services.db, Revisions):
            return self._from_index(tenant, study_uid, series_uid)
        visit, settings = self._visit(), self._settings
        # That a study is absent is not kept: the index says so faster than most caches, and at once when it is there.
        wanted = self._wanted(tenant, study_uid, series_uid)
        if wanted is None:
            raise _absent()

        def ready() -> Document | None:
            return self._kept(visit, wanted)

        def make() -> Document:
            document, made = self._read(wanted)
            self._keep_in_cache(visit, made, document)
            if made.changed <= datetime.now(UTC) - timedelta(seconds=settings.quiet_seconds):
                try:
                    self._write(made, document)
                except BackendError as error:
                    _log.warning("a metadata document could not be written, and is made again: %s", error)
            return document

        return ready() or self._once(visit, wanted, ready, make)

    def _visit(self) -> RequestCache:
        return RequestCache(lambda: self._services.cache, self._settings.secret.reveal().encode())

    def _once(self, visit: RequestCache, wanted: _Wanted, ready: Callable[[], T | None], make: Callable[[], T]) -> T:
        key = cache_key(wanted.tenant, "making", wanted.revision)
        settings = self._settings
        return visit.once(key, ready=ready, make=make, wait=settings.wait_seconds, hold=settings.hold_seconds)

    def _revisions(self, tenant: str, study_uid: str, series_uid: str | None) -> list[SeriesRevision]:
        db = self._services.db
        return db.revisions(tenant, study_uid, series_uid) if isinstance(db, Revisions) else []

    def _wanted(self, tenant: str, study_uid: str, series_uid: str | None) -> _Wanted | None:
        found = self._revisions(validate_tenant(tenant), study_uid, series_uid)
        if not found:
            return None
        parts = [tenant, study_uid, series_uid, *((one.series_uid, one.revision) for one in found)]
        if self._public_url:
            parts.append(self._public_url)
        return _Wanted(
            tenant=tenant,
            study_uid=study_uid,
            series_uid=series_uid,
            key=self._layout.key(tenant, found[0].study_date, study_uid, series_uid),
            revision=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
            changed=max(one.changed for one in found),
        )

    def _kept(self, visit: RequestCache, wanted: _Wanted) -> Document | None:
        data = visit.get(_cached_at(wanted))
        if data is not None and (document := open_document([data], wanted.revision)) is not None:
            return document
        try:
            document = open_document(self._services.storage.read(wanted.key), wanted.revision)
        except NotFoundError:
            return None
        except BackendError as error:
            _log.warning("a metadata document cannot be read, and the index answers: %s", error)
            return None
        if document is not None:
            self._keep_in_cache(visit, wanted, document)
        return document

    def _is_stored(self, wanted: _Wanted) -> bool:
        try:
            return is_of(b"".join(self._services.storage.read(wanted.key, length=HEADER_BYTES)), wanted.revision)
        except NotFoundError:
            return False

    def _read(self, wanted: _Wanted) -> tuple[Document, _Wanted]:
        """Make a document of what the index has, and return it with what it is of.

        The rows are read by several questions. Nothing was committed between them that concerns the document if the
        revision is the same before and after.
        """
        for _ in range(_READS):
            objects = self._objects(wanted.tenant, wanted.study_uid, wanted.series_uid)
            document = write_document(objects, wanted.revision)
            now = self._wanted(wanted.tenant, wanted.study_uid, wanted.series_uid)
            if now is not None and now.revision == wanted.revision:
                return document, wanted
            document.close()
            if now is None:
                raise _absent()
            wanted = now
        _log.info("a study keeps changing: its metadata is given as it was read, and is not kept")
        return self._from_index(wanted.tenant, wanted.study_uid, wanted.series_uid), wanted

    def _from_index(self, tenant: str, study_uid: str, series_uid: str | None) -> Document:
        objects = self._objects(validate_tenant(tenant), study_uid, series_uid)
        first = next(objects, None)
        if first is None:
            raise _absent()
        document = write_document(chain([first], objects), "0" * 64)
        document.revision = None
        return document

    def _objects(self, tenant: str, study_uid: str, series_uid: str | None) -> Iterator[bytes]:
        objects = self._services.db.metadata(tenant, study_uid, series_uid)
        return (absolute_bulk_data(one, self._public_url) for one in objects) if self._public_url else objects

    def _keep_in_cache(self, visit: RequestCache, wanted: _Wanted, document: Document) -> None:
        settings = self._settings
        if document.revision is not None and document.size <= settings.cache_bytes:
            visit.put(_cached_at(wanted), b"".join(document.gzip()), ttl=settings.cache_seconds)

    def _write(self, wanted: _Wanted, document: Document) -> bool:
        if document.revision is None:
            return False
        storage = self._services.storage
        storage.write(wanted.key, document.spool())  # type: ignore[arg-type]  # a spool is a BinaryIO but for the name
        # Removed meanwhile: `remove` may have looked for documents before this one was there.
        if self._wanted(wanted.tenant, wanted.study_uid, wanted.series_uid) is None:
            storage.delete(wanted.key)
            raise _absent()
        return True


def _cached_at(wanted: _Wanted) -> str:
    return cache_key(wanted.tenant, "metadata", wanted.revision)


def _absent() -> NotFoundError:
    return NotFoundError("The index has no such study or series for this tenant: search to list what exists.")
