"""What writers leave: dead and living ones, forked ones, and those that clean while others claim."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from forked_child import FORK, in_child
from objects_folder import contents, own_files

from dicom_common.core import AlreadyExistsError, ObjectInfo, Write
from dicom_common.storage.filesystem import FilesystemStorage, Settings, _staging as staging


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


def test_nothing_of_a_batch_goes_on_once_ctrl_c_has_ended_it(tmp_path: Path) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        time.sleep(0.02)
        done.append(number)

    with closing(FilesystemStorage(Settings(root=tmp_path))) as storage:
        with pytest.raises(KeyboardInterrupt):
            storage._side_by_side(work, range(200))
        before = len(done)
        time.sleep(0.1)
        assert len(done) == before < 200
