"""Accept (RFC 9110 12.5.1, PS3.18 8.7): which representation a client gets."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from dicom_common.web._errors import HttpError
from dicom_common.web._negotiation import Accepted, Offer, accepted_by, parse_accept

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
DICOM = "application/dicom"
STORED = Offer(media_type=DICOM, multipart=True, transfer_syntax=JPEG_2000, default=False)
CONVERTED = Offer(media_type=DICOM, multipart=True, transfer_syntax=EXPLICIT)
SINGLE = Offer(media_type=DICOM, transfer_syntax=EXPLICIT)
INSTANCE = (STORED, CONVERTED, SINGLE)
JSON = Offer(media_type="application/dicom+json")
XML = Offer(media_type="application/dicom+xml", multipart=True)


def request(query: str = "", *accept: str) -> Request:
    headers = [(b"accept", one.encode()) for one in accept]
    return Request({"type": "http", "query_string": query.encode(), "headers": headers})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", CONVERTED),
        ("multipart/*", CONVERTED),
        ("multipart/related", CONVERTED),
        ('multipart/related; type="application/dicom"', CONVERTED),
        ("multipart/related; type=application/dicom", CONVERTED),
        ("Multipart/Related;TYPE=Application/DICOM", CONVERTED),
        ("multipart/related; type=application/*", CONVERTED),
        (f'multipart/related; transfer-syntax={JPEG_2000}; type="application/dicom"', STORED),
        (f'multipart/related; type="application/dicom"; transfer-syntax="{EXPLICIT}"', CONVERTED),
        ("multipart/related; type=application/dicom; transfer-syntax=*", STORED),
        ("multipart/related; type=application/dicom; transfer-syntax=1.2.3", None),
        ("application/dicom", SINGLE),
        ("application/*", SINGLE),
        ("application/dicom; transfer-syntax=*", SINGLE),
        ("application/dicom; q=0.5, multipart/related; type=application/dicom; q=0.4", SINGLE),
        ("application/dicom; q=0.4, multipart/related; type=application/dicom", CONVERTED),
        ("*/*, multipart/related; type=application/dicom; q=0", SINGLE),
        ("application/dicom;q=0", None),
        ("text/html", None),
        ("image/*", None),
        ("text/html, */*;q=0.1", CONVERTED),
        ("text/html, application/xhtml+xml;q=0.9,*/*;q=0.8", CONVERTED),
    ],
)
def test_3_4_the_best_of_what_is_accepted(accept: str, expected: Offer | None) -> None:
    assert Accepted(parse_accept(accept)).choose(INSTANCE) == expected


def test_several_transfer_syntaxes_are_taken_in_the_order_of_their_quality() -> None:
    related = "multipart/related; type=application/dicom; transfer-syntax="
    assert Accepted(parse_accept(f"{related}{JPEG_2000}; q=0.2, {related}{EXPLICIT}")).choose(INSTANCE) == CONVERTED
    assert Accepted(parse_accept(f"{related}{EXPLICIT}, {related}{JPEG_2000}")).choose(INSTANCE) == STORED


@pytest.mark.parametrize(
    "accept",
    [
        "",
        ",",
        "application",
        "application/",
        "*/dicom",
        "application/dicom; q=2",
        "application/dicom; q=0.1234",
        "application/dicom; q",
        'multipart/related; type="application/dicom',
        "application/dicom x",
        ";;",
        ", ; ,",
        "\x00/\x00",
    ],
)
def test_what_is_no_media_range_accepts_nothing(accept: str) -> None:
    assert parse_accept(accept) == ()


@pytest.mark.parametrize(
    "accept",
    [
        "multipart/related; type=application/dicom; type=application/dicom",
        f"application/dicom; transfer-syntax={EXPLICIT}; Transfer-Syntax={JPEG_2000}",
        "text/html, application/dicom; q=0.1; q=0.9",
    ],
)
def test_a_repeated_parameter_is_refused(accept: str) -> None:
    with pytest.raises(HttpError) as raised:
        parse_accept(accept)
    assert raised.value.status == 400


def test_a_comma_and_a_semicolon_in_quotation_marks_do_not_count() -> None:
    (one,) = parse_accept('multipart/related; boundary="a,b;c\\""; type="application/dicom"')
    assert one.parameters == {"boundary": 'a,b;c"', "type": DICOM}


def test_3_13_no_accept_is_the_default() -> None:
    assert accepted_by(request()).choose(INSTANCE) == CONVERTED
    assert accepted_by(request("", "")).choose(INSTANCE) == CONVERTED


def test_several_headers_are_one() -> None:
    assert accepted_by(request("", "text/html", "application/dicom")).choose(INSTANCE) == SINGLE


def test_2_14_nothing_acceptable_is_a_406() -> None:
    with pytest.raises(HttpError) as caught:
        accepted_by(request("", "text/html")).require((JSON, XML))
    assert caught.value.status == 406
    assert 'multipart/related; type="application/dicom+xml"' in caught.value.message


def test_2_14_the_query_parameter_counts_before_the_header() -> None:
    asked = accepted_by(request("accept=application/dicom", 'multipart/related; type="application/dicom"'))
    assert asked.require(INSTANCE) == SINGLE


@pytest.mark.parametrize("value", ["application/dicom+json", "application/dicom%2Bjson"])
def test_2_14_a_plus_sign_of_the_query_parameter_is_one(value: str) -> None:
    assert accepted_by(request(f"accept={value}", "text/html")).require((XML, JSON)) == JSON


def test_2_14_the_query_parameter_falls_back_to_the_default() -> None:
    assert accepted_by(request("accept=text/plain", "image/gif")).require((JSON, XML)) == JSON


@pytest.mark.parametrize("value", ["*/*", "application/*", "", "application/dicom,image/jpeg", "nothing"])
def test_2_14_the_query_parameter_has_no_wildcards_and_mixes_nothing(value: str) -> None:
    with pytest.raises(HttpError) as caught:
        accepted_by(request(f"accept={value}"))
    assert caught.value.status == 400


def test_9_5_a_long_accept_is_refused() -> None:
    with pytest.raises(HttpError) as caught:
        parse_accept("a/b," * 4000)
    assert caught.value.status == 400
