"""What the READMEs show exists: commands and their options, imports, settings, what pip is told to install.

Their longer examples are run by tests of their packages, the pages of tools/docs from top to bottom by test_docs_pages.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
import shlex
import tomllib
import typing
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
from _workspace import META, ROOT, Package, all_packages, find_package
from doc_blocks import Block, blocks, shell_lines

from dicom_common.cli._main import _program
from dicom_common.core import DicomCommonError
from dicom_common.host import EXTENSION, KINDS, Plugins

PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted((ROOT / "tools" / "docs").rglob("*.md")),
    *sorted(ROOT.glob("packages/dicom-common-testing/src/**/_guide/*.md")),
]
COMPILED = {package.module for package in all_packages() if package.is_compiled}
CUT = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>"}
"""Where a command of a shell ends."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def all_blocks() -> Iterator[Block]:
    for page in PAGES:
        yield from blocks(page, name_of(page))


BLOCKS = list(all_blocks())


def simple_commands(block: Block) -> Iterator[list[str]]:
    """Iterate over the commands of a block as lists of words."""
    for line in shell_lines(block.code):
        try:
            words = shlex.split(line)
        except ValueError:
            continue  # a picture or a listing, not a command
        command: list[str] = []
        for word in [*words, ";"]:
            if word in CUT:
                if command:
                    yield command
                command = []
            elif command or not re.match(r"[A-Z_]+=", word):
                command.append(word)


def faults_of_command(words: list[str], group: click.Command = _program, path: str = "dicom-common") -> Iterator[str]:
    """Say which commands and options of a command line there are not."""
    context = click.Context(group, info_name=path)
    options = {name: option for option in group.params for name in (*option.opts, *option.secondary_opts)}
    waiting = iter(words)
    for word in waiting:
        if word == "--help":
            continue
        if word.startswith("-") and not re.fullmatch(r"-|-?\d.*", word):
            given, is_given, _ = word.partition("=")
            option = options.get(given)
            if not isinstance(option, click.Option):
                yield f"{path} has no option {given}"
            elif not option.is_flag and not is_given:
                next(waiting, None)
        elif isinstance(group, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            command = group.get_command(context, word)
            if command is None:
                yield f"{path} has no command {word}"
            else:
                yield from faults_of_command(list(waiting), command, f"{path} {word}")
            return


def faults_of_install(words: list[str]) -> Iterator[str]:
    """Say which distributions and extras of ours `pip install` is told to take, and there are not."""
    for word in words:
        match = re.fullmatch(r"(dicom-common[a-z0-9-]*)(?:\[([a-z0-9, -]*)\])?(?:[<>=~!].*)?", word)
        if match is None:
            continue
        package = find_package(match[1])
        if package is None:
            yield f"there is no distribution {match[1]}"
        else:
            unknown = {extra.strip() for extra in (match[2] or "").split(",")} - {"", *extras_of(package)}
            yield from (f"{package.name} has no extra {extra}" for extra in sorted(unknown))


def extras_of(package: Package) -> set[str]:
    return set(package.extras)


def faults_of_shell(block: Block) -> Iterator[str]:
    for words in simple_commands(block):
        match words:
            case ["dicom-common", *rest]:
                yield from faults_of_command(rest)
            case ["pip" | "pip3", "install", *rest]:
                yield from faults_of_install(rest)
            case ["python3" | "python", tool, *_] if tool.startswith("tools/"):
                if not (ROOT / tool).is_file():
                    yield f"there is no {tool}"


def faults_of_python(block: Block) -> Iterator[str]:
    try:
        tree = ast.parse(block.code)
    except SyntaxError as error:
        yield f"line {error.lineno} is no Python"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("dicom_common."):
            if node.module in COMPILED:
                continue
            try:
                module = importlib.import_module(str(node.module))
            except ImportError:
                yield f"there is no module {node.module}"
                continue
            yield from (
                f"{node.module} has no {alias.name}"
                for alias in node.names
                if alias.name != "*" and not hasattr(module, alias.name) and not is_module(node.module, alias.name)
            )


def is_module(package: str | None, name: str) -> bool:
    try:
        importlib.import_module(f"{package}.{name}")
    except ImportError:
        return False
    return True


def settings_of(table: str, written: Mapping[str, Any], plugins: Plugins) -> Any:
    """Return the settings class of a table of a configuration; None where nothing is known of it."""
    if table in KINDS:
        return plugins.backend(table, str(written["backend"])).settings if "backend" in written else None
    for entry in entry_points(group="dicom_common.settings", name=table):
        return entry.load()
    if entry_points(group=f"dicom_common.{EXTENSION}", name=table):
        return plugins.backend(EXTENSION, table).settings
    return None


def faults_of_table(name: str, written: Mapping[str, Any], settings: Any) -> Iterator[str]:
    known = {field.name for field in dataclasses.fields(settings)}
    hints = typing.get_type_hints(settings)
    for key, value in written.items():
        if key == "backend":
            continue
        if key not in known:
            yield f"[{name}] has no setting {key}"
        elif isinstance(value, dict) and dataclasses.is_dataclass(hints[key]):
            yield from faults_of_table(f"{name}.{key}", value, hints[key])


def faults_of_toml(block: Block) -> Iterator[str]:
    try:
        written = tomllib.loads(block.code)
    except tomllib.TOMLDecodeError as error:
        yield f"it is no TOML: {error}"
        return
    if "project" in written or block.title not in ("", "dicom-common.toml"):
        return
    plugins = Plugins()
    for table, content in tables_of(written).items():
        kind = table.partition(".")[0].removesuffix("s") if table.startswith("storages.") else table
        if content.get("backend") in EXAMPLES:
            continue
        try:
            settings = settings_of(kind, content, plugins)
        except DicomCommonError as error:
            yield str(error)
            continue
        if settings is not None:
            yield from faults_of_table(table, content, settings)
        elif kind not in KINDS:
            yield f"there is no table [{table}]"


EXAMPLES = {"null", "dict"}
"""Backends that the page itself shows how to write."""


def tables_of(written: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables of a configuration. A block may also show settings of the table that its text names."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in written.items():
        if name == "storages":
            found |= {f"storages.{storage}": table for storage, table in value.items()}
        elif isinstance(value, dict) and not value.keys() <= {"env", "file"}:
            found[name] = value
    return found


def faults_of_json(block: Block) -> Iterator[str]:
    if "..." in block.code:
        return
    try:
        json.loads(block.code)
    except ValueError:
        for line in filter(None, block.code.splitlines()):
            try:
                json.loads(line)
            except ValueError as error:
                yield f"it is no JSON: {error}"
                return


def faults(block: Block) -> list[str]:
    check = {
        "": faults_of_shell,
        "sh": faults_of_shell,
        "python": faults_of_python,
        "py": faults_of_python,
        "toml": faults_of_toml,
        "json": faults_of_json,
    }.get(block.language)
    return [f"{block.place}: {fault}" for fault in (check(block) if check else ())]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_shows_exists(page: Path) -> None:
    found = [fault for block in BLOCKS if block.place.startswith(f"{name_of(page)}:") for fault in faults(block)]
    assert found == []


def test_most_pages_show_something() -> None:
    assert len(BLOCKS) > 150
    assert {block.language for block in BLOCKS} <= {"", "sh", "python", "py", "toml", "json", "sql"}


@pytest.mark.parametrize(
    ("language", "code", "fault"),
    [
        ("", "dicom-common fnd", "dicom-common has no command fnd"),
        ("", "dicom-common find --levels study", "dicom-common find has no option --levels"),
        ("", "dicom-common --dat /srv check", "dicom-common has no option --dat"),
        ("sh", "DICOM_COMMON_TENANT=a dicom-common check --jsn | head", "dicom-common check has no option --jsn"),
        ("", 'pip install "dicom-common[s3,tape]"', "dicom-common has no extra tape"),
        ("", "pip install dicom-common-storage-tape", "there is no distribution dicom-common-storage-tape"),
        ("", "python3 tools/nowhere.py", "there is no tools/nowhere.py"),
        ("python", "from dicom_common.core import Services", "dicom_common.core has no Services"),
        ("python", "from dicom_common.nowhere import x", "there is no module dicom_common.nowhere"),
        ("py", "def f(:", "line 1 is no Python"),
        ("toml", "[storage]\nbackend = 's3'\nbuckets = 'x'", "[storage] has no setting buckets"),
        ("toml", "[db]\nbackend = 'postgres'\n[db.tls]\nca_fil = 'x'", "[db.tls] has no setting ca_fil"),
        ("toml", "[ingst]\nmode = 'queued'", "there is no table [ingst]"),
        ("json", '{"a": 1,}', "it is no JSON"),
    ],
)
def test_what_there_is_not_is_found(language: str, code: str, fault: str) -> None:
    [found] = faults(Block(place="page.md:1", language=language, title="", code=code, mark=""))
    assert fault in found


def test_the_meta_package_is_what_most_pages_install() -> None:
    package = find_package(META)
    assert package is not None
    assert {"s3", "postgres", "kafka", "redis", "web"} <= extras_of(package)
