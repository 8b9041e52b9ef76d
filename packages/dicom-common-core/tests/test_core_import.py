"""What `import dicom_common.core` gives, and what it costs."""

import ast
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_common import core


def names_for_type_checkers() -> dict[str, set[str]]:
    tree = ast.parse(Path(core.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        statement.module.rpartition(".")[2]: {alias.name for alias in statement.names}
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module
    }


def test_type_checkers_and_run_time_see_the_same_names_in_the_same_modules() -> None:
    assert {home: set(names.split()) for home, names in core._HOMES.items()} == names_for_type_checkers()


def test_type_checkers_are_told_that_each_name_is_exported() -> None:
    tree = ast.parse(Path(core.__file__).read_text(encoding="utf-8"))
    aliases = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert not [alias.name for alias in aliases if alias.name in core._HOME_OF and alias.asname != alias.name]


@pytest.mark.parametrize("name", core.__all__)
def test_every_name_resolves_and_is_the_one_its_module_exports(name: str) -> None:
    value = getattr(core, name)
    home = sys.modules[f"dicom_common.core.{core._HOME_OF[name]}"]
    assert value is getattr(home, name)
    assert name in home.__all__


def test_dir_lists_every_name_before_any_was_used(run_python: Callable[[str], str]) -> None:
    printed = run_python("import dicom_common.core as c; print(set(c.__all__) <= set(dir(c)), '__doc__' in dir(c))")
    assert printed.split() == ["True", "True"]


def test_a_star_import_gives_every_name(run_python: Callable[[str], str]) -> None:
    program = """
from dicom_common.core import *
import dicom_common.core as c
print(all(name in globals() for name in c.__all__), "import_module" in globals())
"""
    assert run_python(program).split() == ["True", "False"]


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        core.no_such_thing  # noqa: B018 - the access is the test


def test_the_import_brings_in_no_other_distribution(run_python: Callable[[str], str]) -> None:
    program = """
import sys, dicom_common.core
print([n for n in ("msgspec", "pluggy", "packaging", "pydicom", "importlib.metadata", "tomllib") if n in sys.modules])
"""
    assert run_python(program).strip() == "[]"


def test_a_plugins_hookimpl_costs_pluggy_only(run_python: Callable[[str], str]) -> None:
    program = """
import sys
from dicom_common.core import Backend, Storage, hookimpl, validate_key
print([n for n in ("msgspec", "packaging", "tomllib", "dicom_common.core._services") if n in sys.modules])
"""
    assert run_python(program).strip() == "[]"


def test_the_core_runs_on_its_three_requirements_only(run_python: Callable[[str], str]) -> None:
    program = """
import sys
from dicom_common.core import *
nothing = {f"{kind}.backend": "no-such-plugin" for kind in KINDS}  # whatever else is installed stays out of it
Services.from_file(overrides=nothing).check(); installed_plugins()
standard = {*sys.stdlib_module_names, "__main__", "dicom_common"}
roots = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(sorted(root for root in roots - standard if not root.startswith(("_", "sitecustomize"))))
"""
    assert set(ast.literal_eval(run_python(program))) <= {"pluggy", "msgspec", "packaging"}


def cpu_ms(statement: str) -> float:
    """CPU time of an import alone, as the child itself measures it."""
    program = f"import time; a = time.process_time_ns(); {statement}; print(time.process_time_ns() - a)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60).stdout
    return int(printed) / 1e6


def test_the_import_costs_less_than_three_modules_of_the_standard_library() -> None:
    statements = ["import dicom_common.core", "import json, dataclasses, importlib.metadata"]
    runs = [[cpu_ms(statement) for statement in statements] for _ in range(7)]
    ours, theirs = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"import dicom_common.core: {ours:.1f} ms of CPU; {statements[1]}: {theirs:.1f} ms")
    assert ours < theirs
