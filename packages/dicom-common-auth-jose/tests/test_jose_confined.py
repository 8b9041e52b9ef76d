"""Each library that others might replace stands in one file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dicom_common.auth.jose as package


def imported_by(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("library", "module"), [("jose", "_signatures.py"), ("jsonpath", "_claim_paths.py"), ("http", "_fetch.py")]
)
def test_a_library_is_used_in_one_module(library: str, module: str) -> None:
    (folder,) = package.__path__
    assert [path.name for path in Path(folder).glob("*.py") if library in imported_by(path)] == [module]
