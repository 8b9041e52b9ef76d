"""Which files are found below the paths that somebody names."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from dicom_common.pipeline import Missed, find_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b/2.dcm", "b/1.dcm", "a/deep/er/3", "c.dcm", ".hidden/x", "b/.hidden", "a/deep/.git/y"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "tree" / "empty").mkdir()
    return tmp_path / "tree"


def test_files_are_found_in_the_order_of_their_names_without_hidden_ones(tree: Path) -> None:
    found = [str(path.relative_to(tree)) for path in find_files([tree])]
    assert found == ["a/deep/er/3", "b/1.dcm", "b/2.dcm", "c.dcm"]


def test_paths_that_are_named_are_taken_in_their_order_hidden_or_not(tree: Path) -> None:
    named = [tree / "c.dcm", tree / "b" / ".hidden", tree / ".hidden", tree / "empty"]
    assert list(find_files(named)) == [tree / "c.dcm", tree / "b" / ".hidden", tree / ".hidden" / "x"]


def test_links_to_files_are_followed_and_links_to_folders_are_not(tree: Path) -> None:
    (tree / "empty" / "link").symlink_to(tree / "c.dcm")
    (tree / "empty" / "round").symlink_to(tree)
    (tree / "empty" / "nowhere").symlink_to(tree / "absent")
    assert list(find_files([tree / "empty"])) == [tree / "empty" / "link"]
    assert list(find_files([tree / "empty" / "round" / "c.dcm"])) == [tree / "empty" / "round" / "c.dcm"]


def test_pipes_in_a_folder_are_passed_over(tree: Path) -> None:
    os.mkfifo(tree / "b" / "pipe")
    assert [path.name for path in find_files([tree / "b"])] == ["1.dcm", "2.dcm"]


def test_a_path_that_is_absent_is_an_error_when_its_turn_comes(tree: Path) -> None:
    found = find_files([tree / "c.dcm", tree / "absent"])
    assert next(found) == tree / "c.dcm"
    with pytest.raises(FileNotFoundError):
        next(found)


def test_a_tree_that_is_deeper_than_the_stack_is_walked(tmp_path: Path) -> None:
    depth, here = 1200, os.getcwd()  # noqa: PTH109 - a path of this length can only be made step by step
    try:
        os.chdir(tmp_path)
        for _ in range(depth):
            os.mkdir("d")  # noqa: PTH102 - relative to where we stand
            os.chdir("d")
        Path("file").write_bytes(b"x")
    finally:
        os.chdir(here)
    try:
        assert sum(1 for _ in find_files([tmp_path])) == 1
    finally:  # pytest's own cleaning is recursive
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def told(*paths: Path, follow_links: bool = False) -> tuple[list[str], dict[str, str]]:
    """Return the names of the files that are found, and what is missed with its reason."""
    missed: list[Missed] = []
    files = [path.name for path in find_files(paths, follow_links=follow_links, missed=missed.append)]
    assert all(one.message.endswith(".") for one in missed)
    return files, {one.path.name: str(one.reason) for one in missed}


def test_everything_that_is_not_taken_is_told_and_the_walk_goes_on(tree: Path) -> None:
    (tree / "b" / "link.dcm").symlink_to("1.dcm")
    (tree / "b" / "gone.dcm").symlink_to("absent")
    (tree / "b" / "below-a-file").symlink_to("1.dcm/x")
    (tree / "b" / "self").symlink_to("self")
    (tree / "b" / "study").symlink_to(tree / "a")
    (tree / "b" / "null").symlink_to("/dev/null")
    os.mkfifo(tree / "b" / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(tree / "b" / "socket"))  # an address has 107 bytes
    files, missed = told(tree)
    assert files == ["3", "1.dcm", "2.dcm", "link.dcm", "c.dcm"]
    assert missed == {
        ".git": "hidden",
        ".hidden": "hidden",
        "gone.dcm": "dangling-link",
        "below-a-file": "dangling-link",
        "self": "dangling-link",
        "study": "folder-link",
        "null": "special-file",
        "pipe": "special-file",
        "socket": "special-file",
    }


def test_links_to_folders_are_followed_where_that_is_asked_for_and_never_in_circles(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "deep").mkdir(parents=True)
    (tmp_path / "other" / "deep" / "x.dcm").write_bytes(b"x")
    (tmp_path / "other" / "up").symlink_to("..")
    (tree / "b" / "first").symlink_to(tmp_path / "other")
    (tree / "b" / "second").symlink_to(tmp_path / "other" / "deep")
    (tree / "round").symlink_to(".")
    files, missed = told(tree, follow_links=True)
    assert sorted(files) == ["1.dcm", "2.dcm", "3", "c.dcm", "x.dcm"]
    assert set(missed.values()) == {"hidden"}


def test_paths_that_are_named_and_not_there_are_told_too(tree: Path) -> None:
    (tree / "gone").symlink_to("nowhere")
    files, missed = told(tree / "absent", tree / "c.dcm", tree / "gone", tree / ("n" * 300), tree / "c.dcm" / "x")
    assert files == ["c.dcm"]
    assert missed == {"absent": "vanished", "gone": "vanished", "n" * 300: "path-too-long", "x": "vanished"}


def test_a_path_that_is_too_long_for_the_system_is_told_and_its_neighbours_are_found(tmp_path: Path) -> None:
    here, name = os.getcwd(), "d" * 250  # noqa: PTH109 - see above
    try:
        os.chdir(tmp_path)
        for level in range(20):
            Path(f"{level:02}.dcm").write_bytes(b"x")
            os.mkdir(name)  # noqa: PTH102 - relative to where we stand
            os.chdir(name)
    finally:
        os.chdir(here)
    try:
        files, missed = told(tmp_path)
        assert len(files) >= 10
        assert missed == {name: "path-too-long"}
    finally:  # pytest's own cleaning cannot
        subprocess.run(["rm", "-rf", str(tmp_path / name)], check=True)


def test_a_folder_that_cannot_be_read_is_told_and_the_walk_goes_on(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)  # the folders above may be closed to the user that a test of root becomes
    (tree / "link").symlink_to("a/deep")
    is_root = os.getuid() == 0
    for name, mode in (("a", 0o000), ("b", 0o311), ("empty", 0o444)):
        if is_root:
            os.chown(name, 65534, -1)
        (tree / name).chmod(mode)
    if is_root:
        os.seteuid(65534)  # permissions do not concern root
    try:
        files, missed = told(Path())
        with pytest.raises(PermissionError):
            list(find_files([Path()]))
    finally:
        if is_root:
            os.seteuid(0)
        for name in ("a", "b", "empty"):
            (tree / name).chmod(0o755)
    assert files == ["c.dcm"]
    assert missed == {".hidden": "hidden", "a": "unreadable", "b": "unreadable", "link": "unreadable"}
