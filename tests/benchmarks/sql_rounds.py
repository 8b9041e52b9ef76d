"""What the benchmarks of the index do on every database: the same rows added, the same searches asked, in turns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from typing import Any

from ct_batches import BATCH, FINDS, QUERIES, entries, fill, said_by, timed
from rows import row

from dicom_common.core import Entry, Query
from dicom_common.db.sql import SqlDatabase

__all__ = ["TABLES", "Product", "Rows", "Writer", "bench_add", "bench_find"]

BATCHES, ROUNDS = 8, 5
TABLES = {
    "tenant": "pk", "patient": "pk", "study": "pk", "series": "pk", "instance": "pk", "instance_json": "instance_fk",
    "series_class": "series_fk", "request_item": "series_fk", "study_modality": "study_fk",
}  # fmt: skip
"""The tables that `add` writes to, and the column that tells new rows from old ones."""
Rows = dict[str, list[Any]]
"""Rows of a batch, by table."""


class Writer(ABC):
    """What somebody writes who knows the rows beforehand, on the bare driver."""

    connection: Any

    @abstractmethod
    def write(self, rows: Rows) -> None:
        """Write a batch, in one transaction."""


class Product(ABC):
    """A database product, by our plugin and by its bare driver. `place` is where an index is."""

    name: str
    driver: str
    find_target: float

    @abstractmethod
    def places(self, count: int) -> AbstractContextManager[Sequence[Any]]:
        """Make empty databases, which are gone at the end."""

    @abstractmethod
    def open(self, place: Any) -> SqlDatabase:
        """Open the index."""

    @abstractmethod
    def bare(self, place: Any) -> Any:
        """Connect by the bare driver."""

    @abstractmethod
    def ask(self, connection: Any, text: str, bound: Any) -> Sequence[Any]:
        """Run a statement of ours on the bare driver, and fetch all rows."""

    @abstractmethod
    def select(self, connection: Any, text: str, *values: int) -> list[Any]:
        """Run a statement with `?` in it, and fetch all rows."""

    @abstractmethod
    def writers(self) -> list[tuple[str, type[Writer] | partial[Writer], float | None]]:
        """Return ways of writing the rows: a label, what makes the writer of a place, and the target of the ratio."""

    def analyze(self, connection: Any) -> None:  # noqa: B027 - SQLite does without
        """Let the planner look at the tables."""


def bench_add(product: Product) -> Iterator[dict[str, Any]]:
    """Batches of 1,000 instances, durable, against the very same rows written into the same tables."""
    batches = [entries(batch) for batch in range(BATCHES)]
    with product.places(1) as (model,):
        rows = _rows_by_batch(product, model, batches)
    assert sum(len(some["instance"]) for some in rows) == BATCH * BATCHES
    ways = product.writers()
    ratios: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for of_way, took in zip(ratios, _round(product, batches, rows), strict=True):
            of_way.append(took)
    for (label, _, target), of_way in zip(ways, ratios, strict=True):
        name = f"index on {product.name}, add of 1,000 a batch: rate of bare {label}"
        yield row(name, of_way, target, unit="of its rate")


def _round(product: Product, batches: Sequence[Sequence[Entry]], rows: Sequence[Rows]) -> list[float]:
    """Write all batches in each way, in turns, and return the ratio of each way's time to ours."""
    makers = [make for _, make, _ in product.writers()]
    with product.places(1 + len(makers)) as (for_ours, *for_others), ExitStack() as stack:
        for place in for_others:
            product.open(place).close()  # makes the tables
        writers = [make(place) for make, place in zip(makers, for_others, strict=True)]  # type: ignore[call-arg]  # its place
        for writer in writers:
            stack.enter_context(closing(writer.connection))
        ours = stack.enter_context(closing(product.open(for_ours)))
        took, took_ours = [0.0] * len(writers), 0.0
        for batch, some in zip(batches, rows, strict=True):
            for at, writer in enumerate(writers):
                took[at] += timed(partial(writer.write, some))
            took_ours += timed(partial(ours.add, batch))
    return [one / took_ours for one in took]


def _rows_by_batch(product: Product, place: Any, batches: Sequence[Sequence[Entry]]) -> list[Rows]:
    """Add batches, and read back after each what it has written: what the bare driver is going to write."""
    made = []
    with closing(product.open(place)) as database, closing(product.bare(place)) as bare:
        last = dict.fromkeys(TABLES, 0)
        for batch in batches:
            database.add(batch)
            some: Rows = {}
            for table, key in TABLES.items():
                some[table] = product.select(bare, f"SELECT * FROM {table} WHERE {key} > ?", last[table])
                ((last[table],),) = product.select(bare, f"SELECT coalesce(max({key}), 0) FROM {table}")
            made.append({table: rows for table, rows in some.items() if rows})
    return made


def bench_find(product: Product) -> Iterator[dict[str, Any]]:
    """Searches of the first page, against the same statements on the bare driver."""
    with _filled(product) as (database, bare):
        for name, keys in QUERIES.items():
            query, said = said_by(database, keys)
            on_bare, on_ours = partial(_ask_bare, product, bare, said), partial(_ask, database, query)
            on_bare(), on_ours()  # both have their statements prepared then
            ratios = [timed(on_ours) / timed(on_bare) for _ in range(3 * ROUNDS)]
            label = f"index on {product.name}, find by {name}: time of bare {product.driver}"
            yield row(label, ratios, product.find_target, better="lower", unit="of its time")


@contextmanager
def _filled(product: Product) -> Iterator[tuple[SqlDatabase, Any]]:
    with (
        product.places(1) as (place,),
        closing(product.open(place)) as database,
        closing(product.bare(place)) as bare,
    ):
        fill(database)
        product.analyze(bare)
        yield database, bare


def _ask(database: SqlDatabase, query: Query) -> None:
    for _ in range(FINDS):
        database.find(query)


def _ask_bare(product: Product, connection: Any, said: Sequence[tuple[str, Any]]) -> None:
    for _ in range(FINDS):
        for text, bound in said:
            product.ask(connection, text, bound)
