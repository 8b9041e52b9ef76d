"""The contract of an authenticator: the attack table, keys that rotate, malformed tokens."""

from __future__ import annotations

import pytest

from dicom_common.testing import AuthenticatorContract


class TestJoseAuthenticator(AuthenticatorContract):
    @pytest.fixture
    def open_authenticator(self, open_authenticator: object) -> object:
        return open_authenticator
