"""Which files are found below the paths that somebody names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dicom_common.pipeline import find_files


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
