from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import Keyring, Secret
from dicom_common.keyring.local import KeyEntry, Settings, open_keyring
from dicom_common.testing import KeyringContract

FIRST = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SECOND = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="


class TestLocalKeyring(KeyringContract):
    @pytest.fixture
    def open_keyring(self) -> Callable[[], Keyring]:
        return partial(open_keyring, Settings(keys=(KeyEntry(id="first", key=Secret(FIRST), active=True),)))

    @pytest.fixture
    def open_rotated(self) -> Callable[[], Keyring]:
        keys = (
            KeyEntry(id="first", key=Secret(FIRST)),
            KeyEntry(id="second", key=Secret(SECOND), active=True),
        )
        return partial(open_keyring, Settings(keys=keys))

    @pytest.fixture
    def open_without_the_first(self) -> Callable[[], Keyring]:
        return partial(open_keyring, Settings(keys=(KeyEntry(id="second", key=Secret(SECOND), active=True),)))

    @pytest.fixture
    def secrets(self) -> tuple[str, ...]:
        return (FIRST, SECOND)
