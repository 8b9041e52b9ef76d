"""Verification (PS3.4 annex A): C-ECHO."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_common.dimse._receiving import Operation, Request, Response, Service

__all__ = ["ECHO"]

_SUCCESS = 0x0000


def _echo(_: Request) -> Iterator[Response]:
    yield Response(status=_SUCCESS)


ECHO = Service(
    name="echo",
    abstract_syntaxes=frozenset({"1.2.840.10008.1.1"}),
    operations={Operation.C_ECHO: _echo},
    permission=None,
)
