"""The README: its tables are those of the code."""

import re
import tomllib
from pathlib import Path

from dicom_common import core
from dicom_common.core import DicomCommonError, hookspecs

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
KINDS = {"storage", "db", "cache", "broker", "auth", "keyring"}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table behind a heading of a column."""
    table = TEXT[TEXT.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in table]


def test_the_install_line_names_this_distribution() -> None:
    name = tomllib.loads((README.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    install = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[0]
    assert install.split() == ["pip", "install", name]


def test_the_table_of_errors_is_that_of_the_code() -> None:
    in_code = {
        (name, value.__bases__[0].__name__)
        for name in core.__all__
        if isinstance(value := getattr(core, name), type) and issubclass(value, DicomCommonError)
    }
    assert {(row[0], row[1]) for row in rows("Error")} == in_code


def test_the_table_of_hooks_is_that_of_the_code() -> None:
    in_code = {name for name in vars(hookspecs) if name.startswith("dicom_common_")}
    in_code -= {f"dicom_common_{kind}" for kind in KINDS}
    assert {row[0] for row in rows("Hook")} == in_code | {"dicom_common_<kind>"}
