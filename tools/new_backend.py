#!/usr/bin/env python3
"""Make the repository of a new backend: it installs, is listed, and runs the contract tests of its kind.

Examples:
  python3 tools/new_backend.py storage tape                    makes ./dicom-common-storage-tape
  python3 tools/new_backend.py broker nats --output ../nats

Storage, cache and auth begin as small backends that work; db, broker and keyring begin as the methods that are to
be written.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template

from _workspace import ROOT, find_package

TEMPLATE = Path(__file__).parent / "template"
PROTOCOLS = {
    "storage": "Storage",
    "db": "Database",
    "cache": "Cache",
    "broker": "Broker",
    "auth": "Authenticator",
    "keyring": "Keyring",
}
SOURCES = {"db": "_database.py", "broker": "_broker.py", "keyring": "_keyring.py"}
"""The kinds without a working template, and the module of the core that has their Protocol."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
COMMON_NAMES = {"Iterable", "Iterator", "Mapping", "Sequence", "Callable"}


def values(kind: str, name: str) -> dict[str, str]:
    """Return what the templates are filled with."""
    core = find_package("core")
    assert core is not None
    major, minor, _ = core.version.split(".")
    title = "".join(part.capitalize() for part in name.split("-"))
    public = sorted((f"{title}{PROTOCOLS[kind]}", "Settings"))
    return {
        "kind": kind,
        "name": name,
        "module": f"dicom_common_{kind}_{name.replace('-', '_')}",
        "title": title,
        "public": ", ".join(public),
        "quoted": ", ".join(f'"{word}"' for word in public),
        "protocol": PROTOCOLS[kind],
        "core": f"{major}.{minor}",
        "next_core": f"{major}.{int(minor) + 1}",
    }


def make(kind: str, name: str, output: Path) -> None:
    """Write the repository into `output`, which must not exist or be empty."""
    filled = values(kind, name)
    package = output / "src" / filled["module"]
    package.mkdir(parents=True)
    (output / "tests").mkdir()
    for source, target in (
        ("pyproject.toml", output / "pyproject.toml"),
        ("README.md", output / "README.md"),
        ("CHANGELOG.md", output / "CHANGELOG.md"),
        ("gitignore", output / ".gitignore"),
        ("__init__.py", package / "__init__.py"),
        (f"test_{kind}.py", output / "tests" / "test_contract.py"),
    ):
        text = (TEMPLATE / f"{source}.tmpl").read_text(encoding="utf-8")
        target.write_text(Template(text).substitute(filled), encoding="utf-8")
    (package / "py.typed").touch()
    (package / "_backend.py").write_text(backend(kind, filled), encoding="utf-8")


def backend(kind: str, filled: dict[str, str]) -> str:
    """Return the module of the backend: the working template, or what the core's Protocol asks for."""
    if kind not in SOURCES:
        text = (TEMPLATE / f"{kind}.py").read_text(encoding="utf-8")
        return text.replace("Example", filled["title"]).replace("example", filled["name"])
    core = find_package("core")
    assert core is not None
    assert core.module_folder is not None
    source = (core.module_folder / SOURCES[kind]).read_text(encoding="utf-8")
    protocol = next(
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == PROTOCOLS[kind]
    )
    methods = [node for node in protocol.body if isinstance(node, ast.FunctionDef)]
    text = (TEMPLATE / "skeleton.py.tmpl").read_text(encoding="utf-8")
    written = "\n\n".join(method_to_write(method, source.splitlines()) for method in methods)
    return Template(text).substitute(filled, imports=imports_of(methods), methods=written)


def method_to_write(method: ast.FunctionDef, source: Sequence[str]) -> str:
    """Return a method of a Protocol as the method that is to be written: signature, first sentence, no body."""
    head = "\n".join(source[method.lineno - 1 : method.body[0].lineno - 1])
    sentence = (ast.get_docstring(method) or "").partition("\n")[0]
    return f'{head}\n        """{sentence}"""\n        raise NotImplementedError'


def imports_of(methods: list[ast.FunctionDef]) -> str:
    """Return the imports for the annotations of methods."""
    annotations = [
        annotation
        for method in methods
        for annotation in (method.returns, *(a.annotation for a in (*method.args.args, *method.args.kwonlyargs)))
        if annotation
    ]
    names = {node.id for annotation in annotations for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    ours = sorted(name for name in names if name[0].isupper() and name not in COMMON_NAMES)
    common = sorted(names & COMMON_NAMES)
    return "\n".join(
        (
            *([f"from collections.abc import {', '.join(common)}"] if common else []),
            "from dataclasses import dataclass",
            "",
            f"from dicom_common.core import {', '.join(ours)}",
        )
    )


def main() -> int:
    """Run the command; exit code 2 where it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="new_backend.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=sorted(PROTOCOLS))
    parser.add_argument("name", help="how the configuration will call it: a-z, 0-9, and single hyphens")
    parser.add_argument("--output", type=Path, help="the folder to make; default: dicom-common-KIND-NAME, here")
    arguments = parser.parse_args()
    if NAME.fullmatch(arguments.name) is None:
        parser.error(f"{arguments.name!r} is not a name: use a-z, 0-9 and single hyphens, a letter first.")
    if (ROOT / "packages" / f"dicom-common-{arguments.kind}-{arguments.name}").exists():
        parser.error(f"dicom-common has a {arguments.kind} backend {arguments.name!r}: choose another name.")
    output = arguments.output or Path(f"dicom-common-{arguments.kind}-{arguments.name}")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        parser.error(f"{output} is there already and is not empty: choose another folder with --output.")
    make(arguments.kind, arguments.name, output)
    print(f"{output} is made. Next:")
    print(f"  cd {output} && python3 -m venv .venv && .venv/bin/pip install --editable . --group test")
    print("  .venv/bin/pytest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
