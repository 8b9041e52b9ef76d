"""Layers of the configuration: where values come from, which one wins, and what is said of mistakes."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from dicom_common.core import ConfigError, Secret
from dicom_common.host import Config, Plugins, Services, explain

Add = Callable[..., None]
PASSWORD = "hunter2-correct-horse"

CACHE_PLUGIN = """
import dataclasses, pathlib
from dicom_common.core import Backend, Secret, hookimpl

@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    size: int = 1
    password: Secret = Secret("")
    folder: pathlib.Path = pathlib.Path("cache")

@hookimpl
def dicom_common_{kind}():
    return Backend("fake", Settings, lambda settings: settings)
"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    bucket: str = "images"
    size: int = 1
    folder: Path = Path("objects")
    password: Secret = Secret("")


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(**arguments: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        Config.load(**arguments).section("storage", Settings)
    return str(caught.value)


def test_with_no_configuration_the_embedded_set_lies_in_a_local_folder(empty_folder: Path) -> None:
    config = Config.load()
    assert config.general.data == empty_folder / "dicom-common-data"
    assert config.general.tenant == "local"
    assert [config.backend(kind) for kind in ("storage", "db", "cache", "broker", "auth", "keyring")] == [
        "filesystem",
        "sqlite",
        "memory",
        "sqlite",
        None,
        None,
    ]
    assert list(empty_folder.iterdir()) == []


def test_each_layer_lies_over_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def bucket(**overrides: str) -> str:
        return Config.load(overrides=overrides).section("storage", Settings).bucket

    write("dicom-common.toml", '[storage]\nbucket = "file"\nsize = 5')
    assert bucket() == "file"
    write("dicom-common.test.toml", '[storage]\nbucket = "overlay"')
    write(".env", "DICOM_COMMON_ENV=test")
    assert bucket() == "overlay"
    write(".env", "DICOM_COMMON_ENV=test\nDICOM_COMMON_STORAGE__BUCKET=dotenv")
    assert bucket() == "dotenv"
    monkeypatch.setenv("DICOM_COMMON_STORAGE__BUCKET", "variable")
    assert bucket() == "variable"
    assert bucket(**{"storage.bucket": "override"}) == "override"
    assert Config.load().section("storage", Settings).size == 5


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 99)), min_size=4, max_size=4))
def test_the_highest_layer_that_has_a_key_wins(tmp_path_factory: Any, layers: list[dict[str, int]]) -> None:
    folder = tmp_path_factory.mktemp("layers")
    file, overlay, variables, overrides = layers
    for name, layer in (("c.toml", file), ("c.prod.toml", overlay)):
        (folder / name).write_text("\n".join(["[storage]", *(f"{key} = {value}" for key, value in layer.items())]))
    of_storage = {f"DICOM_COMMON_STORAGE__{key.upper()}": str(value) for key, value in variables.items()}
    config = Config.load(
        folder / "c.toml",
        variables={"DICOM_COMMON_ENV": "prod", **of_storage},
        overrides={f"storage.{key}": str(value) for key, value in overrides.items()},
    )
    found = {key: int(raw.value) for key, raw in config.table("storage").items()}
    assert found == file | overlay | variables | overrides


def test_the_file_may_be_named_by_a_variable_or_the_caller() -> None:
    write("a/one.toml", 'tenant = "one"')
    write("b/two.toml", 'tenant = "two"')
    assert Config.load(variables={"DICOM_COMMON_CONFIG": "a/one.toml"}).general.tenant == "one"
    assert Config.load("b/two.toml", variables={"DICOM_COMMON_CONFIG": "a/one.toml"}).general.tenant == "two"


def test_a_dot_env_file_knows_comments_quotes_and_export() -> None:
    lines = ["# first", "", "export A=1", "B = two # not this", "C='it # is'", 'D="x" # not this', "E=", "F=a=b"]
    write(".env", "\ufeff" + "\n".join([*lines, "G=#no", "H=x#y", "I= # no", ""]))
    found = Config.load(variables={"B": "mine"}).environment
    assert found == {"A": "1", "B": "mine", "C": "it # is", "D": "x", "E": "", "F": "a=b", "G": "", "H": "x#y", "I": ""}


def test_a_line_of_dot_env_that_is_none_is_told_by_its_number_and_not_repeated() -> None:
    write(".env", f"A=1\n{PASSWORD}\n")
    message = refused()
    assert ".env, line 2: expected NAME=VALUE." in message
    assert PASSWORD not in message


def test_variables_of_the_test_kit_are_no_settings() -> None:
    assert Config.load(variables={"DICOM_COMMON_TEST_KAFKA": "host:1", "DICOM_COMMON_TEST_REDIS": ""}).tree == {}


def test_an_overlay_that_is_not_there_is_an_error_with_and_without_a_file() -> None:
    variables = {"DICOM_COMMON_ENV": "prod"}
    assert "there is no dicom-common.toml" in refused(variables=variables)
    write("dicom-common.toml", "")
    message = refused(variables=variables)
    assert "dicom-common.prod.toml, which is not there: write it or unset the variable" in message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a = = 1", "is not valid TOML: Invalid value (at line 1"),
        (b"a = '\xff'", "not UTF-8"),
        (None, "is not there; `dicom-common init` writes one"),
        ("folder", "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_its_name(content: bytes | str | None, told: str) -> None:
    path = Path("odd.toml")
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    message = refused(file=path)
    assert told in message
    assert "odd.toml" in message


def test_a_byte_order_mark_is_no_mistake() -> None:
    write("dicom-common.toml", '\ufefftenant = "mark"\r\n')
    assert Config.load().general.tenant == "mark"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tennant = 'x'", "unknown setting tennant. Did you mean 'tenant'?"),
        ("zzz = 1", "extension_time_limit, extensions,"),
        ("[strage]\na = 1", "unknown table [strage]. Did you mean 'storage'?"),
        ("[empty]", "unknown table [empty]."),
        ("storage = 's3'", "storage has to be a table: write [storage]."),
        ("[tenant]\na = 1", "tenant has to be a value, not a table."),
        ("[storage]\nbuckt = 1", "unknown setting storage.buckt. Did you mean 'bucket'?"),
        ("[storage]\nzzz = 1", "unknown setting storage.zzz. Known: bucket, folder, password, size"),
        ("[storage]\nbackend = 5", "storage.backend has to be the name of a plugin."),
        ("[storage]\nbackend = ''", "storage.backend has to be the name of a plugin."),
        ("[storage]\nsize = 'x'", "storage.size: Expected `int`, got `str`."),
        ("tenant = 'NO'", "'NO' is not a tenant id: use 1 to 63 of the characters"),
        ("extension_time_limit = 0", "extension_time_limit has to be above 0"),
        ("extension_time_limit = nan", "extension_time_limit has to be above 0"),
        ("extension_time_limit = inf", "extension_time_limit has to be above 0 and at most 86400 seconds"),
        *(
            (f"public_url = {url!r}", "public_url has to be an absolute http or https URL without user, query")
            for url in (
                *("pacs.example", "/dicomweb", "//pacs.example", "ftp://pacs.example", "http://", "http:///x"),
                *("https://pacs.example/?a=1", "https://pacs.example/#a", "https://a:b@pacs.example", "https://a@x"),
                *("https://pacs.example/a b", "https://pacs.example/\t", "http://x:99999", "http://x:y", "http://[x"),
                *("https://pacs.example/<x>", "https://pacs.example/ä", "javascript:alert(1)", "http://x/\\y"),
            )
        ),
        ("tenant = { env = 'NOT_SET' }", "tenant asks for the variable NOT_SET, which is not set."),
        ("tenant = { file = 'gone' }", "which cannot be read: No such file or directory."),
        ("tenant = { file = 'a\\u0000b' }", "which cannot be read"),
        ("[storage.password]\nfile = '.'", "which cannot be read: Is a directory."),
    ],
)
def test_a_mistake_in_a_file_is_told_with_the_file_and_what_to_do(text: str, told: str) -> None:
    file = write("dicom-common.toml", text)
    message = refused()
    assert told in message
    assert str(file.absolute()) in message


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("", ""),
        ("https://pacs.example/dicom-web/", "https://pacs.example/dicom-web"),
        ("http://[::1]:8080//", "http://[::1]:8080"),
        ("HTTPS://pacs.example/a%20b", "HTTPS://pacs.example/a%20b"),
    ],
)
def test_the_root_of_the_web_service_has_no_slash_at_its_end(written: str, taken: str) -> None:
    write("dicom-common.toml", f"public_url = {written!r}")
    assert Config.load().general.public_url == taken


def test_a_mistake_in_a_variable_or_an_override_is_told_with_its_origin() -> None:
    assert refused(variables={"DICOM_COMMON_STORAGE__BUCKT": "x"}).startswith("variable DICOM_COMMON_STORAGE__BUCKT: ")
    assert refused(overrides={"storage.buckt": "x"}).startswith("command line: ")
    message = refused(variables={"DICOM_COMMON_STORAGE": "x", "DICOM_COMMON_STORAGE__BUCKET": "y"})
    assert "DICOM_COMMON_STORAGE__BUCKET gives a value where another variable gives a table" in message


@pytest.mark.parametrize("below", ["storage = 1", "[storage]\nsize = 1", "[storage]"])
def test_a_value_in_one_layer_and_a_table_in_another_is_told(below: str) -> None:
    write("dicom-common.toml", below)
    above = {"storage.size": 2} if below == "storage = 1" else {"storage": 2}
    assert "command line" in refused(overrides=above)


def test_a_table_of_an_installed_package_is_known_without_importing_it(add_distribution: Add) -> None:
    add_distribution("acme-desk", {"dicom_common.settings": "desk = acme_desk:Settings"}, {"acme_desk": "1 / 0"})
    write("dicom-common.toml", "[desk]\nport = 8042")
    assert Config.load().table("desk")["port"].value == 8042


def test_a_backend_may_have_a_setting_called_file_or_env() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd:
        file: str = ""
        env: str = ""

    write("dicom-common.toml", "[db]\nfile = 'index.sqlite'\n[cache]\nenv = 'test'")
    assert Config.load().section("db", Odd) == Odd(file="index.sqlite")
    assert Config.load().section("cache", Odd) == Odd(env="test")


def test_references_stand_for_variables_and_files_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        "etc/dicom-common.toml", "tenant = { env = 'T' }\n[storage]\nbackend = { env = 'B' }\npassword = { file = 'p' }"
    )
    write("etc/p", f"{PASSWORD}\n")
    write("etc/.env", "T=clinic\nB=s3")
    config = Config.load("etc/dicom-common.toml")
    assert config.general.tenant == "clinic"
    assert config.backend("storage") == "s3"
    assert config.section("storage", Settings).password.reveal() == PASSWORD
    monkeypatch.setenv("T", "other")
    assert Config.load("etc/dicom-common.toml").general.tenant == "other"


def test_relative_paths_are_relative_to_the_data_folder_and_that_to_whoever_names_it(empty_folder: Path) -> None:
    write("etc/dicom-common.toml", "data = 'here'\n[storage]\nfolder = 'x'")
    variables = {"DICOM_COMMON_DATA": "there"}
    assert Config.load("etc/dicom-common.toml").section("storage", Settings).folder == empty_folder / "etc/here/x"
    from_variable = Config.load("etc/dicom-common.toml", variables=variables)
    assert from_variable.section("storage", Settings).folder == empty_folder / "there/x"
    assert Config.load(overrides={"data": Path("p")}).section("storage", Settings).folder == empty_folder / "p/objects"
    absolute = Config.load(overrides={"storage": {"folder": "/abs"}})
    assert absolute.section("storage", Settings).folder == Path("/abs")
    home = Config.load(overrides={"data": "~/pacs"}, variables={})
    assert home.general.data == Path.home() / "pacs"


def test_a_configuration_survives_pickling() -> None:
    write("dicom-common.toml", "tenant = 'clinic'\n[storage]\nsize = 3\npassword = { env = 'P' }")
    config = Config.load(variables={"P": PASSWORD})
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.section("storage", Settings) == config.section("storage", Settings)
    assert again.general == config.general


@pytest.mark.parametrize("source", ["file", "variable", "reference", "secret file", "override", "dotenv"])
@pytest.mark.parametrize("key", ["password", "size", "unknown"])
def test_a_secret_in_the_right_or_in_a_wrong_place_is_never_shown(
    add_distribution: Add, source: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_distribution("acme", {"dicom_common.cache": "fake = fake_c"}, {"fake_c": CACHE_PLUGIN.format(kind="cache")})
    for kind in ("storage", "db", "broker"):
        source_text = CACHE_PLUGIN.format(kind=kind)
        add_distribution(f"acme-{kind}", {f"dicom_common.{kind}": f"fake = fake_{kind}"}, {f"fake_{kind}": source_text})
    backends = "\n".join(f"{kind}.backend = 'fake'" for kind in ("storage", "db", "cache", "broker"))
    overrides = {}
    value = {"file": f"'{PASSWORD}'", "reference": "{ env = 'P' }", "secret file": "{ file = 'p' }"}.get(source)
    write("p", PASSWORD)
    monkeypatch.setenv("P", PASSWORD)
    if source == "variable":
        monkeypatch.setenv(f"DICOM_COMMON_CACHE__{key.upper()}", PASSWORD)
    elif source == "override":
        overrides[f"cache.{key}"] = PASSWORD
    elif source == "dotenv":
        write(".env", f"DICOM_COMMON_CACHE__{key.upper()}={PASSWORD}")
    write("dicom-common.toml", backends + (f"\ncache.{key} = {value}" if value else ""))
    config = Config.load(overrides=overrides)
    shown = [repr(config), str(config), repr(config.tree), repr(Services(config))]
    if key == "password":
        rows = explain(config, Plugins())
        shown += [str(rows), repr(config.section("cache", Plugins().backend("cache", "fake").settings))]
        assert ("cache.password", "***") in [(row.key, row.value) for row in rows]
    else:
        with pytest.raises(ConfigError, match=rf"cache\.{key}") as caught:
            explain(config, Plugins())
        shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    assert not [text for text in shown if PASSWORD in text]


def test_explain_tells_each_value_and_where_it_came_from(add_distribution: Add) -> None:
    for kind in ("storage", "db", "cache", "broker"):
        source = CACHE_PLUGIN.format(kind=kind)
        add_distribution(f"acme-{kind}", {f"dicom_common.{kind}": f"fake = fake_{kind}"}, {f"fake_{kind}": source})
    settings = "import dataclasses\n@dataclasses.dataclass\nclass Settings:\n    port: int = 8042\n"
    add_distribution("acme-desk", {"dicom_common.settings": "desk = acme_desk:Settings"}, {"acme_desk": settings})
    lines = [f"{kind}.backend = 'fake'" for kind in ("storage", "db", "cache", "broker")]
    file = write("dicom-common.toml", "\n".join([*lines, "cache.size = 3", "[desk]"])).absolute()
    config = Config.load(variables={"DICOM_COMMON_TENANT": "clinic"})
    rows = {row.key: (row.value, row.origin) for row in explain(config, Plugins())}
    assert rows["tenant"] == ("clinic", "variable DICOM_COMMON_TENANT")
    assert rows["cache.backend"] == ("fake", str(file))
    assert rows["cache.size"] == (3, str(file))
    assert rows["db.size"] == (1, "default")
    assert rows["desk.port"] == (8042, "default")


def test_settings_of_a_package_that_cannot_be_imported_are_told(add_distribution: Add) -> None:
    for kind in ("storage", "db", "cache", "broker"):
        source = CACHE_PLUGIN.format(kind=kind)
        add_distribution(f"acme-{kind}", {f"dicom_common.{kind}": f"fake = fake_{kind}"}, {f"fake_{kind}": source})
    add_distribution("acme-desk", {"dicom_common.settings": "desk = acme_desk:Settings"}, {"acme_desk": "Settings = 5"})
    overrides = {f"{kind}.backend": "fake" for kind in ("storage", "db", "cache", "broker")}
    with pytest.raises(Exception, match=r"table \[desk\] cannot be imported from acme_desk:Settings .*reinstall"):
        explain(Config.load(overrides={**overrides, "desk.port": 1}), Plugins())
    assert explain(Config.load(overrides=overrides), Plugins()), "what nothing uses is not imported"


def test_the_settings_of_a_distribution_whose_plugin_is_in_use_are_explained(add_distribution: Add) -> None:
    entries = {"dicom_common.cache": "fake = fake_c", "dicom_common.settings": "desk = fake_c:Settings"}
    add_distribution("acme", entries, {"fake_c": CACHE_PLUGIN.format(kind="cache")})
    for kind in ("storage", "db", "broker"):
        source = CACHE_PLUGIN.format(kind=kind)
        add_distribution(f"acme-{kind}", {f"dicom_common.{kind}": f"fake = fake_{kind}"}, {f"fake_{kind}": source})
    chosen = {f"{kind}.backend": "fake" for kind in ("storage", "db", "cache", "broker")}
    rows = {row.key: row.value for row in explain(Config.load(overrides=chosen), Plugins())}
    assert rows["cache.size"] == rows["desk.size"] == 1
