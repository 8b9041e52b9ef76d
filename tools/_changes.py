"""What was changed: files since the branch left `main`, the packages that they belong to, and who depends on these."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from _workspace import ROOT, Package, packages, requirement_name


def changed_files() -> list[str]:
    """Return the files that differ from the merge base with `main`, committed or not; on `main` itself, from HEAD."""
    base = _git("merge-base", "main", "HEAD") or ["HEAD"]
    return sorted({*_git("diff", "--name-only", base[0]), *_git("ls-files", "--others", "--exclude-standard")})


def _git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []


def changed_packages(files: Iterable[str]) -> tuple[list[Package], list[Package]]:
    """Return the packages that files belong to, and with them those that depend on what was changed in their code.

    Only code and requirements reach a dependent: a package whose README or tests were changed is tested alone.
    """
    by_name = {package.name: package for package in packages()}
    changed, reaching = set(), set()
    for file in files:
        folder, _, rest = file.removeprefix("packages/").partition("/")
        if file.startswith("packages/") and folder in by_name:
            changed.add(folder)
            if rest.startswith("src/") or rest == "pyproject.toml":
                reaching.add(folder)
    needs = {name: {requirement_name(text) for text in package.requirements} for name, package in by_name.items()}
    while more := {name for name, needed in needs.items() if needed & reaching} - reaching:
        reaching |= more
    of = {name: [by_name[one] for one in sorted(names)] for name, names in (("c", changed), ("a", changed | reaching))}
    return of["c"], of["a"]
