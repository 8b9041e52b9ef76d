"""Faults in the local keyring, and in the authenticator of tokens."""

from __future__ import annotations

import os
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from mutants import mutant

from dicom_common.auth.jose import JoseAuthenticator as Authenticator, _check
from dicom_common.auth.jose._issuer_keys import IssuerKeys
from dicom_common.core import DamagedError, Health, HealthStatus, Principal, RefusedError, WrappedKey
from dicom_common.keyring.local import _keyring
from dicom_common.keyring.local._keyring import LocalKeyring as Keyring

B = "keyring"


@mutant(B, _keyring, "_bound", "context")
def does_not_bind_the_context(original: Any, key_id: str, tenant: str, _context: bytes) -> Any:
    return original(key_id, tenant, b"")


@mutant(B, _keyring, "_bound", "tenant")
def does_not_bind_the_tenant(original: Any, key_id: str, _tenant: str, context: bytes) -> Any:
    return original(key_id, "", context)


@mutant(B, _keyring, "_bound", "one_text")
def joins_tenant_and_context(_original: Any, key_id: str, tenant: str, context: bytes) -> Any:
    return key_id.encode() + tenant.encode() + context


@mutant(B, _keyring, "_bound", "context")
def folds_the_case_of_the_context(original: Any, key_id: str, tenant: str, context: bytes) -> Any:
    return original(key_id, tenant, context.lower())


@mutant(B, Keyring, "wrap", "never_wrapped")
def uses_one_nonce(_original: Any, self: Any, tenant: str, key: bytes, context: bytes) -> Any:
    key_id, nonce = self.active(tenant), bytes(12)
    bound = _keyring._bound(key_id, tenant, context)
    return WrappedKey(key_id, nonce + self._ciphers[key_id][1].encrypt(nonce, key, bound))


@mutant(B, Keyring, "wrap", "stored")
def keeps_the_key_beside(original: Any, self: Any, tenant: str, key: bytes, context: bytes) -> Any:
    wrapped = original(self, tenant, key, context)
    return WrappedKey(wrapped.key_id, wrapped.data + key)


@mutant(B, Keyring, "unwrap", "stored")
def ignores_what_is_behind(original: Any, self: Any, tenant: str, wrapped: WrappedKey, context: bytes) -> Any:
    return original(self, tenant, WrappedKey(wrapped.key_id, wrapped.data[:60]), context)


@mutant(B, Keyring, "unwrap", "byte")
def gives_what_is_damaged(original: Any, self: Any, tenant: str, wrapped: WrappedKey, context: bytes) -> Any:
    try:
        return original(self, tenant, wrapped, context)
    except DamagedError:
        return os.urandom(32)


@mutant(B, Keyring, "unwrap", "not_there")
def tries_every_key(original: Any, self: Any, tenant: str, wrapped: WrappedKey, context: bytes) -> Any:
    try:
        return original(self, tenant, wrapped, context)
    except RefusedError:
        return original(self, tenant, WrappedKey(self.active(tenant), wrapped.data), context)


@mutant(B, Keyring, "active", "rotation")
def wraps_with_the_first_key(original: Any, self: Any, tenant: str) -> Any:
    original(self, tenant)
    return next(iter(self._ciphers))


@mutant(B, Keyring, "__init__", "rotation")
def drops_old_keys(original: Any, self: Any, entries: Any, place: str) -> None:
    original(self, [entry for entry in entries if entry.active], place)


@mutant(B, Keyring, "__init__", "secret")
def shows_its_keys(original: Any, self: Any, entries: Any, place: str) -> None:
    kept = list(entries)
    original(self, kept, f"{place} {[entry.key.reveal() for entry in kept]}")


@mutant(B, Keyring, "unwrap", "threads")
def is_for_one_thread(original: Any, self: Any, tenant: str, wrapped: WrappedKey, context: bytes) -> Any:
    import time  # noqa: PLC0415  # here to be seen with the race

    self.context = context
    time.sleep(0.001)
    return original(self, tenant, wrapped, self.context)


@mutant(B, Keyring, "close", "closing")
def does_not_close(_original: Any, _self: Any) -> None:
    return None


@mutant(B, Keyring, "check", "closing")
def is_always_well(_original: Any, _self: Any) -> Any:
    return Health(status=HealthStatus.OK, detail="well")


@mutant(B, _keyring, "_key_of", "opens_again")
def makes_a_key_of_its_own(_original: Any, _entry: Any, _place: str) -> Any:
    return AESGCM.generate_key(256)


T = "tokens"


@mutant(T, Authenticator, "authenticate", "expired")
def remembers_who_came(original: Any, self: Any, token: str) -> Any:
    known = self.__dict__.setdefault("known", {})
    if token not in known:
        known[token] = original(self, token)
    return known[token]


@mutant(T, Authenticator, "authenticate", "principal")
def forgets_the_roles(original: Any, self: Any, token: str) -> Any:
    found = original(self, token)
    return Principal(subject=found.subject, tenant=found.tenant, scopes=found.scopes)


@mutant(T, Authenticator, "authenticate", "principal")
def puts_all_into_one_tenant(original: Any, self: Any, token: str) -> Any:
    found = original(self, token)
    return Principal(
        subject=found.subject,
        tenant="local",
        scopes=found.scopes,
        roles=found.roles,
        permissions=found.permissions,
    )


@mutant(T, Authenticator, "check", "check")
def is_never_well(_original: Any, _self: Any) -> Any:
    return Health(status=HealthStatus.FAILED, detail="not well")


@mutant(T, IssuerKeys, "_may_search", "unknown")
def asks_for_every_unknown_key(_original: Any, _self: Any, _kid: str) -> Any:
    return True


@mutant(T, IssuerKeys, "keys", "fetched_once")
def fetches_for_each_token(original: Any, self: Any) -> Any:
    self._current = None
    return original(self)


FORGOTTEN = (
    *("claim-aud", "claim-exp", "claim-expired", "claim-nbf", "claim-required", "claim-azp", "claim-sub"),
    *("header-alg", "header-own-key", "header-typ", "signature"),
)


def _forget(name: str) -> None:
    def forgets(original: Any, checks: Any, thing: Any) -> Any:
        return original([check for check in checks if check.name != name], thing)

    forgets.__name__ = f"forgets_the_check_{name.replace('-', '_')}"
    mutant(T, _check, "failed", "attack_table")(forgets)


for _name in FORGOTTEN:
    _forget(_name)
