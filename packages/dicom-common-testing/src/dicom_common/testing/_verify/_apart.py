"""How pytest runs a contract for `dicom-common verify`: as this distribution says, and as nothing else does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["command", "has_ended", "without_pytest"]

_CONTRACTS = Path(__file__).with_name("_live_contracts.py")
_ENDED = "ended.xml"


def command(folder: Path, outcomes: Path, only: str) -> list[str]:
    """Return the command line: no conftest, no plugin but ours, no file of settings but an empty one.

    Args:
        folder: an empty folder for the run.
        outcomes: the file for `--contract-outcomes`.
        only: the words for `-k`.
    """
    settings = folder / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider"]
    words += ["-p", "dicom_common.testing.plugin", f"--contract-outcomes={outcomes}"]
    words += ["-c", str(settings), f"--basetemp={folder}/made", f"--junitxml={folder / _ENDED}"]
    # `-k` also looks at the names of the folders above the file, down from here.
    words += [f"--rootdir={_CONTRACTS.parent}", f"--confcutdir={_CONTRACTS.parent}", "-k", only]
    return [*words, str(_CONTRACTS)]


def without_pytest(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that add options and plugins, also those of installed packages."""
    kept = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def has_ended(folder: Path) -> bool:
    """Tell whether pytest came to the end of the run: code of the backend may have ended the process before."""
    return (folder / _ENDED).exists()
