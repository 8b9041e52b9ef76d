from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    ConfigError,
    HealthStatus,
    NotFoundError,
    ObjectInfo,
    RefusedError,
    UnavailableError,
    Write,
)
from dicom_common.storage.filesystem import FilesystemStorage, Settings, _staging as staging
from dicom_common.testing import health_of

_NOBODY = 65534
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def storage(root: Path) -> Iterator[FilesystemStorage]:
    with closing(FilesystemStorage(Settings(root=root))) as storage:
        yield storage


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"not an object")
    return folder


def in_child(work: Callable[[], str]) -> str:
    """Run in a forked child, which may drop its rights; return what it says."""
    receiving, sending = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: sending.send(work()))
    process.start()
    sending.close()
    assert receiving.poll(60)
    answer = receiving.recv()
    process.join(60)
    assert isinstance(answer, str)
    return answer


def contents(storage: FilesystemStorage) -> dict[str, bytes]:
    return {info.key: b"".join(storage.read(info.key)) for info in storage.scan()}


def own_files(root: Path) -> list[Path]:
    return [path for path in (root / ".dicom-common").rglob("*") if path.is_file() and path.suffix != ".lock"]


# No way out of the root


def test_a_folder_that_is_a_symbolic_link_is_not_followed(
    storage: FilesystemStorage, root: Path, outside: Path
) -> None:
    (root / "a").symlink_to(outside, target_is_directory=True)
    for key in ("a/secret", "a/new", "a/deeper/new"):
        for if_absent in (False, True):
            with pytest.raises(RefusedError):
                storage.write(key, b"x", if_absent=if_absent)
        with pytest.raises(NotFoundError):
            storage.read(key)
        with pytest.raises(NotFoundError):
            storage.stat(key)
        with pytest.raises(NotFoundError):
            storage.local_path(key)
        storage.delete(key)
    [answer] = storage.write_many([Write(key="a/secret", source=b"x")])
    assert isinstance(answer, RefusedError)
    assert list(storage.scan()) == list(storage.scan("a/")) == []
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"secret": b"not an object"}


def test_an_object_that_is_a_symbolic_link_is_not_followed(
    storage: FilesystemStorage, root: Path, outside: Path
) -> None:
    (root / "a").symlink_to(outside / "secret")
    (root / "dangling").symlink_to(outside / "not-there")
    for key in ("a", "dangling"):
        with pytest.raises(NotFoundError):
            storage.read(key)
        with pytest.raises(NotFoundError):
            storage.stat(key)
        with pytest.raises(RefusedError):
            storage.write(key, b"x", if_absent=True)
        storage.delete(key)
    assert list(storage.scan()) == []
    storage.write("a", b"an object now")
    assert not (root / "a").is_symlink()
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]
    assert (outside / "secret").read_bytes() == b"not an object"


@pytest.mark.kills
def test_no_link_that_is_swapped_in_meanwhile_lets_a_write_out(
    storage: FilesystemStorage, root: Path, outside: Path
) -> None:
    # Another user of the machine renames folders and links to and fro while we write through them.
    script = (
        "import os, sys\n"
        "os.chdir(sys.argv[1])\n"
        "os.makedirs('swap', exist_ok=True)\n"
        "os.symlink(sys.argv[2], 'link')\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for pair in ('swap', 'away'), ('link', 'swap'), ('swap', 'link'), ('away', 'swap'):\n"
        "        os.rename(*pair)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, root, outside], stdout=subprocess.PIPE) as swapper:
        try:
            assert swapper.stdout is not None
            swapper.stdout.readline()
            outcomes = set()
            for number in range(400):
                try:
                    storage.write(f"swap/{number}", b"x", if_absent=number % 2 == 0)
                    outcomes.add("written")
                except (RefusedError, UnavailableError):
                    outcomes.add("refused")
        finally:
            swapper.kill()
    assert "written" in outcomes
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_a_named_pipe_in_the_way_blocks_nobody(storage: FilesystemStorage, root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(NotFoundError):
        storage.read("pipe")
    with pytest.raises(RefusedError):
        storage.write("pipe", b"x", if_absent=True)
    assert list(storage.scan()) == []


def test_files_whose_names_are_no_keys_are_left_out(storage: FilesystemStorage, root: Path) -> None:
    storage.write("a/b", b"")
    for name in (b"line\nbreak", b"back\\slash", b"not\xffunicode", b"\xed\xa0\x80"):
        Path(os.fsdecode(os.fsencode(root) + b"/a/" + name)).write_bytes(b"")
    assert [info.key for info in storage.scan()] == ["a/b"]


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "objects").symlink_to(tmp_path / "disk")
    with closing(FilesystemStorage(Settings(root=tmp_path / "objects"))) as storage:
        storage.write("a", b"x")
    assert (tmp_path / "disk" / "a").read_bytes() == b"x"


# The disk is full, the folder is not ours


def test_a_full_disk_is_said_and_leaves_nothing(root: Path) -> None:
    def work() -> str:
        # A file-size limit stops a write in its middle as a full disk does, and needs no disk of its own.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        storage = FilesystemStorage(Settings(root=root))
        storage.write("old", b"good")
        said = []
        for key in ("new/one", "old"):
            try:
                storage.write(key, bytes(2_000_000))
            except UnavailableError as error:
                said.append(str(error))
        answers = storage.write_many(
            [Write(key="batch/small", source=b"s"), Write(key="batch/large", source=bytes(2_000_000))]
        )
        assert isinstance(answers[0], ObjectInfo)
        assert isinstance(answers[1], UnavailableError)
        assert contents(storage) == {"old": b"good", "batch/small": b"s"}
        assert not own_files(root)
        assert not (root / "new").exists()
        storage.close()
        return "\n".join(said)

    said = in_child(work)
    assert said.count(f"The storage folder {root} is full") == 2
    assert os.strerror(errno.EFBIG) in said


def test_a_full_file_system_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    mount = tmp_path / "tiny"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode != 0:
        pytest.skip("no right to mount a file system")
    try:
        with closing(FilesystemStorage(Settings(root=mount / "objects"))) as storage:
            storage.write("old", b"good")
            with pytest.raises(UnavailableError, match="is full"):
                storage.write("new", bytes(5_000_000))
            answers = storage.write_many([Write(key=f"b/{n}", source=bytes(200_000)) for n in range(20)])
            written = [answer.key for answer in answers if isinstance(answer, ObjectInfo)]
            assert 0 < len(written) < 20
            assert {type(answer) for answer in answers} == {ObjectInfo, UnavailableError}
            del answers  # tracebacks of the errors hold descriptors
            assert sorted(contents(storage)) == sorted([*written, "old"])
            for key in written:
                storage.delete(key)
            storage.write("new", bytes(600_000))  # all room was given back
            assert health_of(storage).status is not HealthStatus.FAILED
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], capture_output=True, check=True)


def as_nobody(work: Callable[[], None]) -> str:
    """Run without root's rights and return the error's class and message."""

    def child() -> str:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        try:
            work()
        except BackendError as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    return in_child(child)


def test_a_folder_that_must_not_be_written_is_refused_and_can_be_read(root: Path) -> None:
    settings = Settings(root=root, folder_mode=0o755, file_mode=0o644)
    with closing(FilesystemStorage(settings)) as storage:
        storage.write("a/b", b"x")
    for folder in (root / "a", root / ".dicom-common" / "writing", root / ".dicom-common", root):
        folder.chmod(0o555)
    for parent in root.parents:
        if parent.stat().st_uid == os.getuid() and "pytest-" in str(parent):
            parent.chmod(0o755)

    def read() -> None:
        storage = FilesystemStorage(settings)
        assert contents(storage) == {"a/b": b"x"}
        assert health_of(storage).status is HealthStatus.FAILED

    assert as_nobody(read) == "no error"
    refused = f"RefusedError: The storage folder {root} does not allow"
    assert as_nobody(lambda: (FilesystemStorage(settings).write("a/c", b"x"), None)[1]).startswith(refused)
    assert as_nobody(lambda: FilesystemStorage(settings).delete("a/b")).startswith(refused)
    other = Settings(root=root / "new" / "root")
    assert as_nobody(lambda: FilesystemStorage(other).close()).startswith("RefusedError: ")
    for folder in (root, root / "a", root / ".dicom-common", root / ".dicom-common" / "writing"):
        folder.chmod(0o755)


def test_a_root_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RefusedError, match=str(root)):
            FilesystemStorage(Settings(root=root))


def test_a_missing_root_that_is_not_to_be_made_is_a_disk_that_is_not_mounted(root: Path) -> None:
    settings = Settings(root=root, make_root=False)
    with pytest.raises(UnavailableError, match=f"{root} is not there: mount its disk"):
        FilesystemStorage(settings)
    assert not root.exists()
    root.mkdir()
    with closing(FilesystemStorage(settings)) as storage:
        storage.write("a/b", b"x")
        assert b"".join(storage.read("a/b")) == b"x"


def test_a_missing_root_is_made(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b" / "c"
    FilesystemStorage(Settings(root=root)).close()
    assert root.is_dir()


# What writers leave


def writer_that_hangs(root: Path, ready: object) -> None:
    """Begin a write that never ends."""

    class Hanging:
        def __init__(self) -> None:
            self.first = True

        def read(self, size: int) -> bytes:
            if self.first:
                self.first = False
                return bytes(size)
            ready.set()  # type: ignore[attr-defined]  # multiprocessing's Event is a factory for the type checker
            time.sleep(600)
            return b""

    storage = FilesystemStorage(Settings(root=root))
    storage._staging()._anonymous = False  # as on a file system that knows no files without names
    storage.write("never", Hanging())  # type: ignore[arg-type]  # all that is used of a file is `read`


@pytest.mark.kills
def test_what_a_dead_writer_left_is_cleaned_and_what_a_living_one_writes_is_not(root: Path) -> None:
    dead, living = FORK.Event(), FORK.Event()
    writers = [FORK.Process(target=writer_that_hangs, args=(root, event)) for event in (dead, living)]
    try:
        for writer, event in zip(writers, (dead, living), strict=True):
            writer.start()
            assert event.wait(60)
        assert len(own_files(root)) == 2
        writers[0].kill()
        writers[0].join(60)
        FilesystemStorage(Settings(root=root)).close()
        assert len(own_files(root)) == 1, "what a living writer writes was taken from it, or the rest was left"
    finally:
        for writer in writers:
            writer.kill()
            writer.join(60)
    FilesystemStorage(Settings(root=root)).close()
    assert not own_files(root)
    assert not list((root / ".dicom-common" / "writing").iterdir())


def test_closing_leaves_nothing_but_objects(storage: FilesystemStorage, root: Path) -> None:
    storage.write("a", b"x")
    storage.write("a", b"y")
    storage.close()
    assert not list((root / ".dicom-common" / "writing").iterdir())


def test_a_file_system_without_unnamed_files_keeps_all_promises(storage: FilesystemStorage, root: Path) -> None:
    storage._staging()._anonymous = False
    storage.write("a/b", b"first", if_absent=True)
    with pytest.raises(AlreadyExistsError):
        storage.write("a/b", b"second", if_absent=True)
    storage.write("a/b", b"third")
    answers = storage.write_many([Write(key=f"c/{n}", source=b"%d" % n, if_absent=n % 2 == 0) for n in range(10)])
    assert all(isinstance(answer, ObjectInfo) for answer in answers)
    assert contents(storage) == {"a/b": b"third", **{f"c/{n}": b"%d" % n for n in range(10)}}
    assert not own_files(root)


def test_an_object_has_one_name(storage: FilesystemStorage, root: Path) -> None:
    for if_absent in (True, False):
        storage.write("a", b"x", if_absent=if_absent)
        assert (root / "a").stat().st_nlink == 1


def test_an_empty_folder_that_a_crash_left_is_no_obstacle(storage: FilesystemStorage, root: Path) -> None:
    for if_absent in (True, False):
        (root / "a" / f"{if_absent}").mkdir(parents=True)
        storage.write(f"a/{if_absent}", b"x", if_absent=if_absent)
    assert contents(storage) == {"a/True": b"x", "a/False": b"x"}


def test_deleting_removes_the_folders_that_it_empties(storage: FilesystemStorage, root: Path) -> None:
    storage.write("a/b/c/d", b"")
    storage.write("a/e", b"")
    storage.delete("a/b/c/d")
    assert sorted(path.name for path in (root / "a").iterdir()) == ["e"]
    storage.delete("a/e")
    assert sorted(path.name for path in root.iterdir()) == [".dicom-common"]


def test_a_failed_write_leaves_no_folders(storage: FilesystemStorage, root: Path) -> None:
    with pytest.raises(BackendError):
        storage.write("a/b/c", b"x", sha256="0" * 64)
    assert not (root / "a").exists()


# Forks, modes, settings, health


def test_a_forked_child_writes_and_its_end_takes_nothing_from_the_parent(
    storage: FilesystemStorage, root: Path
) -> None:
    storage.write("before", b"")

    def work() -> str:
        storage.write("child", b"c")
        storage.write("child", b"d")
        storage.close()
        return "done"

    assert in_child(work) == "done"
    storage.write("before", b"replaced")  # needs the parent's own folder
    assert contents(storage) == {"before": b"replaced", "child": b"d"}
    storage.close()
    assert not own_files(root)


def test_modes_are_those_of_the_settings_whatever_the_umask_is(root: Path) -> None:
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            with closing(FilesystemStorage(Settings(root=root, file_mode=0o664, folder_mode=0o775))) as storage:
                storage.write(f"a{umask}/b", b"x")
                storage.write(f"a{umask}/b", b"y")
        finally:
            os.umask(before)
        assert stat.S_IMODE((root / f"a{umask}").stat().st_mode) == 0o775
        assert stat.S_IMODE((root / f"a{umask}" / "b").stat().st_mode) == 0o664
    assert stat.S_IMODE((root / ".dicom-common" / "writing").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("setting", "mode"), [("file_mode", 0o440), ("file_mode", 0o1640), ("folder_mode", 0o640), ("folder_mode", -1)]
)
def test_a_mode_that_cannot_work_is_refused_by_name(setting: str, mode: int) -> None:
    with pytest.raises(ConfigError, match=setting):
        Settings(**{setting: mode})  # type: ignore[arg-type]  # one of two settings of the same type


def test_check_tells_the_free_space(storage: FilesystemStorage, root: Path) -> None:
    health = health_of(storage)
    free = health.facts["free_bytes"]
    assert isinstance(free, int)
    space = os.statvfs(root)
    assert abs(free - space.f_bavail * space.f_frsize) < 1 << 30
    assert health.facts["fsync"] is True
    assert not own_files(root)


def test_check_warns_where_fsync_is_off(root: Path) -> None:
    with closing(FilesystemStorage(Settings(root=root, fsync=False))) as storage:
        storage.write("a", b"x")
        assert health_of(storage).status is HealthStatus.DEGRADED
        assert contents(storage) == {"a": b"x"}


def test_a_root_that_was_taken_away_is_said(storage: FilesystemStorage, root: Path) -> None:
    storage.write("a", b"x")
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()
    assert health_of(storage).status is HealthStatus.FAILED
    with pytest.raises((UnavailableError, RefusedError)):
        storage.write("a/b", b"x")


def test_errors_name_the_folder_and_never_the_key(storage: FilesystemStorage, root: Path, outside: Path) -> None:
    key = "tenant/1.2.840.99/object"
    (root / "tenant").symlink_to(outside, target_is_directory=True)
    said = []
    for call in (
        lambda: storage.write(key, b""),
        lambda: storage.read(key),
        lambda: storage.stat(key),
        lambda: storage.write("a", b"", sha256="0"),
        lambda: storage.write("x" * 300, b""),
    ):
        try:
            call()
        except (BackendError, ValueError) as error:
            said.append(str(error))
    assert len(said) == 5
    assert not any("1.2.840" in text or "xxx" in text for text in said)


def test_a_durable_write_syncs_the_file_and_each_new_folder(tmp_path: Path) -> None:
    # What a power failure would take cannot be tried here; what the kernel was asked for can.
    trace = tmp_path / "trace"
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from dicom_common.core import Write\n"
        "from dicom_common.storage.filesystem import FilesystemStorage, Settings\n"
        "storage = FilesystemStorage(Settings(root=Path(sys.argv[1])))\n"
        "storage.write('x', b'')\n"  # makes the writer's own folder
        "sys.stderr.write('begin'); sys.stderr.flush()\n"
        "storage.write_many([Write(key=f'a/b/{n}', source=b'') for n in range(10)])\n"
        "sys.stderr.write('again'); sys.stderr.flush()\n"
        "storage.write('a/b/more', b'')\n"
    )
    command = ["strace", "-f", "-e", "trace=fsync,write", "-o", str(trace), sys.executable, "-c", script]
    with suppress(FileNotFoundError):
        subprocess.run([*command, str(tmp_path / "objects")], capture_output=True, check=True, timeout=120)
    if not trace.exists():
        pytest.skip("there is no strace here")
    first, again = trace.read_text().partition('"begin"')[2].split('"again"')
    assert first.count("fsync(") == 10 + 3, "each file, the root, a, and a/b once"
    assert again.count("fsync(") == 1 + 1, "the file and a/b"


def test_the_claim_of_a_folder_survives_a_cleaner_at_every_moment(root: Path) -> None:
    # Openers clean while others claim: nobody may lose the folder that it has just claimed.
    with closing(FilesystemStorage(Settings(root=root))):
        pass
    workers = [FORK.Process(target=_open_and_write, args=(root, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    with closing(FilesystemStorage(Settings(root=root))) as storage:
        assert len(list(storage.scan())) == 4 * 40
    assert staging._AREA[0] == b".dicom-common"


def _open_and_write(root: Path, number: int) -> None:
    for turn in range(40):
        with closing(FilesystemStorage(Settings(root=root, fsync=False))) as storage:
            storage._staging()._anonymous = False
            storage.write(f"{number}/{turn}", b"x")
