"""What `import dicom_common.core` gives, and what it costs."""

import ast
import statistics
import subprocess
import sys

from dicom_common import core


def run_python(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_every_exported_name_is_there_once() -> None:
    assert len(set(core.__all__)) == len(core.__all__)
    assert all(hasattr(core, name) for name in core.__all__)


def test_the_core_runs_on_pluggy_and_the_standard_library() -> None:
    program = """
import sys
from dicom_common.core import *
import dicom_common.core.tls
standard = {*sys.stdlib_module_names, "__main__", "dicom_common"}
roots = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(sorted(root for root in roots - standard if not root.startswith(("_", "sitecustomize"))))
"""
    assert set(ast.literal_eval(run_python(program))) == {"pluggy"}


def test_what_a_plugin_imports_costs_pluggy_and_little_else() -> None:
    def cpu_ms(statement: str) -> float:
        program = f"import time; a = time.process_time_ns(); {statement}; print(time.process_time_ns() - a)"
        return int(run_python(program)) / 1e6

    statements = ["import dicom_common.core", "import pluggy, dataclasses, enum, uuid, datetime, importlib.metadata"]
    runs = [[cpu_ms(statement) for statement in statements] for _ in range(7)]
    ours, theirs = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"import dicom_common.core: {ours:.1f} ms of CPU; {statements[1]}: {theirs:.1f} ms")
    assert ours < 2 * theirs
