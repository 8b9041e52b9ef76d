"""The repository of a new backend: it installs, is listed, and runs the contract tests of its kind."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

__all__ = ["PROTOCOLS", "ScaffoldError", "make"]

PROTOCOLS = {
    "storage": "Storage",
    "db": "Database",
    "cache": "Cache",
    "broker": "Broker",
    "auth": "Authenticator",
    "keyring": "Keyring",
    "extension": "Extension",
}
"""The kinds, and the Protocol of each in `dicom_common.core`."""
_TEMPLATE = Path(__file__).parent / "template"
_SOURCES = {"db": "_database.py", "broker": "_broker.py", "keyring": "_keyring.py"}
"""The kinds without a working template, and the module of the core that has their Protocol."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COMMON_NAMES = {"Iterable", "Iterator", "Mapping", "Sequence", "Callable"}


class ScaffoldError(Exception):
    """The repository cannot be made; the message says what to do."""


def make(kind: str, name: str, output: Path, *, core: str) -> None:
    """Write the repository of a backend.

    Args:
        kind: one of `PROTOCOLS`.
        name: its name in the configuration.
        output: the folder, which must not exist or be empty.
        core: the version of dicom-common-core that it is for.

    Raises:
        ScaffoldError: the name is invalid, or the folder is not empty.
    """
    if _NAME.fullmatch(name) is None:
        raise ScaffoldError(f"{name!r} is not a name: use a-z, 0-9 and single hyphens, beginning with a letter.")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ScaffoldError(f"{output} already exists and is not empty: choose another folder with --output.")
    filled = _values(kind, name, core)
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
        *([("command.py", package / "_command.py")] if kind == "extension" else []),
    ):
        own = _TEMPLATE / f"{source}.{kind}.tmpl"
        text = (own if own.exists() else _TEMPLATE / f"{source}.tmpl").read_text(encoding="utf-8")
        target.write_text(Template(text).substitute(filled), encoding="utf-8")
    (package / "py.typed").touch()
    (package / "_backend.py").write_text(_backend(kind, filled), encoding="utf-8")


def _values(kind: str, name: str, core: str) -> dict[str, str]:
    """Return what the templates are filled with."""
    major, minor, *_ = core.split(".")
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


def _backend(kind: str, filled: dict[str, str]) -> str:
    """Return the module of the backend: the working template, or what the core's Protocol asks for."""
    if kind not in _SOURCES:
        text = (_TEMPLATE / f"_{kind}.py").read_text(encoding="utf-8")
        return text.replace("Example", filled["title"]).replace("example", filled["name"])
    found = importlib.util.find_spec("dicom_common.core")  # it is not imported: its text is enough
    assert found is not None
    assert found.origin is not None
    source = Path(found.origin).with_name(_SOURCES[kind]).read_text(encoding="utf-8")
    protocol = next(
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == PROTOCOLS[kind]
    )
    methods = [node for node in protocol.body if isinstance(node, ast.FunctionDef)]
    text = (_TEMPLATE / "skeleton.py.tmpl").read_text(encoding="utf-8")
    written = "\n\n".join(_method_to_write(method, source.splitlines()) for method in methods)
    return Template(text).substitute(filled, imports=_imports_of(methods), methods=written)


def _method_to_write(method: ast.FunctionDef, source: Sequence[str]) -> str:
    """Return a method of a Protocol for the author to write: its signature and first sentence, without a body."""
    head = "\n".join(source[method.lineno - 1 : method.body[0].lineno - 1])
    sentence = (ast.get_docstring(method) or "").partition("\n")[0]
    return f'{head}\n        """{sentence}"""\n        raise NotImplementedError("{method.name}")'


def _imports_of(methods: list[ast.FunctionDef]) -> str:
    """Return the imports for the annotations of methods."""
    annotations = [
        annotation
        for method in methods
        for annotation in (method.returns, *(a.annotation for a in (*method.args.args, *method.args.kwonlyargs)))
        if annotation
    ]
    names = {node.id for annotation in annotations for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    ours = sorted(name for name in names if name[0].isupper() and name not in _COMMON_NAMES)
    common = sorted(names & _COMMON_NAMES)
    return "\n".join(
        (
            *([f"from collections.abc import {', '.join(common)}"] if common else []),
            "from dataclasses import dataclass",
            "",
            f"from dicom_common.core import {', '.join(ours)}",
        )
    )
