"""The walk over a tree, against a sorted list of keys; and how little of the tree it lists."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from dicom_common.core import RESERVED_SEGMENT
from dicom_common.toolkit import TreeEntry, walk_tree

SEGMENT = st.text(st.sampled_from("ab.-/é~0"), min_size=1, max_size=3).map(lambda text: text.replace("/", "") or "a")
KEY = st.lists(SEGMENT.filter(lambda text: text not in (".", "..")), min_size=1, max_size=3).map("/".join)
PREFIX = st.one_of(st.just(""), KEY, KEY.map(lambda key: key[:-1]), KEY.map(lambda key: key + "/"), st.text(max_size=3))


class Tree:
    """A tree of names, which notes the folders that are listed."""

    def __init__(self, keys: set[str]) -> None:
        # A name is a file or a folder.
        self.keys = {key for key in keys if not any(other.startswith(key + "/") for other in keys)}
        self.listed: list[str] = []

    def children(self, path: bytes, node: str | None) -> list[TreeEntry[str]]:
        folder = path.decode()
        assert node is None or node == folder.rstrip("/")
        self.listed.append(folder)
        below = {key.removeprefix(folder) for key in self.keys if key.startswith(folder)}
        names = {(name.partition("/")[0], "/" in name) for name in below}
        return [TreeEntry(name.encode(), is_folder, folder + name) for name, is_folder in names]


@settings(max_examples=300, deadline=None)
@given(st.sets(KEY, max_size=15), PREFIX, PREFIX)
def test_it_finds_what_a_sorted_list_has(keys: set[str], prefix: str, after: str) -> None:
    tree = Tree(keys)
    expected = [
        key
        for key in sorted(tree.keys, key=str.encode)
        if key.startswith(prefix) and key.encode() > after.encode("utf-8", "surrogatepass")
    ]
    assert [key for key, _ in walk_tree(tree.children, prefix=prefix, after=after)] == expected


def test_a_folder_without_a_key_that_is_asked_for_is_not_listed() -> None:
    tree = Tree({f"t/{day}/{study}/x.dcm" for day in range(10) for study in range(10)})
    assert len(list(walk_tree(tree.children, prefix="t/3/"))) == 10
    assert tree.listed == ["t/3/", *(f"t/3/{study}/" for study in range(10))]
    tree.listed.clear()
    assert next(walk_tree(tree.children, after="t/8/8/x.dcm"))[0] == "t/8/9/x.dcm"
    assert tree.listed == ["", "t/", "t/8/", "t/8/8/", "t/8/9/"]


def test_what_is_reserved_and_what_is_no_key_is_passed_over() -> None:
    tree = Tree({f"{RESERVED_SEGMENT}/probe", "a\\b", "a\nb", "x", f"deep/{RESERVED_SEGMENT}"})
    assert [key for key, _ in walk_tree(tree.children)] == [f"deep/{RESERVED_SEGMENT}", "x"]


def test_folders_that_no_key_has_are_not_asked_for() -> None:
    tree = Tree({"a"})
    for prefix in ("../", "a//", "./", "/", "a\0/", "\ud800", "x" * 300 + "/"):
        assert list(walk_tree(tree.children, prefix=prefix)) == []
    assert tree.listed == []
