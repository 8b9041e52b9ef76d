"""The contracts of the embedded backends as `tests/mutants.py` runs them: small, and with a fault inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mutants import opened

from dicom_common.auth.jose import Issuer, JoseAuthenticator, Settings as JoseSettings
from dicom_common.broker.sqlite import Settings as BrokerSettings, SqliteBroker
from dicom_common.cache.memory import MemoryCache, Settings as CacheSettings
from dicom_common.core import (
    BatchWrites,
    BriefSearches,
    DerivedRows,
    Groups,
    KeptFrames,
    LocalFiles,
    Logs,
    Migrations,
    OpenObjects,
    Revisions,
    Secret,
    Uploads,
)
from dicom_common.core.tls import Tls
from dicom_common.db.sqlite import Settings as IndexSettings, SqliteDatabase
from dicom_common.keyring.local import KeyEntry, Settings as KeyringSettings, open_keyring
from dicom_common.storage.filesystem import FilesystemStorage, Settings as StorageSettings
from dicom_common.testing import (
    AuthenticatorContract,
    BrokerContract,
    CacheContract,
    DatabaseContract,
    KeyringContract,
    SteppedClock,
    StorageContract,
    Trust,
)

FIRST = KeyEntry(id="first", key=Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))
SECOND = KeyEntry(id="second", key=Secret("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="), active=True)


def keyring(*entries: KeyEntry) -> Callable[[], Any]:
    return partial(opened, partial(open_keyring, KeyringSettings(keys=entries)))


class TestStorage(StorageContract):
    abilities = (BatchWrites, LocalFiles, OpenObjects, Uploads)
    large_object_bytes = 128 << 20
    test_limit = 60

    @pytest.fixture
    def open_storage(self, tmp_path: Path) -> Callable[[], Any]:
        return partial(opened, partial(FilesystemStorage, StorageSettings(root=tmp_path / "objects")))


class TestIndex(DatabaseContract):
    abilities = (BriefSearches, DerivedRows, KeptFrames, Logs, Migrations, Revisions)
    test_limit = 120

    @pytest.fixture
    def open_database(self, tmp_path: Path) -> Callable[[], Any]:
        return partial(opened, partial(SqliteDatabase, IndexSettings(path=tmp_path / "index.sqlite")))


class TestCache(CacheContract):
    shared_between_processes = False
    value_limit = 4 << 20
    test_limit = 60

    @pytest.fixture
    def open_cache(self) -> Callable[[], Any]:
        return partial(opened, partial(MemoryCache, CacheSettings()))


class TestBroker(BrokerContract):
    abilities = (Groups,)
    patience = 15
    test_limit = 60

    @pytest.fixture
    def open_broker(self, tmp_path: Path) -> Callable[[], Any]:
        settings = BrokerSettings(path=tmp_path / "events.sqlite", lease=1.5)
        return partial(opened, partial(SqliteBroker, settings))


class TestKeyring(KeyringContract):
    @pytest.fixture
    def open_keyring(self) -> Callable[[], Any]:
        return keyring(KeyEntry(id=FIRST.id, key=FIRST.key, active=True))

    @pytest.fixture
    def open_rotated(self) -> Callable[[], Any]:
        return keyring(FIRST, SECOND)

    @pytest.fixture
    def open_without_the_first(self) -> Callable[[], Any]:
        return keyring(SECOND)

    @pytest.fixture
    def secrets(self) -> tuple[str, ...]:
        return (FIRST.key.reveal(), SECOND.key.reveal())


class TestTokens(AuthenticatorContract):
    @pytest.fixture
    def open_authenticator(self) -> Callable[..., Any]:
        def opens(trust: Trust, clock: SteppedClock) -> JoseAuthenticator:
            names = (
                "issuer",
                "jwks_uri",
                "audiences",
                "algorithms",
                "authorized_parties",
                "required_claims",
                "tenants",
            )
            issuer = Issuer(
                **{name: getattr(trust, name) for name in names},
                typ="at+jwt" if trust.typ == "at+jwt" else "any",
                role_claims=("$.realm_access.roles", "$.resource_access['wado-rs-api'].roles"),
                permission_claims=("$.permissions",),
            )
            times = ("leeway", "key_seconds", "stale_seconds", "cool_down", "time_limit")
            settings = JoseSettings(
                issuers=(issuer,), tls=Tls(ca=trust.ca), **{name: getattr(trust, name) for name in times}
            )
            return opened(partial(JoseAuthenticator, settings, clock=clock.time, monotonic=clock.monotonic))

        return opens
