"""Further storages, `[storages.NAME]`: configured like the main one, and opened by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_common.core import ConfigError, PluginError
from dicom_common.host import Config, Services

TEXT = """
[storages.archive]
backend = "filesystem"
root = "old"

[storages.cloud]
backend = "never-installed"
"""


def _load(tmp_path: Path, text: str = TEXT, **variables: str) -> Config:
    (tmp_path / "dicom-common.toml").write_text(text)
    return Config.load(tmp_path / "dicom-common.toml", variables=variables)


def test_each_further_storage_has_a_name_and_a_backend(tmp_path: Path) -> None:
    config = _load(tmp_path)

    assert config.storages() == ["archive", "cloud"]
    assert config.backend_of_storage("archive") == "filesystem"
    assert config.table("storages.archive").keys() == {"backend", "root"}
    assert config.backend("storage") == "filesystem", "the main storage keeps its default"


def test_variables_and_overrides_reach_a_further_storage(tmp_path: Path) -> None:
    config = _load(tmp_path, DICOM_COMMON_STORAGES__ARCHIVE__ROOT="other", DICOM_COMMON_STORAGES__NEW__BACKEND="s3")
    over = Config.load(tmp_path / "dicom-common.toml", overrides={"storages.archive.root": "third"}, variables={})

    assert config.table("storages.archive")["root"].value == "other"
    assert config.backend_of_storage("new") == "s3"
    assert over.table("storages.archive")["root"].value == "third"
    assert over.backend_of_storage("archive") == "filesystem", "the other keys stay"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[storages.a]\nroot = "x"', "names no backend"),
        ('[storages.storage]\nbackend = "s3"', "cannot be named so"),
        ('[storages.A]\nbackend = "s3"', "cannot be named so"),
        ('[storages]\nbackend = "s3"', r"write \[storages.NAME\]"),
        ("storages = 3", r"write \[storages.NAME\]"),
        ('[storages."a.b"]\nbackend = "s3"', "no dot"),
        ('[storage.a]\nbackend = "s3"\n[storags.b]\nbackend = "s3"', "Did you mean 'storages'"),
    ],
)
def test_a_table_that_cannot_be_one_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _load(tmp_path, text)


def test_a_variable_without_a_key_says_its_shape(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DICOM_COMMON_STORAGES__NAME__KEY"):
        _load(tmp_path, DICOM_COMMON_STORAGES__ARCHIVE="x")


def test_an_unknown_name_says_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'archive'"), Services(_load(tmp_path)) as services:
        services.storage_named("archiv")


def test_a_storage_that_nobody_asks_for_is_not_loaded(tmp_path: Path) -> None:
    with Services(_load(tmp_path)) as services, pytest.raises(PluginError, match="never-installed"):
        services.storage_named("cloud")
