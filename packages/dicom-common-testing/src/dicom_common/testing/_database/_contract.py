"""What an index must do: the class that a backend's test inherits from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pytest

from dicom_common.core import (
    BriefSearches,
    Database,
    DerivedRows,
    KeptFrames,
    Level,
    Logs,
    Migrations,
    Query,
    Revisions,
)
from dicom_common.testing._contract import ServedContract, missing_fixture
from dicom_common.testing._database._add import AddingContract
from dicom_common.testing._database._brief import BriefContract
from dicom_common.testing._database._crowd import CrowdContract
from dicom_common.testing._database._derived import DerivedContract
from dicom_common.testing._database._find import FindingContract
from dicom_common.testing._database._front_ends import FrontEndContract
from dicom_common.testing._database._fuzzy import FuzzyContract
from dicom_common.testing._database._logs import LogsContract
from dicom_common.testing._database._outbox import OutboxContract
from dicom_common.testing._database._processes import ProcessesContract
from dicom_common.testing._database._refuse import RefusingContract
from dicom_common.testing._database._remove import RemovingContract
from dicom_common.testing._database._revisions import RevisionsContract
from dicom_common.testing._instances import make_entry

__all__ = ["DatabaseContract"]


class DatabaseContract(
    AddingContract,
    FindingContract,
    BriefContract,
    FrontEndContract,
    FuzzyContract,
    RefusingContract,
    RemovingContract,
    DerivedContract,
    OutboxContract,
    LogsContract,
    RevisionsContract,
    ProcessesContract,
    CrowdContract,
    ServedContract,
):
    """Inherit from it in a class whose name starts with `Test`, and give it the fixture `open_database`.

    Each test has an empty database of its own; `open_database` opens it, as often as it is called and in any process.

    A database without SQL need not build the rules again: `dicom_common.toolkit.index_rules` has them as functions, and
    the README of dicom-common-toolkit says which tests need which.
    """

    calls: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "add": lambda database: database.add([make_entry()]),
        "find": lambda database: database.find(Query(tenant="local", level=Level.STUDY)),
        "remove": lambda database: database.remove("local", "1.2.3"),
        "pending": lambda database: database.pending(1, relay="test", lease=1),
        "backlog": lambda database: database.backlog(),
    }

    def test_it_offers_the_abilities_that_are_declared(self, database: Database) -> None:
        self.assert_declared(database, (BriefSearches, DerivedRows, KeptFrames, Logs, Migrations, Revisions))

    @pytest.fixture
    def open_database(self) -> Callable[[], Database]:
        """Return what opens the database of this test: picklable, such as a `functools.partial` of a class."""
        opens: Callable[[], Database] = missing_fixture("open_database", "a callable that opens the index, empty")
        return opens

    @pytest.fixture
    def database(self, open_database: Callable[[], Database]) -> Iterator[Database]:
        """Open the database of this test."""
        database = open_database()
        yield database
        database.close()
