"""What the conformance statement says of security, whatever service is asked (PS3.2, PS3.15)."""

from __future__ import annotations

from dicom_common.host._config import Config
from dicom_common.host._policy import Action, Policy
from dicom_common.toolkit import StatementSection, StatementTable

__all__ = ["conformance"]

_TEXT = """\
Connections by TLS are of version 1.2 or later with the cipher suites that BCP 195 (RFC 9325) recommends, to which the
Secure Transport Connection Profiles of PS3.15 annex B refer. Certificates of servers and clients are verified;
verification cannot be turned off. Every row, object and event belongs to a tenant; which one a caller works for follows
from a verified token, its certificate, or the configuration, never from a data set.

{authenticator} What a caller needs for each action is below; what is not named is denied to everybody."""


def conformance(config: Config) -> StatementSection:
    """Return the section on security."""
    backend = config.backend("auth")
    authenticator = (
        "No authenticator of tokens is configured."
        if backend is None
        else f"The authenticator of tokens is `{backend}`."
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
