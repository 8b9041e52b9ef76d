"""No way out of the root: by links, by pipes, by names that are no keys."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_common.core import NotFoundError, RefusedError, UnavailableError, Write
from dicom_common.storage.filesystem import FilesystemStorage


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


def test_a_folder_that_was_read_from_is_not_followed_once_it_is_a_symbolic_link(
    storage: FilesystemStorage, root: Path, outside: Path
) -> None:
    storage.write("a/b/secret", b"an object")
    assert b"".join(storage.read("a/b/secret")) == b"an object"
    (root / "a" / "b").rename(root / "aside")
    (root / "a" / "b").symlink_to(outside, target_is_directory=True)
    with pytest.raises(NotFoundError):
        storage.read("a/b/secret")
    (root / "a" / "b").unlink()
    (root / "a").rmdir()
    (outside / "b").mkdir()
    (outside / "b" / "secret").write_bytes(b"not an object")
    (root / "a").symlink_to(outside, target_is_directory=True)
    with pytest.raises(NotFoundError):
        storage.stat("a/b/secret")


def test_a_folder_that_was_read_from_and_made_again_is_read_anew(storage: FilesystemStorage) -> None:
    for content in (b"first", b"second"):
        storage.write("a/b/c", content)
        assert b"".join(storage.read("a/b/c")) == content
        storage.delete("a/b/c")
        with pytest.raises(NotFoundError):
            storage.read("a/b/c")


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
