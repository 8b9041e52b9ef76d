from __future__ import annotations

import pytest

from dicom_common.core import MAX_TOKEN_BYTES, AuthenticationError
from dicom_common.host import bearer_token


def given(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"h"), *((b"authorization", value) for value in values)]


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_the_scheme_may_be_of_any_case(scheme: bytes) -> None:
    assert bearer_token(given(scheme + b" a.b.c")) == "a.b.c"


def test_the_name_of_the_header_may_be_of_any_case() -> None:
    assert bearer_token([(b"AUTHORIZATION", b"Bearer x")]) == "x"


@pytest.mark.parametrize(
    "headers",
    [
        given(),
        given(b"Bearer a", b"Bearer a"),
        [(b"Authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        *(
            given(value)
            for value in (
                b"", b"Bearer", b"Bearer ", b"Basic YTpi", b"a.b.c", b"Bearera.b.c", b"Bearer a b",
                b"Bearer a,Bearer b", b"Bearer \xff", b"Bearer a\nb", b"Bearer a\0", b"Bearer\ta", b"Bearer =a",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_not_exactly_one_bearer_token_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(AuthenticationError):
        bearer_token(headers)


def test_a_token_of_8_kb_is_taken_and_no_longer_one() -> None:
    assert len(bearer_token(given(b"Bearer " + b"a" * MAX_TOKEN_BYTES))) == MAX_TOKEN_BYTES
    for length in (MAX_TOKEN_BYTES + 1, 1_000_000):
        with pytest.raises(AuthenticationError, match="8192"):
            bearer_token(given(b"Bearer " + b"a" * length))


@pytest.mark.parametrize("query", [b"access_token=a", b"x=1&access%5Ftoken=a", b"ACCESS_TOKEN=", b"+access_token=a"])
def test_a_token_in_the_query_is_refused_beside_a_good_header_too(query: bytes) -> None:
    for headers in (given(), given(b"Bearer a")):
        with pytest.raises(AuthenticationError, match="query"):
            bearer_token(headers, query)


def test_other_parameters_are_none_of_its_business() -> None:
    assert bearer_token(given(b"Bearer a"), b"PatientID=access_token&limit=1&\xff") == "a"


@pytest.mark.parametrize("canary", [b"Bearer CANARY\xff", b"CANARY", b"Bearer " + b"CANARY" * 2000])
def test_no_message_holds_what_was_sent(canary: bytes) -> None:
    with pytest.raises(AuthenticationError) as caught:
        bearer_token(given(canary))
    assert "CANARY" not in str(caught.value)
