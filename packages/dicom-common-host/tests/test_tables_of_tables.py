"""Settings that are a table of tables: each inner table is converted and refused as any other is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dicom_common.core import ConfigError, Secret
from dicom_common.host import Config


@dataclass(frozen=True, kw_only=True)
class Peer:
    """An inner table."""

    name: str
    port: int = 104
    password: Secret = Secret("")
    key: Path | None = None

    def __post_init__(self) -> None:
        if self.port < 1:
            raise ValueError("port has to be at least 1")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A table with a table of tables."""

    peers: dict[str, Peer] = field(default_factory=dict)


def settings(folder: Path, text: str, **variables: str) -> Settings:
    file = folder / "site.toml"
    file.write_text(f'data = "data"\n{text}', encoding="utf-8")
    return Config.load(file, variables=variables).section("retention", Settings)


def test_each_inner_table_becomes_its_dataclass(tmp_path: Path) -> None:
    text = '[retention.peers.a]\nname = "A"\nport = 11112\nkey = "a.key"\n[retention.peers.b]\nname = "B"\n'
    found = settings(tmp_path, text).peers
    assert found == {"a": Peer(name="A", port=11112, key=found["a"].key), "b": Peer(name="B")}
    assert settings(tmp_path, "").peers == {}


def test_references_reach_into_them(tmp_path: Path) -> None:
    text = '[retention.peers.a]\nname = "A"\npassword = { env = "PASSWORD" }\n'
    assert settings(tmp_path, text, PASSWORD="sesame").peers["a"].password.reveal() == "sesame"


def test_a_variable_is_the_whole_of_them(tmp_path: Path) -> None:
    found = settings(tmp_path, "", DICOM_COMMON_RETENTION__PEERS='{ a = { name = "A", port = 105 } }')
    assert found.peers == {"a": Peer(name="A", port=105)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[retention.peers.a]\nname = "A"\nprot = 1\n', r"unknown setting retention.peers\.a\.prot.*port"),
        ("[retention.peers.a]\nport = 1\n", r"retention.peers\.a\.name is missing"),
        ('[retention.peers.a]\nname = "A"\nport = "x"\n', r"retention.peers\.a\.port"),
        ('[retention.peers.a]\nname = "A"\nport = 0\n', r"retention.peers\.a: port has to be at least 1"),
        ('[retention]\npeers = "a"\n', r"retention.peers has to be a table of tables"),
        ('[retention.peers]\na = "A"\n', r"retention.peers\.a has to be a table"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settings(tmp_path, text)
