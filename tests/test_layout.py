"""The rules that let many distributions share one namespace, and that keep the repository in order."""

from __future__ import annotations

import ast
import re
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _workspace import META, ROOT, Package, all_packages, compiled_packages, packages, requirement_name
from packaging.requirements import Requirement
from settings_tables import written
from source_files import code

KINDS = ("storage", "db", "cache", "broker", "auth", "keyring")
EMBEDDED = {
    *("core", "host", "dicom", "pipeline", "cli"),
    *("storage-filesystem", "db-sqlite", "cache-memory", "broker-sqlite"),
}
NEEDS_KIND = {"auth", "keyring"}
"""Kinds whose plugins have names, such as `none` or `local`, that alone say nothing as an extra."""
REGISTERS_NOTHING = {"dicom-common-broker-leases", "dicom-common-db-sql", "dicom-common-storage-object"}
"""Packages of a kind that other plugins of that kind are built on."""
HAS_NO_SETTINGS = {"dicom-common-broker-leases", "dicom-common-db-sql"}
OF_ANY_PACKAGE = tuple(f"dicom_common.{group}" for group in ("checks", "commands", "conformance", "reader", "servers"))
"""Entry-point groups that say nothing of the kind of a package."""
TOP_LEVEL = {"packages", "tests", "tools", "noxfile.py", "pyproject.toml", "README.md", "LICENSE"}
MADE_HERE = {"uv.lock", "dist", "build", "dicom-common-data", "__pycache__"}
PYTHON = ">=3.11"
MOST_LINES, MANY_LINES = 400, 300
PUBLIC_MODULES = {
    "__init__.py",
    "__main__.py",
    "plugin.py",
    "testing.py",
    "tls.py",
    "hookspecs.py",
    "query_rules.py",
    "index_rules.py",
}
"""`plugin` is pytest's, `testing` is what tests of other packages inherit, of the core `tls` imports `ssl`, which only
clients of servers need, `query_rules` is what databases and readers of query text share, and `index_rules` what
databases without SQL call."""
VAGUE = re.compile(r"^_*(utils?|helpers?|common|misc|managers?)$")
VAGUE_CLASS = re.compile(r"(Manager|Helper|Utils?)$")
MADE = {"__pycache__", "target"}
"""Folders that Python and cargo make."""
MACHINE = re.compile(r"(?<![\w.])/(wor" + r"k|home/\w+|Users/\w+|root/\.)/")
INDEX = re.compile(
    r"https?://[^\s\"'<>)]*/simp" + r"le\b|pythonhost" + r"ed\.org|registry\.npm" + r"js|index-ur" + "l *="
)

PACKAGES = all_packages()
WORKSPACE = packages()
WITH_CODE = [package for package in PACKAGES if package.module]
ROOT_PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
each_package_with_code = pytest.mark.parametrize("package", WITH_CODE, ids=lambda package: package.name)


def kind_of(package: Package) -> str | None:
    kind = package.short_name.partition("-")[0]
    return kind if kind in KINDS and package.name != META else None


def text_files() -> Iterator[Path]:
    endings = {".py", ".toml", ".md", ".txt", ".cfg", ".ini", ".yml", ".yaml", ".json", ".sh", ""}
    for top in [*sorted(TOP_LEVEL), ".ci", ".github", ".gitignore"]:
        below = (ROOT / top).rglob("*") if (ROOT / top).is_dir() else [ROOT / top]
        yield from (path for path in below if path.is_file() and path.suffix in endings and not MADE & set(path.parts))


def requirements_of(package: Package) -> dict[str, list[str]]:
    """All requirements of a package, by where they stand."""
    groups = {
        f"group {name}": [entry for entry in entries if isinstance(entry, str)]
        for name, entries in package.groups.items()
    }
    extras = {f"extra {name}": entries for name, entries in package.extras.items()}
    build = {"build-system": package.pyproject["build-system"]["requires"]}
    return {"dependencies": package.requirements, **extras, **groups, **build}


def without_lower_bound(requirements: list[str]) -> list[str]:
    return [
        text
        for text in requirements
        if not any(specifier.operator in (">=", "==", "~=") for specifier in Requirement(text).specifier)
    ]


def test_the_top_level_holds_nothing_but_what_belongs_there() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert visible - MADE_HERE == TOP_LEVEL


def test_there_are_packages() -> None:
    assert "dicom-common-core" in [package.name for package in PACKAGES]


def test_every_folder_is_a_package() -> None:
    folders = {path.name for path in (ROOT / "packages").iterdir() if path.is_dir()}
    assert folders == {package.name for package in PACKAGES}, "a folder without pyproject.toml, or of another name"


@each_package_with_code
def test_distribution_and_import_have_the_same_name(package: Package) -> None:
    kind = kind_of(package)
    own = package.short_name.removeprefix(f"{kind}-").replace("-", "_")
    assert package.module == ".".join(("dicom_common", *([kind] if kind else []), own))


@each_package_with_code
def test_src_holds_the_one_module_and_its_namespace_is_empty(package: Package) -> None:
    assert package.module is not None
    folder = package.folder / "src"
    for name in package.module.split("."):
        content = {path.name for path in folder.iterdir()} - {"__pycache__"}
        assert content == {name}, (
            f"{folder.relative_to(ROOT)} may hold {name}/ and nothing else, above all no __init__.py"
        )
        folder /= name
    assert (folder / "__init__.py").is_file()


@each_package_with_code
def test_py_typed_is_in_the_leaf_only(package: Package) -> None:
    assert [path.parent for path in (package.folder / "src").rglob("py.typed")] == [package.module_folder]


@each_package_with_code
def test_modules_are_private_behind_a_curated_init(package: Package) -> None:
    assert package.module_folder is not None
    modules = package.module_folder.glob("*.py")
    public = [path.name for path in modules if not path.name.startswith("_") and path.name not in PUBLIC_MODULES]
    assert public == []
    tree = ast.parse((package.module_folder / "__init__.py").read_text(encoding="utf-8"))
    assigned = {ast.unparse(target) for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "__all__" in assigned or {"__getattr__", "__dir__"} <= functions, "say what is public"


@each_package
def test_entry_points_agree_with_the_name(package: Package) -> None:
    kind = kind_of(package)
    settings = "dicom_common.settings"  # names a table of the configuration that is not a backend's
    groups = {
        group: entries
        for group, entries in package.entry_points.items()
        if group.startswith("dicom_common.") and group not in (settings, *OF_ANY_PACKAGE)
    }
    if kind is None or package.name in REGISTERS_NOTHING:
        assert set(groups) <= {"dicom_common.extension"}
    else:
        assert groups == {f"dicom_common.{kind}": {package.short_name.removeprefix(f"{kind}-"): package.module}}


def test_the_plugins_that_a_pip_line_names_are_those_that_are_here() -> None:
    file = ROOT / "packages" / "dicom-common-host" / "src" / "dicom_common" / "host" / "_listed_plugins.py"
    [listed] = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.AnnAssign)]
    assert listed.value is not None
    here: dict[str, dict[str, str]] = {}
    for package in PACKAGES:
        for kind in (*KINDS, "extension"):
            for name in package.entry_points.get(f"dicom_common.{kind}", {}):
                here.setdefault(kind, {})[name] = package.name
    found = {
        kind: {name: distribution for name, distribution in names.items() if distribution.startswith("dicom-common-")}
        for kind, names in ast.literal_eval(listed.value).items()
    }
    assert found == here, "add the plugin to _listed_plugins.py, or remove it there"


@each_package
def test_every_requirement_has_a_lower_bound(package: Package) -> None:
    found = {where: without_lower_bound(texts) for where, texts in requirements_of(package).items()}
    assert {where: texts for where, texts in found.items() if texts} == {}


def test_every_requirement_of_the_workspace_has_a_lower_bound() -> None:
    texts = [text for group in ROOT_PROJECT["dependency-groups"].values() for text in group]
    assert without_lower_bound(texts) == []


UNBOUNDED = {"cryptography", "packaging", "pytest", "rich", "trustme"}
"""Of these every few months brings a major, which takes little away: a bound would keep security fixes out."""


@each_package
def test_the_next_major_of_a_third_party_is_not_taken_unseen(package: Package) -> None:
    texts = [*package.requirements, *(text for texts in package.extras.values() for text in texts)]
    found = [text for text in map(Requirement, texts) if not text.name.startswith("dicom-common")]
    unbounded = {text.name for text in found if "<" not in {one.operator for one in text.specifier}}
    assert unbounded <= UNBOUNDED


@each_package
def test_a_sibling_is_required_with_bounds_that_fit_its_version(package: Package) -> None:
    versions = {sibling.name: sibling.version for sibling in PACKAGES}
    for where, texts in requirements_of(package).items():
        for requirement in map(Requirement, texts):
            if requirement.name in versions:
                operators = {specifier.operator for specifier in requirement.specifier}
                assert operators == {">=", "<"}, f"{where}: {requirement} needs an upper bound too"
                assert requirement.specifier.contains(versions[requirement.name]), f"{where}: {requirement}"
            else:
                assert not requirement.name.startswith("dicom-common"), f"{where}: there is no {requirement.name}"


def test_the_sources_are_the_folders() -> None:
    expected = {package.name: {"workspace": True} for package in WORKSPACE}
    assert ROOT_PROJECT["tool"]["uv"]["sources"] == expected, "a sibling without its line is taken from the index"


def test_what_is_compiled_is_no_member_of_the_workspace() -> None:
    expected = [f"packages/{package.name}" for package in compiled_packages()]
    assert ROOT_PROJECT["tool"]["uv"]["workspace"]["exclude"] == expected, "uv would need a compiler for each command"


@each_package
def test_a_package_has_a_readme_and_a_changelog(package: Package) -> None:
    readme = (package.folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(f"# {package.name}\n")
    assert "pip install" in readme, "the line that installs it"
    changelog = (package.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.match(r"# Changelog\n+## (Unreleased|\d+\.\d+\.\d+)", changelog)


@each_package
def test_the_settings_in_a_readme_are_those_of_the_code(package: Package) -> None:
    readme = (package.folder / "README.md").read_text(encoding="utf-8")
    assert readme == written(readme), "run python3 tools/settings_tables.py"
    kind = kind_of(package)
    assert kind is None or package.name in HAS_NO_SETTINGS or "<!-- settings: " in readme


@each_package
def test_a_package_is_built_like_the_others(package: Package) -> None:
    project = package.pyproject["project"]
    assert package.folder.name == package.name
    assert package.is_compiled or package.pyproject["build-system"]["build-backend"] == "uv_build"
    assert project["requires-python"] == PYTHON == ROOT_PROJECT["project"]["requires-python"]
    assert project["license"] == "MIT"
    assert project["readme"] == "README.md"
    assert project["description"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", package.version)
    assert "dynamic" not in project


def test_the_meta_package_offers_every_package() -> None:
    by_name = {package.name: package for package in WORKSPACE}
    meta = by_name[META]
    required = {requirement_name(text) for text in meta.requirements}
    there = {f"dicom-common-{name}" for name in EMBEDDED} & set(by_name)
    assert required == there, "pip install dicom-common installs the embedded set"
    reached, waiting = set(), list(required)
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in reached:
            reached.add(name)
            waiting += [requirement_name(text) for text in by_name[name].requirements]
    expected = {
        package.short_name.removeprefix("" if kind_of(package) in NEEDS_KIND else f"{kind_of(package)}-"): [
            package.name
        ]
        for package in WORKSPACE
        if package.name not in {META, *reached, *REGISTERS_NOTHING}
    }
    assert {extra: [requirement_name(text) for text in texts] for extra, texts in meta.extras.items()} == expected


def test_modules_are_of_a_size_that_can_be_read() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in code()}
    for path, lines in sizes.items():
        if lines > MANY_LINES:
            warnings.warn(f"{path} has {lines} lines: does it hold one idea?", stacklevel=1)
    assert {path: lines for path, lines in sizes.items() if lines > MOST_LINES} == {}


def test_no_module_and_no_class_has_a_vague_name() -> None:
    modules = [path for path in code() if any(VAGUE.match(Path(part).stem) for part in path.relative_to(ROOT).parts)]
    assert modules == []
    classes = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in code()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and VAGUE_CLASS.search(node.name)
    ]
    assert classes == []


def test_no_file_names_a_package_index_or_a_path_of_someones_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if MACHINE.search(line) or INDEX.search(line)
    ]
    assert found == []


def test_no_test_folder_is_a_package() -> None:
    folders = [ROOT / "tests", *(package.tests for package in PACKAGES)]
    third = {source for path in ROOT.glob("tests/third_party/*/pyproject.toml") for source in path.parent.glob("src/*")}
    assert [path for folder in folders for path in folder.rglob("__init__.py") if path.parent not in third] == []
