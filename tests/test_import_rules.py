"""Who may import what: the core is small and knows no host, a plugin knows the core, and nothing goes in a circle."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from _workspace import META, ROOT, Package, all_packages

PACKAGES = [package for package in all_packages() if package.module]
PROGRAMS = {"host", "pipeline", "cli", "web", "dimse"}
"""Packages that work with the host; each other one is a plugin, or what plugins are built on."""
CORE = "dicom_common.core"
MOST_CORE_LINES = 2300
"""With docstrings."""

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def modules(package: Package) -> dict[str, Path]:
    """The modules of a package by their names."""
    src = package.folder / "src"
    found = {}
    for path in sorted(src.rglob("*.py")):
        parts = path.relative_to(src).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """Everything that a module imports, also for type checkers only and within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_by_name(path: Path) -> Iterator[str]:
    """The modules that a module imports by `import_module` with a literal name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(ast.Name("import_module"), [ast.Constant(str(name)), *_]):
                yield name


def package_named(short_name: str) -> Package:
    return next(package for package in PACKAGES if package.short_name == short_name)


def test_the_core_imports_pluggy_and_the_standard_library_only() -> None:
    roots = {name.partition(".")[0] for path in modules(package_named("core")).values() for name in imported(path)}
    ours = {
        name for path in modules(package_named("core")).values() for name in imported(path) if "dicom_common" in name
    }
    assert roots - sys.stdlib_module_names == {"pluggy", "dicom_common"}
    assert all(name.startswith(CORE) for name in ours)


def test_the_core_stays_small() -> None:
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in modules(package_named("core")).values())
    assert lines <= MOST_CORE_LINES


@each_package
def test_a_plugin_never_imports_the_host(package: Package) -> None:
    if package.short_name in PROGRAMS:
        pytest.skip("it works with the host")
    used = {
        str(path.relative_to(package.folder))
        for path in modules(package).values()
        for name in imported(path)
        if name.startswith("dicom_common.host")
    }
    assert used == set()


@each_package
def test_what_is_private_to_a_package_is_imported_by_that_package_only(package: Package) -> None:
    for path in modules(package).values():
        for name in imported(path):
            if name.startswith("dicom_common.") and not name.startswith(f"{package.module}."):
                assert not any(part.startswith("_") for part in name.split(".")), f"{path} imports {name}"


@each_package
def test_a_package_requires_what_it_imports_of_the_others(package: Package) -> None:
    project = package.pyproject["project"]
    extras = [one for some in project.get("optional-dependencies", {}).values() for one in some]
    required = {re.split(r"[^a-z0-9-]", one)[0] for one in [*project["dependencies"], *extras]}
    used = set()
    for path in modules(package).values():
        for name in imported(path):
            used |= {each.name for each in PACKAGES if f"{name}.".startswith(f"{each.module}.")}
    assert used - required - {package.name} == set()


@pytest.mark.parametrize("package", all_packages(), ids=lambda package: package.name)
def test_the_tests_of_a_package_import_nothing_of_the_tools(package: Package) -> None:
    tools = {path.stem for path in (ROOT / "tools").glob("*.py")}
    for path in sorted(package.tests.rglob("*.py")):
        used = {name.partition(".")[0] for name in imported(path)} & tools
        assert used == set(), f"{path} imports {used}"


def circles(needs: Mapping[str, set[str]]) -> list[list[str]]:
    """The modules that import each other in a circle: what is left when those that need nothing more are taken away."""
    left = {name: set(others) for name, others in needs.items()}
    while done := [name for name, others in left.items() if not others & left.keys()]:
        for name in done:
            del left[name]
    return [sorted(left)] if left else []


@each_package
def test_no_module_needs_itself_by_way_of_others(package: Package) -> None:
    known = modules(package)
    needs: dict[str, set[str]] = {}
    for module, path in known.items():
        # `from package import _module` needs the module, and nothing of what `__init__` gathers.
        names = (*imported(path), *imported_by_name(path))
        targets = {name if name in known else name.rpartition(".")[0] for name in names}
        needs[module] = (targets & known.keys()) - {module}
    assert circles(needs) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_the_meta_package_has_no_code() -> None:
    assert META not in {package.name for package in PACKAGES}


def public(path: Path) -> list[str]:
    """What a module says is public."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def entrance(package: Package) -> Path:
    return modules(package)[str(package.module)]


def homes(path: Path) -> dict[str, str]:
    """Where the names are that a package imports when they are used."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["_HOMES"]:
            return dict(ast.literal_eval(node.value))
    return {}


@pytest.mark.parametrize("package", [each for each in PACKAGES if homes(entrance(each))], ids=lambda each: each.name)
def test_each_name_that_is_imported_when_it_is_used_is_public_where_it_says(package: Package) -> None:
    known, found = homes(entrance(package)), modules(package)
    assert known.keys() <= set(public(entrance(package)))
    assert [name for name, home in known.items() if name not in public(found[f"{package.module}.{home}"])] == []


def test_every_public_name_of_the_core_is_used_by_a_plugin_a_protocol_or_a_hook() -> None:
    """What only programs use belongs to the host; the errors are all in one place."""
    plugins = [package for package in PACKAGES if package.short_name not in {*PROGRAMS, "core", "testing"}]
    outside = "\n".join(path.read_text(encoding="utf-8") for each in plugins for path in modules(each).values())
    core = {path: path.read_text(encoding="utf-8") for path in modules(package_named("core")).values()}
    names = [name for path in core if path.stem != "_errors" for name in public(path)]
    assert len(names) > 60
    unused = []
    for name in names:
        word = re.compile(rf"(?<![\w\"]){name}(?![\w\"])")
        inside = sum(len(word.findall(text)) for text in core.values())  # 1: where it is defined
        if not word.search(outside) and inside < 2:
            unused.append(name)
    assert unused == [], unused
