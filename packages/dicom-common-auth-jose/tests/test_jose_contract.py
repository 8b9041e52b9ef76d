"""The contract of an authenticator: the attack table, keys that rotate, malformed tokens."""

from __future__ import annotations

import pytest

from dicom_common.testing import AuthenticatorContract, OpenAuthenticator


class TestJoseAuthenticator(AuthenticatorContract):
    @pytest.fixture
    def open_authenticator(self, open_authenticator: OpenAuthenticator) -> OpenAuthenticator:
        return open_authenticator
