"""Whether the store works, and which of the promises it keeps."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    DamagedError,
    Health,
    HealthStatus,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from dicom_common.storage.object._client import Client, CopyingClient, Kept
from dicom_common.storage.object._source import digest_of
from dicom_common.toolkit import DoubtfulError, Retry

__all__ = ["UPLOADS", "check_store", "copies_parts", "keeps_preconditions"]

UPLOADS = "uploads"
"""The folder of uploads that have no key yet, below the reserved segment."""

_SECONDS = 5.0
"""For one request and its repetitions."""
_ATTEMPTS = 3
_OLD = timedelta(days=1)


def keeps_preconditions(client: Client, retry: Retry, reserved: str) -> bool:
    """Find out whether the store keeps `if_absent`: write a probe twice. A lost answer asks anew, by another probe."""
    return retry.call(lambda: _refuses_a_second(client, reserved))


def _refuses_a_second(client: Client, reserved: str) -> bool:
    key = f"{reserved}probe/{uuid4().hex}"
    try:
        try:
            _put(client, key, b"first", if_absent=True)
        except DoubtfulError:
            raise
        except RefusedError:
            _put(client, key, b"first", if_absent=False)  # if this is refused too, it is not for the condition
            return False
        try:
            _put(client, key, b"second", if_absent=True)
        except AlreadyExistsError:
            return True
        return False
    finally:
        with suppress(BackendError):
            client.delete(key)


def copies_parts(client: CopyingClient, retry: Retry, reserved: str) -> bool:
    """Find out whether the store copies parts, and whether nothing is left of what was copied: copy a probe."""
    try:
        return retry.call(client.deletes_wholly) and retry.call(lambda: _copies_a_probe(client, reserved))
    except UnavailableError:
        raise
    except BackendError:  # some stores do not know the request, and say so in many ways
        return False


def _copies_a_probe(client: CopyingClient, reserved: str) -> bool:
    source, copy = (f"{reserved}probe/{uuid4().hex}" for _ in range(2))
    data = source.encode()
    try:
        _put(client, source, data, if_absent=False)
        upload = client.start_copy(copy, Kept(sha256=digest_of(data), attempt=uuid4().hex))
        try:
            part = client.copy_part(upload, 1, source=source, start=0, length=len(data))
            client.finish(upload, [part], if_absent=False)
        except BaseException:
            with suppress(BackendError):
                client.abandon(upload)
            raise
        return client.head(copy).size == len(data)
    finally:
        for key in (source, copy):
            with suppress(BackendError):
                client.delete(key)


def check_store(client: Client, reserved: str, prefix: str) -> tuple[Health, bool]:
    """Try everything that the storage needs; return its health, and whether the store keeps preconditions.

    Args:
        client: the store.
        reserved: where probes are written.
        prefix: of all keys.
    """
    # A few attempts: a store that fails one request in a hundred works, as far as the storage is concerned.
    retry = Retry(attempts=_ATTEMPTS, deadline=_SECONDS)
    probed = retry.call(client.probe)
    retry.call(lambda: _write_and_read(client, f"{reserved}probe/{uuid4().hex}"))
    kept = keeps_preconditions(client, retry, reserved)
    with suppress(BackendError):
        _sweep(client, f"{reserved}probe/")
        _sweep(client, f"{reserved}{UPLOADS}/")
    unfinished = retry.call(lambda: _unfinished(client, prefix))
    facts = {**probed.facts, "preconditions": kept, **unfinished}
    warnings = list(probed.warnings)
    if not kept:
        warnings.append(
            "it ignores the condition that an object must be absent, so that of several writers at once more than one"
            " may succeed: only the index keeps them apart"
        )
    detail = f"Objects can be written and read in {client.name}"
    if warnings:
        detail += f", but {'; '.join(warnings)}"
    elif old := facts.get("old_unfinished_uploads"):
        detail += f"; {old} unfinished uploads older than a day take room: let a lifecycle rule end them"
    status = HealthStatus.DEGRADED if warnings else HealthStatus.OK
    return Health(status=status, detail=f"{detail}.", facts=facts), kept


def _write_and_read(client: Client, key: str) -> None:
    data = key.encode()
    try:
        _put(client, key, data, if_absent=False)
        body = client.get(key, start=0, length=len(data), version=None)
        try:
            same = body.read(len(data)) == data
        finally:
            body.close()
    finally:
        with suppress(BackendError):
            client.delete(key)
    if not same:
        raise DamagedError(f"The store gives back other bytes than were written: look at {client.name}.")


def _sweep(client: Client, prefix: str) -> None:
    """Delete what is old below a prefix: of those who were killed before they could."""
    for found in client.list(prefix, after="", cursor=None, limit=100).found:
        if datetime.now(UTC) - found.modified > _OLD:
            client.delete(found.key)


def _unfinished(client: Client, prefix: str) -> dict[str, str | int]:
    try:
        uploads = client.unfinished(prefix)
    except RefusedError:
        return {"unfinished_uploads": "no permission to list them"}
    except NotFoundError:  # some stores say so where there are none
        uploads = ()
    old = [each for each in uploads if each.started is not None and datetime.now(UTC) - each.started > _OLD]
    return {"unfinished_uploads": len(uploads), "old_unfinished_uploads": len(old)}


def _put(client: Client, key: str, data: bytes, *, if_absent: bool) -> None:
    client.put(key, data, Kept(sha256=digest_of(data), attempt=uuid4().hex), if_absent=if_absent)
