"""One index for several worker processes: the process that started them commits what they store.

So a worker process imports no database library and opens no connection, and what several of them have to index at the
same time shares a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from dicom_common.core import BackendError, Database, DicomCommonError, Entry, Logs, Outcome, Stored
from dicom_common.host import Services
from dicom_common.pipeline._events._messages import IngestEvents
from dicom_common.pipeline._settings import IngestSettings

__all__ = ["Answer", "ParentIndex", "Question", "SharedIndex", "keeps_log"]


class Question(NamedTuple):
    """What a worker process asks of the index: a method of `Database`, with its arguments."""

    method: str
    arguments: tuple[Any, ...]


class Answer(NamedTuple):
    """What the method returned, or what it raised."""

    value: Any
    error: DicomCommonError | None = None


class ParentIndex:
    """The index as a worker process has it: of `Database` what an ingest needs, asked of the parent process.

    Args:
        ask: asks the parent and returns what the method returned, or raises what it raised.
    """

    def __init__(self, ask: Callable[[Question], Any]) -> None:
        self._ask = ask

    def add(self, entries: Sequence[Entry], *, events: IngestEvents) -> list[Outcome]:
        """See `Database.add`. The events have the entries."""
        del entries
        outcomes: list[Outcome] = self._ask(Question("add", (events,)))
        return outcomes

    def stored(self, tenant: str, sop_uids: Iterable[str]) -> dict[str, Stored]:
        """See `Database.stored`."""
        found: dict[str, Stored] = self._ask(Question("stored", (tenant, list(sop_uids))))
        return found

    def discard(self, keys: Iterable[str]) -> list[str]:
        """See `Database.discard`."""
        spare: list[str] = self._ask(Question("discard", (list(keys),)))
        return spare

    def discarded(self, limit: int) -> list[str]:
        """See `Database.discarded`."""
        keys: list[str] = self._ask(Question("discarded", (limit,)))
        return keys

    def deleted(self, keys: Iterable[str]) -> None:
        """See `Database.deleted`."""
        self._ask(Question("deleted", (list(keys),)))


class SharedIndex:
    """The index of worker processes, in the process that started them. Opened with the first question."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions that were asked at the same time. What they add shares a transaction."""
        added = [question.arguments[0] for question in questions if question.method == "add"]
        outcomes = iter(self._add(added))
        return [next(outcomes) if one.method == "add" else self._ask(one) for one in questions]

    def _ask(self, question: Question) -> Answer:
        return _answered(lambda: getattr(self._services.db, question.method)(*question.arguments))

    def _add(self, batches: Sequence[IngestEvents]) -> list[Answer]:
        if len(batches) < 2:
            return [_answered(lambda: _add(self._services.db, batches))] if batches else []
        together = _answered(lambda: _add(self._services.db, batches))
        if together.error is not None:  # one of them may be to blame
            return [answer for batch in batches for answer in self._add([batch])]
        outcomes = iter(together.value)
        return [Answer([next(outcomes) for _ in batch.entries]) for batch in batches]


def _add(db: Database, batches: Sequence[IngestEvents]) -> list[Outcome]:
    events = replace(
        batches[0],
        entries=[entry for batch in batches for entry in batch.entries],
        traces=[trace for batch in batches for trace in batch.traces],
        log=batches[0].log and isinstance(db, Logs),
    )
    return db.add(events.entries, events=events)


def _answered(call: Callable[[], Any]) -> Answer:
    try:
        return Answer(call())
    except DicomCommonError as error:
        return Answer(None, error)
    except Exception as error:  # noqa: BLE001 - the worker decides what follows; its message may quote an entry
        return Answer(None, BackendError(f"The index failed with {type(error).__name__}."))


def keeps_log(database: Database | ParentIndex, settings: IngestSettings) -> bool:
    """Tell whether the transactions of an ingest write the log of received objects, too. A parent looks at its own."""
    return settings.received_log and isinstance(database, Logs | ParentIndex)
