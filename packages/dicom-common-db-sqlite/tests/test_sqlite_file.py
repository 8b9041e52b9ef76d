"""What SQLite does with its file: opening, refusing, a full disk, forks, the schema."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.core import (
    AddStatus,
    BackendError,
    Event,
    HealthStatus,
    Level,
    PersonName,
    Query,
    RefusedError,
    UnavailableError,
)
from dicom_common.db.sqlite import Settings, SqliteDatabase, dicom_common_db
from dicom_common.testing import health_of, make_entry, make_instance

NOBODY = 65534


def opened(path: Path, **settings: object) -> SqliteDatabase:
    return SqliteDatabase(Settings(path=path, **settings))  # type: ignore[arg-type]  # what a test wants to try


def one_sentence(error: BaseException) -> str:
    text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def in_a_child(work: Callable[[], None]) -> None:
    """Run work in a forked child, whatever user and limits it gives itself; fail where it fails."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - nothing may escape into pytest's copy
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_plugin_offers_it_under_its_name() -> None:
    backend = dicom_common_db()
    assert (backend.name, backend.settings) == ("sqlite", Settings)


def test_the_file_and_its_folder_are_made_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "index.sqlite"
    opened(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_durable_and_readers_do_not_wait(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "i.sqlite")) as database:
        database.add([make_entry()])
        with database._dialect.reading() as session:
            assert session.rows("PRAGMA journal_mode", ()) == [("wal",)]
            assert session.rows("PRAGMA synchronous", ()) == [(2,)]
            assert session.rows("PRAGMA foreign_keys", ()) == [(1,)]
            assert session.rows("PRAGMA foreign_key_check", ()) == []
            assert session.rows("PRAGMA integrity_check", ()) == [("ok",)]


@pytest.mark.parametrize("content", [b"This is a letter, not a database. " * 100, b"\x89PNG" + b"x" * 5000])
def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"letter\.txt is not an SQLite database") as caught:
        opened(path)
    one_sentence(caught.value)
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        opened(tmp_path)
    assert str(tmp_path) in one_sentence(caught.value)


@pytest.mark.kills
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_this_user_may_not_write_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder != Path("/tmp"):
            folder.chmod(0o755)
    opened(tmp_path / "there.sqlite").close()

    def as_nobody() -> None:
        os.setuid(NOBODY)
        for name in ("new.sqlite", "there.sqlite", "folder/new.sqlite"):
            with pytest.raises(RefusedError) as caught:
                opened(tmp_path / name)
            assert name.split("/")[-1] in one_sentence(caught.value)

    in_a_child(as_nobody)


@pytest.mark.kills
def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "i.sqlite"
    opened(path).close()

    def with_little_room() -> None:
        import signal  # noqa: PLC0415 - in the child only

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
        database = opened(path)
        added = 0
        with pytest.raises(UnavailableError) as caught:  # noqa: PT012 - it fails some time
            for number in range(1000):
                (outcome,) = database.add([make_entry(make_instance(number), metadata=b"x" * 50_000)])
                assert outcome.status is AddStatus.ADDED
                added += 1
        assert str(path) in one_sentence(caught.value)
        assert added > 5
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == added
        (tmp_path / "added").write_text(str(added))

    in_a_child(with_little_room)
    with closing(opened(path)) as database:
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == int((tmp_path / "added").read_text())
        assert database.add([make_entry(make_instance(5000))])[0].status is AddStatus.ADDED


def test_a_lock_that_is_never_given_back_is_an_error_after_the_time_limit(tmp_path: Path) -> None:
    path = tmp_path / "i.sqlite"
    with closing(opened(path, busy_timeout=0.2)) as database, closing(sqlite3.connect(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="busy_timeout") as caught:
            database.add([make_entry()])
        one_sentence(caught.value)
        assert health_of(database).status is HealthStatus.DEGRADED
        other.execute("ROLLBACK")
        assert database.add([make_entry()])[0].status is AddStatus.ADDED
        assert health_of(database).status in (HealthStatus.OK, HealthStatus.DEGRADED)


@pytest.mark.kills
def test_a_forked_child_has_connections_of_its_own(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "i.sqlite")) as database:
        database.add([make_entry(make_instance(1))])

        def work() -> None:
            assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 1
            database.add([make_entry(make_instance(2))])

        with database._dialect._connections._writer:  # type: ignore[attr-defined]  # as if a thread wrote while it forks
            in_a_child(work)
        database.add([make_entry(make_instance(3))])
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 3


def _open_and_add(path: Path, number: int) -> None:
    with closing(opened(path)) as database:
        database.add([make_entry(make_instance(number))])


def test_many_processes_may_make_the_same_new_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "i.sqlite"
    code = (
        "import sys, pathlib; from dicom_common.db.sqlite import Settings, SqliteDatabase;"
        "from dicom_common.testing import make_entry, make_instance;"
        "database = SqliteDatabase(Settings(path=pathlib.Path(sys.argv[1])));"
        "database.add([make_entry(make_instance(int(sys.argv[2])))])"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(path), str(number)]) for number in range(3)]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    with closing(opened(path)) as database:
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 3


_COUNT = """
import sqlite3, sys
from contextlib import closing
with closing(sqlite3.connect(sys.argv[1])) as connection:
    print(connection.execute("SELECT count(*) FROM instance").fetchone()[0])
"""


@pytest.mark.parametrize("closed", [False, True])
def test_a_second_one_in_this_process_takes_no_locks_from_the_first(tmp_path: Path, closed: bool) -> None:
    path = tmp_path / "index.sqlite"

    def seen_by_another_process() -> int:
        return int(subprocess.check_output([sys.executable, "-c", _COUNT, str(path)]))

    with closing(SqliteDatabase(Settings(path=path))) as first:
        first.add([make_entry(make_instance(1))])
        second = SqliteDatabase(Settings(path=path))  # such as that of a relay beside a worker
        second.backlog()
        if closed:
            second.close()
        assert seen_by_another_process() == 1  # and when it leaves, it must not think that it is the last one
        first.add([make_entry(make_instance(2))])
        assert (tmp_path / "index.sqlite-wal").exists()
        assert seen_by_another_process() == 2
        second.close()


def test_many_threads_may_open_and_use_it_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: _open_and_add(tmp_path / "i.sqlite", number), range(16)))
    with closing(opened(tmp_path / "i.sqlite")) as database:
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 16


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.sqlite"
    opened(path).close()
    with closing(sqlite3.connect(path)) as bare:
        bare.execute("UPDATE schema_version SET version_num = '9999'")
        bare.commit()
    for migrate in ("on-open", "never"):
        with pytest.raises(BackendError, match="newer than") as caught:
            opened(path, migrate=migrate)
        assert "9999" in one_sentence(caught.value)


def test_without_migration_on_open_an_empty_file_is_refused_until_it_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "i.sqlite"
    with pytest.raises(BackendError, match="no schema yet: run `dicom-common migrate`"):
        opened(path, migrate="never")
    opened(path).close()
    opened(path, migrate="never").close()


def test_no_value_of_a_patient_is_in_an_error(tmp_path: Path) -> None:
    canary = "CANARY-7f3a"
    path = tmp_path / "i.sqlite"
    with closing(opened(path)) as database:
        database.add([make_entry()])
        with database._dialect.writing() as session:
            session.run("DROP TABLE series_class", ())
        instance = make_instance(2, patient_id=canary, patient_name=PersonName(canary), study_description=canary)
        with pytest.raises(BackendError) as caught:
            database.add([make_entry(instance)], events=lambda _: [Event(tenant="t", topic=canary, key="k", body=b"")])
        assert canary not in "".join(traceback.format_exception(caught.value))


def test_importing_the_plugin_does_not_import_alembic() -> None:
    code = "import dicom_common.db.sqlite, sys; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
