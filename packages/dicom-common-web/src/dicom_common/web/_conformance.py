"""The DICOMweb section of the conformance statement (PS3.2, PS3.18), made from the tables that requests use."""

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
The service is a PS3.18 origin server. It offers Studies Service and Resources (chapter 10) below `{root}`, and the URI
Service (chapter 9) at `{uri}`. `OPTIONS` of the service root returns the capabilities (8.9). Without an `Accept` header
a response has the default media type; if no available media type is acceptable, the status is 406. An unauthenticated
request gets 401, and a request that the policy does not permit gets 403. A resource of another tenant gets 404, as if
it did not exist.

STOW-RS: metadata with bulk data parts is not supported (415). The response lists each part in exactly one sequence. No
attribute is coerced.

QIDO-RS: an unknown attribute gets 400. An attribute that is not in the index is returned, but not matched, and the
response has a `Warning`. Dates and times are compared as stored: `TimezoneOffsetFromUTC` is not applied, also with a
`Warning`. A repeated attribute gets 400. Fuzzy matching compares the beginnings of the words of a name, regardless of
case, accents and order.

WADO-RS: Implicit VR Little Endian and Explicit VR Big Endian are never sent. An instance that is sent as stored is
identical byte for byte, except for the File Preamble{preamble}. Rendered images have no annotations and no ICC
profile; a request for annotations gets a `Warning`.

Rendered presentation states: `/rendered` of a Grayscale Softcopy Presentation State renders the grayscale images of any
Image Storage SOP Class that it refers to, and WADO-URI applies it to one of them. Modality, VOI and presentation LUT,
shutter, displayed area, rotation, flip, graphics and text are applied. A state that subtracts a mask, shows an overlay,
has a bitmap shutter, compound graphics, text with characters outside of the font of the server, or is of another SOP
Class gets 406: no picture is sent that lacks a part of it. Line and text styles are not applied. In the pictures of a
study or series, and in thumbnails, no presentation state is applied."""
_PARAMETERS: Final = (
    ("QIDO-RS", "{attribute}", "matching key: keyword, eight hex digits, or a path of them"),
    ("QIDO-RS", "includefield", "attributes to return, as a list or repeated; `all` must be the only value"),
    ("QIDO-RS", "fuzzymatching", "`true` or `false`"),
    ("QIDO-RS", "emptyvaluematching", '`true` or `false`; the value `""` asks for attributes without a value'),
    ("QIDO-RS", "multiplevaluematching", "values joined by `\\` are always alternatives"),
    ("QIDO-RS", "limit, offset", "a page of the matches; a `Warning` says how many remain"),
    ("WADO-RS", "quality, viewport, window", "of `/rendered` and `/thumbnail` (8.3.5)"),
    ("WADO-RS", "annotation, iccprofile", "accepted, but not applied to the image"),
    ("All", "accept, charset", "replace the header fields (8.3.3)"),
    ("WADO-URI", "studyUID, seriesUID, objectUID", "identify the instance"),
    ("WADO-URI", "contentType, transferSyntax", "one of the media types; the transfer syntax of `application/dicom`"),
    ("WADO-URI", "frameNumber, rows, columns, region, windowCenter, windowWidth, imageQuality", "of a rendered image"),
    ("WADO-URI", "anonymize", "refused"),
    (
        "WADO-URI",
        "presentationSeriesUID, presentationUID",
        "a Grayscale Softcopy Presentation State to apply; not with `frameNumber`, `region` or a window",
    ),
)
STATUSES: Final = (
    ("STOW-RS", 200, "all instances are stored"),
    ("STOW-RS", 202, "some instances are stored; or all are, with a warning or queued for indexing"),
    ("STOW-RS", 400, "no part is an instance, or the body is malformed or ends early"),
    ("STOW-RS", 409, "no instance is stored, and one conflicts with a stored instance or belongs to another study"),
    ("STOW-RS", 413, "the body or an instance is too large, or the body has too many parts"),
    ("STOW-RS", 415, "the media type is not supported, or the body is compressed"),
    ("QIDO-RS", 200, "the matches"),
    ("QIDO-RS", 204, 'there is no match, and the setting `no_matches` is "204"'),
    ("QIDO-RS", 400, "a parameter is malformed or repeated, or is not a known attribute"),
    ("WADO-RS", 200, "everything requested"),
    ("WADO-RS", 206, "only a part of a study, a series or the images of a presentation state; or a range of bulk data"),
    ("WADO-RS", 304, "the client's copy is current (metadata, rendered images)"),
    ("WADO-RS", 400, "a UID, list of frames or parameter is malformed"),
    ("WADO-RS", 404, "there is no such instance, frame or value"),
    ("WADO-RS", 416, "the range is outside of the bulk data"),
    ("DELETE", 204, "the study, series or instance is removed"),
    ("WADO-URI", 200, "the instance or the rendered image"),
    ("WADO-URI", 400, "a parameter is absent or malformed"),
    ("WADO-URI", 404, "there is no such instance, or it is not an image"),
    ("All", 401, "no valid token or certificate"),
    ("All", 403, "the policy does not permit the request"),
    ("All", 405, "the resource does not support the method"),
    ("All", 406, "no available media type or transfer syntax is acceptable"),
    ("All", 408, "the request takes too long"),
    ("All", 431, "the request line and headers are too large"),
    ("All", 500, "the server failed, or a stored object is damaged"),
    ("All", 501, "the method is not one of HTTP"),
    ("All", 503, "a backend is down, or too many requests wait; Retry-After says when to try again"),
)
"""Service, status and meaning; a test asks the server for them."""
_SYNTAX_COLUMNS: Final = ("Stored as", "Without a transfer syntax in Accept", "On request")


def conformance(config: Config) -> StatementSection:
    """Return the DICOMweb section."""
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
                title="Attributes in search results",
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
