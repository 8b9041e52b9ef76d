"""What an index must do: the class that a backend's test inherits from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dicom_common.core import Database
from dicom_common.testing._database._add import AddingContract
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

__all__ = ["DatabaseContract"]


class DatabaseContract(
    AddingContract,
    FindingContract,
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
):
    """Inherit from it in a class whose name starts with `Test`, and give it the fixture `open_database`.

    Each test has an empty database of its own; `open_database` opens it, as often as it is called and in any process.
    """

    @pytest.fixture
    def open_database(self) -> Callable[[], Database]:
        """Return what opens the database of this test: picklable, such as a `functools.partial` of a class."""
        raise NotImplementedError("give the contract a fixture open_database, which returns a picklable callable")

    @pytest.fixture
    def database(self, open_database: Callable[[], Database]) -> Iterator[Database]:
        """Open the database of this test."""
        database = open_database()
        yield database
        database.close()
