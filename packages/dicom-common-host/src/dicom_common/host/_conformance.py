"""The security section of the conformance statement, for all services (PS3.2, PS3.15)."""

from __future__ import annotations

from dicom_common.host._config import Config
from dicom_common.host._policy import Action, Policy
from dicom_common.toolkit import StatementSection, StatementTable

__all__ = ["conformance"]

_TEXT = """\
TLS connections use version 1.2 or later with the cipher suites that BCP 195 (RFC 9325) recommends; the Secure Transport
Connection Profiles of PS3.15 Annex B refer to BCP 195. Server and client certificates are verified; verification cannot
be turned off. Every row, object and event belongs to a tenant. The tenant of a caller comes from a verified token, its
certificate or the configuration, never from a data set.

{authenticator} The table lists what a caller needs for each action; an action without an entry is denied to every
caller."""


def conformance(config: Config) -> StatementSection:
    """Return the security section."""
    backend = config.backend("auth")
    authenticator = (
        "No authenticator for tokens is configured."
        if backend is None
        else f"Tokens are verified by the authenticator `{backend}`."
    )
    policy = config.section("policy", Policy)
    rows = []
    for action in Action:
        needs = getattr(policy, action.value)
        cells = [", ".join(getattr(needs, name)) for name in ("scopes", "roles", "permissions")]
        rows.append((action.value, *(cell or "-" for cell in cells)))
    table = StatementTable(
        title="Policy",
        columns=("Action", "One of the scopes", "One of the roles", "One of the permissions"),
        rows=tuple(rows),
    )
    return StatementSection(place=70, title="Security", text=_TEXT.format(authenticator=authenticator), tables=(table,))
