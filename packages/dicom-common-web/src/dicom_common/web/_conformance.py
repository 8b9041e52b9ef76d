"""What the conformance statement says of DICOMweb (PS3.2, PS3.18): from the tables by which requests are answered."""

from __future__ import annotations

from dataclasses import fields
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from dicom_common.codecs import Codecs
from dicom_common.core import Stored
from dicom_common.dicom import TRANSFER_SYNTAXES
from dicom_common.toolkit import StatementSection, StatementTable
from dicom_common.web._app import ENDPOINTS
from dicom_common.web._negotiation import Offer
from dicom_common.web._operations import CAPABILITY_OFFERS
from dicom_common.web._qido import RESOURCES, SEARCH_OFFERS
from dicom_common.web._rendering import PICTURES
from dicom_common.web._settings import WebSettings
from dicom_common.web._stow import ANSWER_OFFERS, TAKES
from dicom_common.web._uri import uri_endpoints
from dicom_common.web._wado import BULK_OFFERS, METADATA_OFFERS, dicom_offers

if TYPE_CHECKING:
    from dicom_common.host import Config

__all__ = ["conformance"]

_TEXT: Final = """\
The service is an origin server of PS3.18: Studies Service and Resources (chapter 10) below `{root}`, and the URI
service (chapter 9) at `{uri}`. `OPTIONS` of the service root describes the resources (8.9). An `Accept` header that
names nothing acceptable is a 406; one that is absent gets the default. A request of a caller who is not known is a
401, one that the policy does not allow a 403, and what belongs to another tenant is a 404 like what does not exist.

STOW-RS: metadata with bulk data parts is not taken (415). Each part is in exactly one sequence of the response. No
attribute is coerced.

QIDO-RS: an attribute that is no attribute of DICOM is a 400; one that the index does not keep is ignored with a
`Warning`, and returned. A repeated attribute is a 400. Fuzzy matching is by the beginnings of the words of a name;
case, accents and order do not count.

WADO-RS: implicit VR and big endian never go out. As stored means byte for byte, but for the preamble{preamble}.
Rendered images have no annotation and no profile."""
_PARAMETERS: Final = (
    ("QIDO-RS", "{attribute}", "matching key: keyword, eight hex digits, or a path of them"),
    ("QIDO-RS", "includefield", "attributes to return, as a list or repeated; `all` stands alone"),
    ("QIDO-RS", "fuzzymatching", "`true` or `false`"),
    ("QIDO-RS", "emptyvaluematching", '`true` or `false`; the value `""` asks for attributes without a value'),
    ("QIDO-RS", "multiplevaluematching", "values joined by `\\` are always alternatives"),
    ("QIDO-RS", "limit, offset", "a page of the matches; a `Warning` says how many remain"),
    ("WADO-RS", "quality, viewport, window", "of `/rendered` and `/thumbnail` (8.3.5)"),
    ("WADO-RS", "annotation, iccprofile", "understood, and left out of the image"),
    ("All", "accept, charset", "in place of the header (8.3.3)"),
    ("WADO-URI", "studyUID, seriesUID, objectUID", "which object"),
    ("WADO-URI", "contentType, transferSyntax", "one of the media types; the transfer syntax of `application/dicom`"),
    ("WADO-URI", "frameNumber, rows, columns, region, windowCenter, windowWidth, imageQuality", "of a picture"),
    ("WADO-URI", "anonymize", "refused"),
)
STATUSES: Final = (
    ("STOW-RS", 200, "all instances are stored"),
    ("STOW-RS", 202, "some are stored; or all, and one with a warning or for indexing later"),
    ("STOW-RS", 400, "none is an instance, or the body is malformed or ends early"),
    ("STOW-RS", 409, "none is stored, and one is in conflict with what is there, or of another study"),
    ("STOW-RS", 413, "larger than is taken, or more parts"),
    ("STOW-RS", 415, "another media type, or a compressed body"),
    ("QIDO-RS", 200, "the matches"),
    ("QIDO-RS", 204, "no match, where the setting `no_matches` says so"),
    ("QIDO-RS", 400, "a parameter is malformed, repeated or no attribute"),
    ("WADO-RS", 200, "everything that was asked for"),
    ("WADO-RS", 206, "a part of a study or series goes out as it was asked for; or a range of bulk data"),
    ("WADO-RS", 304, "the client has it already (metadata, rendered images)"),
    ("WADO-RS", 400, "a UID, list of frames or parameter is malformed"),
    ("WADO-RS", 404, "there is no such instance, frame or value"),
    ("WADO-RS", 416, "the range is outside of the bulk data"),
    ("DELETE", 204, "it is removed"),
    ("WADO-URI", 200, "the object or picture"),
    ("WADO-URI", 400, "a parameter is absent or malformed"),
    ("WADO-URI", 404, "there is no such object, or it is no image"),
    ("All", 401, "no valid token or certificate"),
    ("All", 403, "the policy does not allow it"),
    ("All", 405, "the resource has no such method"),
    ("All", 406, "nothing acceptable can be had"),
    ("All", 408, "the request takes too long"),
    ("All", 431, "the head of the request is too large"),
    ("All", 500, "the server failed, or a stored object is damaged"),
    ("All", 503, "a backend is down, or too much waits: Retry-After says when to come again"),
)
"""Service, status and meaning; a test asks the server for them."""
_SYNTAX_COLUMNS: Final = ("Stored as", "Without a transfer syntax in Accept", "On request")


def conformance(config: Config) -> StatementSection:
    """Return the section on DICOMweb."""
    settings = config.section("web", WebSettings)
    text = _TEXT.format(
        root=settings.root, uri=settings.uri_path, preamble="" if settings.keep_preamble else ", which is zeroed"
    )
    return StatementSection(
        place=30,
        title="DICOMweb",
        text=text,
        tables=(
            _resources(settings),
            _media_types(),
            _transfer_syntaxes(),
            StatementTable(title="Parameters", columns=("Service", "Parameter", "Meaning"), rows=_PARAMETERS),
            StatementTable(
                title="Attributes of the matches of a search",
                columns=("Resource", "Always", "If there is a value"),
                rows=tuple((one.path, ", ".join(one.required), ", ".join(one.if_present)) for one in RESOURCES),
            ),
            StatementTable(
                title="Statuses",
                columns=("Service", "Status", "Meaning"),
                rows=tuple((service, f"{code} {HTTPStatus(code).phrase}", why) for service, code, why in STATUSES),
            ),
            StatementTable(
                title="Limits",
                columns=("Setting of [web]", "Value"),
                rows=tuple(
                    (one.name, str(getattr(settings, one.name)))
                    for one in fields(settings)
                    if one.type in ("int", "float") and one.name != "port"
                ),
            ),
        ),
    )


def _resources(settings: WebSettings) -> StatementTable:
    endpoints = [*ENDPOINTS, *uri_endpoints(settings.uri_path)]
    rows = tuple(
        (one.method, one.path if one.beside else settings.root + one.path, one.action.value if one.action else "-")
        for one in endpoints
    )
    return StatementTable(title="Resources", columns=("Method", "Path", "Action of the policy"), rows=rows)


def _media_types() -> StatementTable:
    pictures = ", ".join(PICTURES)
    rows = (
        ("STOW-RS, request", TAKES),
        ("STOW-RS, response", _named(ANSWER_OFFERS)),
        ("QIDO-RS", _named(SEARCH_OFFERS)),
        ("WADO-RS, metadata", _named(METADATA_OFFERS)),
        ("WADO-RS, instances", 'multipart/related; type="application/dicom", application/dicom (one instance)'),
        ("WADO-RS, bulk data and pixel data", _named(BULK_OFFERS)),
        ("WADO-RS, frames", f"{_named(BULK_OFFERS)}, or that of the transfer syntax as stored"),
        ("WADO-RS, rendered and thumbnail", pictures),
        ("WADO-URI", f"{pictures}, application/dicom"),
        ("Capabilities", _named(CAPABILITY_OFFERS)),
    )
    return StatementTable(title="Media types, the default first", columns=("Resource", "Media types"), rows=rows)


def _named(offers: tuple[Offer, ...]) -> str:
    names = [f'multipart/related; type="{one.media_type}"' if one.multipart else one.media_type for one in offers]
    return ", ".join(names)


def _transfer_syntaxes() -> StatementTable:
    """Say what `dicom_offers` answers for an instance of each transfer syntax."""
    rows = []
    with Codecs() as codecs:
        for syntax in TRANSFER_SYNTAXES.values():
            if syntax.private:
                continue
            offers = dicom_offers(codecs, _stored_as(syntax.uid), single=False)
            default = next((one.transfer_syntax for one in offers if one.default), None)
            others = [TRANSFER_SYNTAXES[one.transfer_syntax].name for one in offers if one.transfer_syntax != default]
            shown = TRANSFER_SYNTAXES[default].name if default is not None else "406"
            rows.append((syntax.name, shown, ", ".join(others) or "-"))
    return StatementTable(title="Transfer syntaxes of WADO-RS, instances", columns=_SYNTAX_COLUMNS, rows=tuple(rows))


def _stored_as(uid: str) -> Stored:
    return Stored(
        tenant="",
        study_uid="",
        series_uid="",
        sop_uid="",
        sop_class_uid="",
        transfer_syntax_uid=uid,
        key="",
        size=0,
        sha256="",
    )
