"""The files of the repository that the rules are about."""

from __future__ import annotations

from pathlib import Path

from _workspace import ROOT, all_packages

__all__ = ["code"]


def code() -> list[Path]:
    """All that users or we run; not the tests."""
    scripts = [path for path in (ROOT / "tools").rglob("*.py") if "tests" not in path.parts]
    modules = (path for package in all_packages() for path in (package.folder / "src").rglob("*.py"))
    return [ROOT / "noxfile.py", *sorted(scripts), *sorted(modules)]
