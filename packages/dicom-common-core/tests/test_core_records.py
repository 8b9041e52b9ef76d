"""Records: identifiers, keys, errors; nothing of a patient in a repr."""

import copy
import dataclasses
import pickle
import re
import time
import uuid
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, strategies as st

from dicom_common import core
from dicom_common.core import (
    MAX_KEY_BYTES,
    RESERVED_SEGMENT,
    ConfigError,
    Delivery,
    DicomCommonError,
    DicomError,
    Entry,
    Event,
    Instance,
    Interval,
    Level,
    Like,
    Message,
    OneOf,
    PersonName,
    PublishError,
    Query,
    SchemaVersionError,
    UnavailableError,
    Write,
    uuid7,
    validate_key,
    validate_tenant,
)

PATIENT = "Doe^Jane"


def instance() -> Instance:
    return Instance(
        study_uid="1.2",
        series_uid="1.2.3",
        sop_uid="1.2.3.4",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        size=1,
        sha256="00",
        patient_id="P-4711",
        patient_name=PersonName(PATIENT),
        patient_birth_date=date(1950, 2, 3),
    )


def test_a_uuid7_has_the_version_the_variant_and_the_time_of_rfc_9562() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= after


def test_uuid7s_sort_by_their_millisecond_and_never_repeat() -> None:
    many = [uuid7() for _ in range(5000)]
    assert len(set(many)) == len(many)
    stamps = [made.int >> 80 for made in many]
    assert stamps == sorted(stamps)
    first = uuid7()
    while time.time_ns() // 1_000_000 <= first.int >> 80:
        pass
    assert str(first) < str(uuid7())


@pytest.mark.parametrize("tenant", ["a", "0", "clinic-1", "a-", "x" * 63])
def test_a_tenant_id_is_let_through_unchanged(tenant: str) -> None:
    assert validate_tenant(tenant) == tenant


@pytest.mark.parametrize(
    "tenant",
    ["", "-a", "A", "a_b", "a b", "a/b", "..", "a.b", "x" * 64, "a\n", "é", "\u0661", "ª", "a\0", "%2e", "a|b"],
)
def test_what_is_no_tenant_id_is_refused(tenant: str) -> None:
    with pytest.raises(ConfigError, match="is not a tenant id"):
        validate_tenant(tenant)


@given(st.text(max_size=70))
def test_only_the_grammar_of_tenants_is_let_through(text: str) -> None:
    allowed = 0 < len(text) <= 63 and text[0] != "-" and set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    try:
        assert validate_tenant(text) == text
    except ConfigError:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "a/b.dcm",
        "clinic/2024-01-01/1.2/1.2.3/1.2.3.4.dcm",
        ".a",
        "...",
        "a..b",
        "a b",
        "a?b#c%2f&d=+",
        "ü/日本",
        "x" * 255,
        "ü" * 127,
        "/".join(["x" * 255] * 4),
        "-",
        "~",
        "C:",
        "aux",
        "\u2028",
        ".dicom-commons",
        "a/.dicom-common",
    ],
)
def test_a_key_is_let_through_unchanged(key: str) -> None:
    assert validate_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "./a",
        "a/.",
        "a/../b",
        "../a",
        "a\\b",
        "a\0",
        "a\nb",
        "\x1f",
        "\x7f",
        "\x80",
        "\x9f",
        "\ud800",
        "a/\udfff",
        "x" * 256,
        "ü" * 128,
        "/".join(["x" * 255] * 4) + "/",
        "/".join(["x" * 250] * 5),
        ".dicom-common",
        ".dicom-common/x",
        "x" * (MAX_KEY_BYTES + 1),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="storage key") as caught:
        validate_key(key)
    assert len(key) < 5 or key == RESERVED_SEGMENT or key not in str(caught.value)


@given(st.lists(st.text(st.sampled_from("ab./\\\0é\ud800~ "), max_size=4), max_size=5).map("/".join))
def test_a_key_that_is_let_through_stays_below_its_root(key: str) -> None:
    try:
        validate_key(key)
    except ValueError:
        return
    segments = key.encode().split(b"/")
    assert all(segment not in (b"", b".", b"..") for segment in segments)
    assert not set(key) & set("\\\0\ud800")


@given(
    st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Z"]), min_size=1), min_size=1).map(
        "/".join
    )
)
def test_a_key_within_the_limits_is_let_through(key: str) -> None:
    segments = key.split("/")
    fits = len(key.encode()) <= MAX_KEY_BYTES and all(0 < len(s.encode()) <= 255 for s in segments)
    if fits and "\\" not in key and not {"", ".", ".."} & set(segments) and segments[0] != ".dicom-common":
        assert validate_key(key) == key
    else:
        with pytest.raises(ValueError, match="storage key"):
            validate_key(key)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (PersonName(), ""),
        (PersonName("Doe^Jane"), "Doe^Jane"),
        (PersonName("Yamada^Tarou", "山田^太郎", "やまだ^たろう"), "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (PersonName(phonetic="x"), "==x"),
        (PersonName("a", "", "c"), "a==c"),
        (PersonName(ideographic="b"), "=b"),
    ],
)
def test_a_person_name_prints_as_its_value_field(name: PersonName, text: str) -> None:
    assert str(name) == text


def test_no_repr_holds_what_a_data_set_says() -> None:
    body = f'{{"00100010": {{"vr": "PN", "Value": [{{"Alphabetic": "{PATIENT}"}}]}}}}'.encode()
    message = Message(key="clinic|1.2|1.2.3", body=body)
    records = [
        instance(),
        Entry(tenant="clinic", key="k", instance=instance(), metadata=body, received=datetime.now(UTC)),
        Event(tenant="clinic", topic="t", key="clinic|1.2|1.2.3", body=body),
        message,
        Delivery(topic="t", message=message, partition=0, offset=0),
        Write(key="k", source=body),
    ]
    for record in records:
        shown = f"{record} {record!r} {[record]}"
        assert not [text for text in (PATIENT, "P-4711", "1950") if text in shown]
    assert "1.2.3.4" in repr(instance())


def test_records_can_be_sent_to_other_processes_and_cannot_be_changed() -> None:
    made = instance()
    assert pickle.loads(pickle.dumps(made)) == made
    assert dataclasses.replace(made, patient_id="") != made
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.patient_id = ""  # type: ignore[misc]  # the point of the test


def test_an_instance_needs_its_identity_and_nothing_else() -> None:
    required = {field.name for field in dataclasses.fields(Instance) if field.default is dataclasses.MISSING}
    uids = {"study_uid", "series_uid", "sop_uid", "sop_class_uid", "transfer_syntax_uid"}
    assert required == {*uids, "size", "sha256"}


ERRORS = [
    value
    for name in core.__all__
    if isinstance(value := getattr(core, name), type) and issubclass(value, DicomCommonError)
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_has_one_root_and_survives_pickling_and_copying(kind: type[DicomCommonError]) -> None:
    error: DicomCommonError
    if issubclass(kind, DicomError):
        error = kind("no-identity", "the message")
    elif issubclass(kind, PublishError):
        error = kind("the message", (1, 3))
    elif issubclass(kind, SchemaVersionError):
        error = kind("the message", None, "0002")
    else:
        error = kind("the message")
    assert isinstance(error, DicomCommonError)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (str(again), vars(again)) == ("the message", vars(error))


def test_a_publish_that_failed_may_be_tried_again_and_says_what_is_missing() -> None:
    error = PublishError("2 of 4 messages are not durable", (1, 3))
    assert isinstance(error, UnavailableError)
    assert error.failed == (1, 3)


def test_every_event_has_an_id_of_its_own() -> None:
    events = [Event(tenant="t", topic="t", key="k", body=b"{}") for _ in range(100)]
    assert len({event.id for event in events}) == 100
    assert all(re.fullmatch(r"[0-9a-f-]{14}7[0-9a-f-]{21}", event.id) for event in events)


def test_a_query_does_not_show_what_it_searches_for() -> None:
    canary = "Canary^Patient"
    conditions = (
        OneOf("PatientName", (canary,)),
        Like("PatientName", f"{canary}*"),
        Interval(("PatientBirthDate",), (date(1931, 7, 13),), None),
    )
    shown = repr(Query(tenant="local", level=Level.STUDY, conditions=conditions))
    assert canary not in shown
    assert "1931" not in shown
