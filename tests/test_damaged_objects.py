"""An object whose bytes changed where they lie: its sender heals it by sending the instance again."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus import instances, small_template

from dicom_common.core import DamagedError
from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received, Reconciliation, read_verified

PLAIN = '[storage]\nbackend = "filesystem"\nroot = "objects"\n'
ENCRYPTED = f"""
[storage]
backend = "encrypted"
storage = "plain"

[storages.plain]
backend = "filesystem"
root = "objects"

[keyring]
backend = "local"
keys = [{{ id = "1", key = "{base64.b64encode(b"made-up key of tests, 32 bytes..").decode()}", active = true }}]
"""


class Pipe(io.BytesIO):
    """Bytes that come once, as those of a request do."""

    def seekable(self) -> bool:
        return False


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "changed": lambda kept: kept[:-20] + bytes([kept[-20] ^ 1]) + kept[-19:],
    "cut": lambda kept: kept[:-20],
    "emptied": lambda _: b"",
}


@pytest.mark.parametrize("storage", [PLAIN, ENCRYPTED], ids=["filesystem", "encrypted"])
@pytest.mark.parametrize("source", [bytes, Pipe])
@pytest.mark.parametrize("damage", DAMAGES)
def test_sending_a_damaged_instance_again_heals_it(
    tmp_path: Path, storage: str, source: type[bytes | Pipe], damage: str
) -> None:
    [data] = instances(small_template(), 1)
    file = tmp_path / "site.toml"
    file.write_text(f'data = "data"\ningest.in_memory_bytes = 1024\n{storage}')
    config = Config.load(file)
    with Services(config) as services, Ingest(services) as ingest:
        [first] = ingest.store([Received(source=source(data), name="again")], tenant="local")
        object_file = next(path for path in (tmp_path / "data" / "objects").rglob("*.dcm"))
        object_file.write_bytes(DAMAGES[damage](object_file.read_bytes()))
        [stored] = services.db.walk()
        with pytest.raises(DamagedError):
            b"".join(read_verified(services.storage, stored))
        assert [found.kind for found in Reconciliation(config).run()] == ["damaged"]
        [second] = ingest.store([Received(source=source(data), name="again")], tenant="local")
        assert (second.status, second.reason, second.key) == ("duplicate", "restored", first.key)
        assert b"".join(read_verified(services.storage, stored)) == data
        assert list(services.db.walk()) == [stored]
        assert list(Reconciliation(config).run()) == []


@pytest.mark.parametrize("storage", [PLAIN, ENCRYPTED], ids=["filesystem", "encrypted"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_object_that_is_not_indexed_is_in_the_way_of_nothing(
    tmp_path: Path, storage: str, damage: str
) -> None:
    [data] = instances(small_template(), 1)
    file = tmp_path / "site.toml"
    file.write_text(f'data = "data"\n{storage}')
    with Services(Config.load(file)) as services, Ingest(services) as ingest:
        [first] = ingest.store([Received(source=data, name="first")], tenant="local")
        object_file = next(path for path in (tmp_path / "data" / "objects").rglob("*.dcm"))
        damaged = DAMAGES[damage](object_file.read_bytes())
        assert first.study_uid is not None
        [stored] = services.db.remove("local", first.study_uid)
        object_file.write_bytes(damaged)
        [second] = ingest.store([Received(source=data, name="second")], tenant="local")
        assert second.status == "stored"
        [now] = services.db.walk()
        assert now.key != stored.key
        assert b"".join(read_verified(services.storage, now)) == data
