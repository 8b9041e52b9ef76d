"""The settings of the reader, and their table of the configuration."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import ConfigError
from dicom_common.dicom import ReaderSettings
from dicom_common.dicom._native_module import native_module
from dicom_common.host import Config


def test_the_package_names_its_table() -> None:
    (entry,) = entry_points(group="dicom_common.settings", name="reader")
    assert entry.load() is ReaderSettings


def test_the_table_can_be_written_in_the_file_in_variables_and_by_the_caller(tmp_path: Path) -> None:
    file = tmp_path / "dicom-common.toml"
    file.write_text('[reader]\nmax_items = 5\nmax_depth = 8\nuids = "strict"\n')
    config = Config.load(
        file,
        overrides={"reader.max_depth": 10},
        variables={"DICOM_COMMON_READER__ACCEPT_UNKNOWN_TRANSFER_SYNTAXES": "false"},
    )
    assert config.section("reader", ReaderSettings) == ReaderSettings(
        max_items=5, max_depth=10, uids="strict", accept_unknown_transfer_syntaxes=False
    )


def test_the_table_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config.load(overrides={"reader.max_depth": 10}, variables={})
    assert config.section("reader", ReaderSettings) == ReaderSettings(max_depth=10)
    assert Config.load(variables={}).section("reader", ReaderSettings) == ReaderSettings()


@pytest.mark.parametrize(
    "written", [{"reader.max_dept": 10}, {"reader.max_depth": "deep"}, {"reader.max_depth": 129}, {"reader.uids": "x"}]
)
def test_what_the_table_cannot_mean_is_an_error_of_the_configuration(
    written: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="reader"):
        Config.load(overrides=written, variables={}).section("reader", ReaderSettings)


@pytest.mark.parametrize(
    "settings",
    [{"max_depth": 0}, {"max_depth": 129}, {"uids": "loose"}, {"numbers_as": "text"}, {"bulk_data_threshold": 1 << 31}],
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^reader\."):
        ReaderSettings(**settings)


def test_the_engine_can_be_chosen() -> None:
    assert ReaderSettings(engine="python").in_effect() == {"engine": "python"}
    assert ReaderSettings().in_effect() == {"engine": "native" if native_module() is not None else "python"}


@pytest.mark.parametrize("there", ["nothing", "a version that tells something else"])
def test_an_engine_that_is_not_installed_is_refused_with_the_line_that_installs_it(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there == "nothing":
        monkeypatch.setitem(sys.modules, "dicom_common.native", None)
    else:
        (tmp_path / "other_native.py").write_text("INTERFACE = 0\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setitem(sys.modules, "dicom_common.native", import_module("other_native"))
    native_module.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"reader\.engine.*pip install --upgrade dicom-common-native"):
            ReaderSettings(engine="native")
        assert ReaderSettings(engine="auto").in_effect() == {"engine": "python"}
    finally:
        native_module.cache_clear()


def test_the_settings_tell_which_engine_runs() -> None:
    assert ReaderSettings(engine="python").in_effect() == {"engine": "python"}
    assert ReaderSettings().in_effect()["engine"] == ("native" if native_module() else "python")
