"""From what was written to settings: types, references, nested tables, and what is said of mistakes."""

import enum
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from dicom_common.core import ConfigError, Secret
from dicom_common.host import Config


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Pool:
    size: int = 5
    secret: Secret = Secret("")
    folder: Path = Path("pool")
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Everything:
    text: str = ""
    number: int = 0
    ratio: float = 0.0
    flag: bool = False
    folder: Path = Path("f")
    secret: Secret = Secret("")
    maybe_secret: Secret | None = None
    maybe_path: Path | None = None
    maybe: int | None = None
    mode: Literal["fast", "safe"] = "safe"
    colour: Colour = Colour.RED
    names: tuple[str, ...] = ()
    folders: tuple[Path, ...] = (Path("g"),)
    secrets: list[Secret] = field(default_factory=list)
    unique: frozenset[int] = frozenset()
    labels: dict[str, str] = field(default_factory=dict)
    pool: Pool = field(default_factory=Pool)
    maybe_pool: Pool | None = None
    pools: tuple[Pool, ...] = ()
    named_pools: dict[str, Pool] = field(default_factory=dict)
    pair: tuple[int, str] = (0, "")
    computed: int = field(default=1, init=False)


def made(written: Mapping[str, Any] | None = None, variables: Mapping[str, str] | None = None) -> Everything:
    lines = [] if written is None else [f"{key} = {value}" for key, value in written.items()]
    Path("c.toml").write_text("\n".join(["data = '/data'", "[storage]", *lines]), encoding="utf-8")
    return Config.load("c.toml", variables=variables or {}).section("storage", Everything)


def refused(written: Mapping[str, Any] | None = None, variables: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        made(written, variables)
    return str(caught.value)


CASES: list[tuple[str, str, str, Any]] = [
    # setting, as TOML, as the text of a variable, what it becomes
    ("text", '"5"', "5", "5"),
    ("text", '"[1]"', "[1]", "[1]"),
    ("number", "8", "8", 8),
    ("ratio", "1.5", "1.5", 1.5),
    ("ratio", "2", "2", 2.0),
    ("flag", "true", "true", True),
    ("flag", "false", "False", False),
    ("flag", "true", "1", True),
    ("folder", '"x"', "x", Path("/data/x")),
    ("folder", '"/x"', "/x", Path("/x")),
    ("secret", '"null"', "null", Secret("null")),
    ("maybe_secret", '"s"', "s", Secret("s")),
    ("maybe_path", '"x"', "x", Path("/data/x")),
    ("maybe", "3", "3", 3),
    ("mode", '"fast"', "fast", "fast"),
    ("colour", '"red"', "red", Colour.RED),
    ("names", '["a", "b"]', '["a", "b"]', ("a", "b")),
    ("names", "[]", "[]", ()),
    ("folders", '["x", "/y"]', '["x", "/y"]', (Path("/data/x"), Path("/y"))),
    ("secrets", '["s"]', '["s"]', [Secret("s")]),
    ("unique", "[1, 1]", "[1, 1]", frozenset({1})),
    ("labels", '{ env = "prod" }', '{ env = "prod" }', {"env": "prod"}),
    ("pool", "{ size = 9 }", "{ size = 9 }", Pool(size=9, folder=Path("/data/pool"))),
    ("pool", '{ file = "x" }', '{ file = "x" }', Pool(file="x", folder=Path("/data/pool"))),
    ("maybe_pool", "{ size = 9 }", "{ size = 9 }", Pool(size=9, folder=Path("/data/pool"))),
    ("pools", "[{ size = 9 }]", "[{ size = 9 }]", (Pool(size=9, folder=Path("/data/pool")),)),
    ("pair", '[1, "a"]', '[1, "a"]', (1, "a")),
]


@pytest.mark.parametrize(("key", "toml", "text", "expected"), CASES)
def test_a_file_and_a_variable_give_the_same_value_of_the_settings_type(
    key: str, toml: str, text: str, expected: Any
) -> None:
    assert getattr(made({key: toml}), key) == expected
    assert getattr(made(variables={f"DICOM_COMMON_STORAGE__{key.upper()}": text}), key) == expected


# What may itself have a key called `env` is written, not referred to; its parts may be references.
REFERABLE = [(key, text, expected) for key, _, text, expected in CASES if key not in ("labels", "pool", "maybe_pool")]


@pytest.mark.parametrize(("key", "text", "expected"), REFERABLE)
def test_a_reference_gives_the_same_value_as_a_variable(key: str, text: str, expected: Any) -> None:
    assert getattr(made({key: '{ env = "X" }'}, {"X": text}), key) == expected
    Path("value").write_text(f"{text}\n")
    assert getattr(made({key: '{ file = "value" }'}), key) == expected


def test_defaults_are_kept_and_their_relative_paths_resolved_at_every_depth() -> None:
    found = made()
    assert (found.folder, found.folders) == (Path("/data/f"), (Path("/data/g"),))
    assert found.pool == Pool(folder=Path("/data/pool"))
    assert (found.maybe_pool, found.computed) == (None, 1)
    named = made({"named_pools": '{ a = { folder = "x" } }'}).named_pools
    assert named == {"a": Pool(folder=Path("/data/x"))}


def test_parts_of_lists_and_tables_may_be_references() -> None:
    variables = {"X": "seen"}
    assert made({"names": '["a", { env = "X" }]'}, variables).names == ("a", "seen")
    assert made({"pool": '{ secret = { env = "X" } }'}, variables).pool.secret == Secret("seen")
    assert made({"pools": '[{ secret = { env = "X" } }]'}, variables).pools[0].secret == Secret("seen")


def test_a_reference_in_a_variable_is_not_followed() -> None:
    # A variable is text; one that refers to itself would never end.
    assert "number" in refused({"number": '{ env = "X" }'}, {"X": '{ env = "X" }'})


@pytest.mark.parametrize(
    ("key", "toml", "told"),
    [
        ("number", '"8"', "storage.number: Expected `int`, got `str`."),
        ("number", "true", "storage.number: Expected `int`, got `bool`."),
        ("text", "5", "storage.text: Expected `str`, got `int`."),
        ("secret", "5", "storage.secret: Expected `str`, got `int`."),
        ("mode", '"slow"', "storage.mode: it has to be one of 'fast', 'safe'."),
        ("colour", '"blue"', "storage.colour: it has to be one of 'red'."),
        ("names", '"a"', "storage.names: Expected `array`, got `str`."),
        ("names", "[1]", "storage.names[0]: Expected `str`, got `int`."),
        ("pool", "5", "storage.pool has to be a table."),
        ("pool", "{ sice = 1 }", "unknown setting storage.pool.sice. Did you mean 'size'?"),
        ("pools", "[{ sice = 1 }]", "unknown setting storage.pools[0].sice. Did you mean 'size'?"),
        ("maybe_pool", "{ sice = 1 }", "unknown setting storage.maybe_pool.sice."),
        ("computed", "5", "unknown setting storage.computed."),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_origin(key: str, toml: str, told: str) -> None:
    message = refused({key: toml})
    assert told in message
    assert message.startswith(f"{Path('c.toml').absolute()}: ")


def test_a_wrong_text_of_a_variable_is_told_with_the_variable() -> None:
    message = refused(variables={"DICOM_COMMON_STORAGE__NAMES": "a,b"})
    assert message.startswith("variable DICOM_COMMON_STORAGE__NAMES: storage.names: ")
    assert 'write a list as ["a", "b"]' in message


def test_a_missing_setting_is_named() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needs:
        bucket: str

    with pytest.raises(ConfigError, match=r"The setting storage\.bucket is missing: add it"):
        Config.load().section("storage", Needs)


def test_what_the_settings_themselves_refuse_is_told_with_the_origins() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Picky:
        low: int = 0
        high: int = 9

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low has to be below high")

    Path("c.toml").write_text("[db]\nlow = 8")
    config = Config.load("c.toml", variables={"DICOM_COMMON_DB__HIGH": "7"})
    with pytest.raises(ConfigError, match=r"c\.toml, variable DICOM_COMMON_DB__HIGH: db: low has to be below high"):
        config.section("db", Picky)


def test_a_type_that_cannot_be_configured_is_an_error_of_ours() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd:
        value: str | Path = ""

    with pytest.raises(ConfigError, match="cannot be configured; tell the author"):
        Config.load(overrides={"db.value": "x"}).section("db", Odd)


def test_overrides_may_be_objects_as_well_as_texts() -> None:
    overrides = {"storage": {"folder": Path("x"), "names": ("a",), "number": 4, "secret": Secret("s"), "flag": "true"}}
    found = Config.load(overrides={"data": "/data", **overrides}).section("storage", Everything)
    assert (found.folder, found.names, found.number) == (Path("/data/x"), ("a",), 4)
    assert (found.secret, found.flag) == (Secret("s"), True)


def test_a_secret_shows_itself_to_nobody_and_compares_by_its_text() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {Pool(secret=secret)}"
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2") != Secret("x")
    assert len({secret, Secret("hunter2")}) == 1
    assert secret != "hunter2"
    assert bool(secret)
    assert not Secret("")
    assert pickle.loads(pickle.dumps(secret)) == secret
