#!/usr/bin/env python3
"""Write the frozen API of dicom-common-core, tests/api/dicom-common-core.txt; `--check` only compares.

Everything that a plugin can import or implement stands in that file, with the version of each hook and Protocol. Where
there is a release of the core, it also says which of these versions do not tell how they have changed since.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from _versions import core_tags
from _workspace import ROOT

CORE = ROOT / "packages" / "dicom-common-core" / "src" / "dicom_common" / "core"
CONTRACTS = ROOT / "packages" / "dicom-common-host" / "src" / "dicom_common" / "host" / "_contracts.py"
FILE = ROOT / "tests" / "api" / "dicom-common-core.txt"
CURE = (
    "Where that is on purpose: raise the version of the hook or Protocol in _contracts.py of dicom-common-host (the"
    " docstring of Contract says by how much), write a line in the CHANGELOG of dicom-common-core, and run"
    " python3 tools/frozen_api.py."
)
_HEAD = re.compile(r"(\w+) (?:(\d+\.\d+) )?\((hook|Protocol|class|function|value)\)")


@dataclass(frozen=True)
class Entry:
    """One public name of the core."""

    name: str
    kind: str
    version: str | None
    lines: tuple[str, ...]

    def __str__(self) -> str:
        version = f"{self.version} " if self.version else ""
        return "\n".join((f"{self.name} {version}({self.kind})", *(f"    {line}" for line in self.lines)))


def api(folder: Path = CORE, contracts: Path = CONTRACTS) -> dict[str, Entry]:
    """Read the public names of the core, and the versions of its contracts, from the syntax, without importing it."""
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))}
    versions = _versions(ast.parse(contracts.read_text(encoding="utf-8")))
    found = {}
    for module, tree in trees.items():
        public = {"hookimpl", "hookspec"} if module == "hookspecs" else _all_of(tree)
        for node in tree.body:
            name = _name(node)
            if isinstance(node, ast.FunctionDef) and module == "hookspecs":
                found[node.name] = Entry(node.name, "hook", versions.get(node.name), (_signature(node),))
            elif module != "__init__" and name in public:
                # `tls` is a module of its own for who imports it.
                full = f"{module}_{name}" if module == "tls" else name
                found[full] = Entry(full, _kind(node), versions.get(name), tuple(_lines(node)))
    return dict(sorted(found.items()))


def _versions(tree: ast.Module) -> dict[str, str]:
    """Return the versions that `CONTRACTS` gives: those of the names in `_FIRST`, and those that have changed since."""
    values = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    found = dict.fromkeys(str(ast.literal_eval(values["_FIRST"])).split(), "1.0")
    for node in ast.walk(tree):
        for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
            given = {word.arg: word.value for word in value.keywords} if isinstance(value, ast.Call) else {}
            if key is not None and "version" in given:
                found[str(ast.literal_eval(key))] = str(ast.literal_eval(given["version"]))
    return found


def _all_of(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _name(node: ast.stmt) -> str:
    match node:
        case ast.ClassDef(name) | ast.FunctionDef(name):
            return name
        case ast.AnnAssign(ast.Name(name)) | ast.Assign([ast.Name(name)]):
            return name
        case _:
            return ""


def _kind(node: ast.stmt) -> str:
    if isinstance(node, ast.ClassDef):
        return "Protocol" if "Protocol" in map(ast.unparse, node.bases) else "class"
    return "function" if isinstance(node, ast.FunctionDef) else "value"


def _signature(node: ast.FunctionDef) -> str:
    decorators = "".join(f"@{ast.unparse(one)} " for one in node.decorator_list)
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{decorators}def {node.name}({ast.unparse(node.args)}){returned}"


def _lines(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef():
            yield _signature(node)
        case ast.ClassDef():
            yield f"class {node.name}({', '.join(map(ast.unparse, (*node.bases, *node.keywords)))})"
            decorators = [ast.unparse(one) for one in node.decorator_list]
            yield from (f"@{text}" for text in decorators)
            for part in node.body:
                is_private = _name(part).startswith("_") and not _name(part).startswith("__")
                if isinstance(part, ast.FunctionDef) and not is_private:
                    yield _signature(part)
                elif isinstance(part, ast.AnnAssign | ast.Assign) and not is_private:
                    yield ast.unparse(part)
        case ast.AnnAssign():
            yield f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}"


def written(entries: Mapping[str, Entry]) -> str:
    """Return the text of the file."""
    return "".join(f"{entry}\n\n" for entry in entries.values())


def read(text: str) -> dict[str, Entry]:
    """Return the entries of such a text."""
    found = {}
    for block in filter(None, text.split("\n\n")):
        head, *lines = block.strip("\n").splitlines()
        name, version, kind = _HEAD.fullmatch(head).groups()  # type: ignore[union-attr]  # we wrote it
        found[name] = Entry(name, kind, version, tuple(line[4:] for line in lines))
    return found


def not_raised(before: Mapping[str, Entry], now: Mapping[str, Entry]) -> Iterator[str]:
    """Say of which hooks and Protocols the version does not say how they have changed since a release."""
    for name, old in before.items():
        new = now.get(name)
        if new is None:
            if old.version:
                yield f"{name} is gone: a hook or Protocol is deprecated first (see Contract in _contracts.py)."
        elif old.version and new.version and old.lines != new.lines:
            old_major, old_minor = map(int, old.version.split("."))
            is_compatible = new.kind == "hook" and _only_gains_arguments(old.lines[0], new.lines[0])
            wanted = (old_major, old_minor + 1) if is_compatible else (old_major + 1, 0)
            if tuple(map(int, new.version.split("."))) < wanted:
                why = (
                    "whoever implements it need not change" if is_compatible else "whoever implements it has to change"
                )
                yield f"{name} {new.version} has changed, and {why}: raise its version to {wanted[0]}.{wanted[1]}."


def _only_gains_arguments(old: str, new: str) -> bool:
    before, now = (ast.parse(f"{re.sub('@[^ ]+ ', '', text)}: ...").body[0] for text in (old, new))
    if not isinstance(before, ast.FunctionDef) or not isinstance(now, ast.FunctionDef):
        return False
    one, other = ({ast.unparse(argument) for argument in node.args.args} for node in (before, now))
    returns = [node.returns and ast.unparse(node.returns) for node in (before, now)]
    return one <= other and returns[0] == returns[1]


def released() -> dict[str, Entry] | None:
    """Return the API of the core's last release; None before the first one."""
    for tag in core_tags()[:1]:
        words = ["git", "show", f"{tag}:{FILE.relative_to(ROOT).as_posix()}"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        return read(done.stdout) if done.returncode == 0 else None
    return None


def main() -> int:
    """Return 1 where a version was not raised, or the file is not what it should be and `--check` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    is_check = parser.parse_args().check
    now = api()
    problems = list(not_raised(released() or {}, now))
    for problem in problems:
        print(problem)
    before = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    made = written(now)
    if made == before:
        return int(bool(problems))
    print("\n".join(difflib.unified_diff(before.splitlines(), made.splitlines(), "frozen", "now", lineterm="", n=1)))
    if is_check:
        print(f"{FILE.relative_to(ROOT)} is not what the code says. {CURE}")
        return 1
    FILE.write_text(made, encoding="utf-8")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
