"""The settings, and transactions in the file, one at a time over all processes."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import duckdb

from dicom_common.core import BackendError, Limits, RefusedError, UnavailableError
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["DuckFile", "Settings"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    tenant TEXT, study_uid TEXT, series_uid TEXT, sop_uid TEXT, key TEXT, document TEXT,
    PRIMARY KEY (tenant, sop_uid)
);
CREATE TABLE IF NOT EXISTS discarded (key TEXT PRIMARY KEY, entered DOUBLE, deleted DOUBLE);
CREATE TABLE IF NOT EXISTS event (
    number BIGINT PRIMARY KEY, id TEXT, tenant TEXT, topic TEXT, key TEXT, headers TEXT, body BLOB, created DOUBLE
);
CREATE TABLE IF NOT EXISTS relay (name TEXT, until DOUBLE);
CREATE SEQUENCE IF NOT EXISTS numbers;
"""
_MEANINGS = (
    Meaning(RefusedError, "{where} cannot be opened: check its permissions ({name}).", classes=(PermissionError,)),
    Meaning(
        UnavailableError,
        "{where} cannot be read or written: check its disk ({name}).",
        classes=(OSError, duckdb.IOException),
    ),
    Meaning(BackendError, "{where} failed in an unforeseen way ({name})."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of the table `[db]`."""

    path: Path = Path("index.duckdb")
    """The file; made where it is missing. A relative path is below the data folder."""
    timeout: Annotated[float, Limits(above=0, most=600)] = 30.0
    """Seconds to wait for others that use the file."""


class DuckFile:
    """A DuckDB file. A lock beside it keeps all others out for the length of a transaction."""

    def __init__(self, settings: Settings) -> None:
        self._path, self._timeout = Path(os.path.abspath(settings.path)), settings.timeout  # noqa: PTH100  # resolve() follows links
        self._threads, self._is_open = threading.Lock(), True
        self._duck: duckdb.DuckDBPyConnection | None = None
        with self.transaction() as connection:
            connection.execute(_SCHEMA)

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"the index {self._path}"

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Run a transaction: what it wrote is on the disk at its end, or nothing of it."""
        with self._locked():
            name = str(self._path).replace("'", "''")
            # Starting DuckDB takes ten times as long as attaching a file to it, so it is started once.
            duck = self._duck = self._duck or duckdb.connect(config={"threads": 1})
            try:
                duck.execute(f"ATTACH '{name}' AS file")
                duck.execute("USE file")
                duck.begin()
                yield duck
                duck.commit()
                duck.execute("USE memory")
                duck.execute("DETACH file")
            except BaseException:
                self._stop()  # which rolls back and detaches
                raise

    def close(self) -> None:
        """Close the file, and stop DuckDB once no transaction runs."""
        self._is_open = False
        with self._threads:
            self._stop()

    def _stop(self) -> None:
        duck, self._duck = self._duck, None
        if duck is not None:
            duck.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._threads.acquire(timeout=self._timeout):
            raise UnavailableError(f"The index {self._path} is kept busy by another thread: try again.")
        try:
            if not self._is_open:
                raise BackendError(f"The index {self._path} is closed.")
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("ab") as lock:
                self._wait_for(lock.fileno())
                yield
        except (OSError, duckdb.Error) as error:
            names = {"where": self.where, "name": type(error).__name__}
            raise Meanings(_MEANINGS, names).error(error) from error
        finally:
            self._threads.release()

    def _wait_for(self, lock: int) -> None:
        end = time.monotonic() + self._timeout
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise UnavailableError(f"The index {self._path} is kept busy by another process.") from None
                time.sleep(0.002)
