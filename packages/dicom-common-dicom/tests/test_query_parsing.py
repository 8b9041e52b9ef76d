"""What the matching keys of a request mean (PS3.18 8.3.4, PS3.4 C.2.2.2)."""

from __future__ import annotations

from datetime import date
from typing import Literal

import pytest
from parsed_queries import conditions

from dicom_common.core import Absent, AnyOf, Fuzzy, Interval, Level, Like, OneOf, Query, QueryError
from dicom_common.dicom import parse_query
from dicom_common.toolkit.query_rules import validate_query


def test_the_frame_of_a_query_is_taken_over() -> None:
    query = parse_query("clinic", Level.SERIES, {"PatientID": "1"}, limit=5, offset=10)
    assert query == Query(
        tenant="clinic", level=Level.SERIES, conditions=(OneOf("PatientID", ("1",)),), limit=5, offset=10
    )


@pytest.mark.parametrize(
    ("key", "keyword"),
    [
        ("PatientID", "PatientID"),
        ("00100020", "PatientID"),
        ("0020000d", "StudyInstanceUID"),
        ("0020000D", "StudyInstanceUID"),
        ("00080061", "ModalitiesInStudy"),
        ("RequestAttributesSequence.ScheduledProcedureStepID", "RequestAttributesSequence.ScheduledProcedureStepID"),
        ("00400275.00400009", "RequestAttributesSequence.ScheduledProcedureStepID"),
        ("00400275.RequestedProcedureID", "RequestAttributesSequence.RequestedProcedureID"),
        ("RequestAttributesSequence.00401001", "RequestAttributesSequence.RequestedProcedureID"),
    ],
)
def test_a_key_is_a_keyword_or_a_tag_or_a_path(key: str, keyword: str) -> None:
    assert conditions((key, "1")) == (OneOf(keyword, ("1",)),)


@pytest.mark.parametrize(
    "key",
    [
        "Patientid", "patientID", "00100021x", "0010,0020", "(0010,0020)", "NoSuchThing", "", ".", "00091001",
        "PatientID.00100020", "RequestAttributesSequence", "RequestAttributesSequence.StudyDate",
        "RequestAttributesSequence.", "NumberOfStudyRelatedInstances", "x" * 5000, "PatientID'; DROP TABLE study;--",
    ],
)  # fmt: skip
def test_an_unknown_key_is_refused_in_one_short_sentence(key: str) -> None:
    with pytest.raises(QueryError) as caught:
        conditions((key, "1"))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_misspelt_keyword_is_answered_with_a_hint() -> None:
    with pytest.raises(QueryError, match="Did you mean 'PatientName'"):
        conditions(("PatientNmae", "x"))


@pytest.mark.parametrize("second", ["PatientID", "00100020"])
def test_a_key_that_is_repeated_is_refused(second: str) -> None:
    with pytest.raises(QueryError, match="PatientID is asked for twice"):
        conditions(("PatientID", "1"), (second, "2"))


@pytest.mark.parametrize("value", ["", "  ", "*", "***", " * "])
@pytest.mark.parametrize("key", ["PatientID", "PatientName", "StudyDate", "StudyInstanceUID", "SeriesNumber"])
def test_an_empty_value_and_a_star_hold_for_everything(key: str, value: str) -> None:
    assert conditions((key, value)) == ()


@pytest.mark.parametrize("value", ["1.2,1.3", "1.2\\1.3", " 1.2 , 1.3 ", "1.2,,1.3"])
def test_a_list_of_uids_is_any_of_them(value: str) -> None:
    assert conditions(("StudyInstanceUID", value)) == (OneOf("StudyInstanceUID", ("1.2", "1.3")),)


def test_wildcards_are_literal_in_a_uid() -> None:
    assert conditions(("StudyInstanceUID", "1.2.*")) == (OneOf("StudyInstanceUID", ("1.2.*",)),)


@pytest.mark.parametrize("key", ["PatientID", "PatientName", "AccessionNumber", "StudyDescription", "Modality"])
def test_text_takes_wildcards_and_runs_of_stars_are_one(key: str) -> None:
    assert conditions((key, " A**b?c* ")) == (Like(key, "A*b?c*"),)


@pytest.mark.parametrize("value", ["a,b", "a/b", "50%", "a_b", "[x]", "' OR 1=1--", '"; DROP', "O\u2019Neil", "ПЕТР"])
def test_everything_else_in_a_text_is_literal(value: str) -> None:
    assert conditions(("PatientID", value)) == (OneOf("PatientID", (value,)),)


def test_padding_does_not_count() -> None:
    assert conditions(("PatientID", " 1 2 \0")) == (OneOf("PatientID", ("1 2",)),)


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("01", 1), ("1.0", 1), ("+7", 7), ("-3", -3), ("1E2", 100)])
def test_numbers_are_compared_as_numbers(value: str, number: float) -> None:
    assert conditions(("SeriesNumber", value)) == (OneOf("SeriesNumber", (number,)),)


@pytest.mark.parametrize("value", ["x", "1*", "1?", "nan", "inf", "1,5", "1-2", "0x10", "\u0661"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(QueryError, match="SeriesNumber") as caught:
        conditions(("SeriesNumber", value))
    assert value not in str(caught.value).replace("SeriesNumber", "").replace("searched", "")


@pytest.mark.parametrize("value", ["a*" * 17, "*" + "x" * 2000, "y" * 20_000])
def test_a_value_that_would_cost_too_much_is_refused(value: str) -> None:
    with pytest.raises(QueryError, match="PatientName") as caught:
        conditions(("PatientName", value))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("limit", "offset"), [(-1, 0), (None, -1)])
def test_a_negative_limit_or_offset_is_refused(limit: int | None, offset: int) -> None:
    with pytest.raises(QueryError, match="limit and offset"):
        parse_query("local", Level.STUDY, {}, limit=limit, offset=offset)


@pytest.mark.parametrize("key", ["Modality", "ModalitiesInStudy", "PatientID", "StudyDescription"])
@pytest.mark.parametrize("value", ["CT\\MR", " CT \\MR \0", "CT\\CT\\MR"])
def test_a_backslash_stands_between_values_of_which_any_is_enough(key: str, value: str) -> None:
    (made,) = conditions((key, value))
    assert isinstance(made, OneOf)
    assert made.values[:2] == ("CT", "MR")
    assert made.values[2:] == (value.strip("\0 "),)  # what is kept as one text


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("PatientName", "doe^jane\\roe*", AnyOf((OneOf("PatientName", ("doe^jane",)), Like("PatientName", "roe*")))),
        ("Modality", "C?\\M**", AnyOf((Like("Modality", "C?"), Like("Modality", "M*")))),
        ("SeriesNumber", "1\\02", OneOf("SeriesNumber", (1, 2))),
        (
            "StudyDate",
            "20260102\\-20250101",
            AnyOf(
                (
                    Interval(("StudyDate",), (date(2026, 1, 2),), (date(2026, 1, 2),)),
                    Interval(("StudyDate",), None, (date(2025, 1, 1),)),
                )
            ),
        ),
    ],
)
def test_each_of_several_values_is_matched_by_itself(key: str, value: str, expected: object) -> None:
    assert conditions((key, value)) == (expected,)


@pytest.mark.parametrize("value", ["CT\\*", "*\\CT", "a\\**\\b"])
def test_a_list_with_a_star_in_it_holds_for_everything(value: str) -> None:
    assert conditions(("Modality", value)) == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("Modality", value) for value in ("\\", "CT\\", "\\CT", "CT\\\\MR", "CT\\ \\MR")),
        *(("StudyDate", value) for value in ("20260101\\", "20260101\\x", "20260102-20260101\\20260101")),
        *(("SeriesNumber", value) for value in ("1\\x", "1\\", "1\\99999999999999999999")),
        ("PatientName", "\\".join(f"n{n}" for n in range(65))),
        ("PatientID", "\\".join(f"n{n}*" for n in range(65))),
        ("SOPInstanceUID", "\\".join("1.2.840.10008.1234567890" for _ in range(3000))),
    ],
)
def test_a_list_that_cannot_be_matched_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(QueryError, match=key):
        conditions((key, value))


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x\\\udfff", None, b"x", 5, ["x"], "x" * 70_000])
@pytest.mark.parametrize("key", ["PatientID", "StudyInstanceUID", "Modality"])
def test_what_is_no_text_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(QueryError, match=key):
        parse_query("local", Level.STUDY, {key: value})  # type: ignore[arg-type]  # what a caller should not give


@pytest.mark.parametrize("key", [None, b"PatientID", 5, ("PatientID",)])
@pytest.mark.parametrize("unknown", ["refuse", "ignore"])
def test_a_key_is_text(key: object, unknown: Literal["refuse", "ignore"]) -> None:
    with pytest.raises(QueryError, match=type(key).__name__):
        parse_query("local", Level.STUDY, [(key, "x")], unknown=unknown)  # type: ignore[list-item]  # as above


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("SeriesNumber", value) for value in ("2147483648", "-2147483649", "1e400", "1.5", "1" * 400)),
        *(("Rows", value) for value in ("-1", "65536", "99999999999999999999")),
        *(("SliceThickness", value) for value in ("1e400", "-1e309", "NaN")),
    ],
)
def test_a_number_out_of_the_range_of_its_vr_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(QueryError, match=key):
        conditions((key, value))


@pytest.mark.parametrize("key", ["AccessionNumber", "StudyDate", "SeriesNumber", "PatientName", "ModalitiesInStudy"])
def test_two_quotation_marks_ask_for_no_value_where_that_is_wanted(key: str) -> None:
    query = parse_query("local", Level.STUDY, {key: ' "" '}, empty_value_matching=True)
    assert query.conditions == (Absent(key),)


def test_two_quotation_marks_are_text_like_others_otherwise() -> None:
    assert conditions(("AccessionNumber", '""')) == (OneOf("AccessionNumber", ('""',)),)
    for key in ("StudyDate", "SeriesNumber"):
        with pytest.raises(QueryError, match=key):
            conditions((key, '""'))


def test_no_value_may_be_one_of_several() -> None:
    query = parse_query("local", Level.STUDY, {"Modality": 'CT\\""'}, empty_value_matching=True)
    (made,) = query.conditions
    assert isinstance(made, AnyOf)
    assert Absent("Modality") in made.conditions
    query = parse_query("local", Level.STUDY, {"StudyDate": '""\\20260101'}, empty_value_matching=True)
    day = date(2026, 1, 1)
    assert query.conditions == (AnyOf((Absent("StudyDate"), Interval(("StudyDate",), (day,), (day,)))),)


def test_8_3_4_1_1_a_time_zone_in_a_request_is_no_matching_key() -> None:
    keys = {"StudyDate": "20260101", "TimezoneOffsetFromUTC": "+0100"}
    for unknown in ("ignore", "ignore-attributes"):
        query = parse_query("local", Level.STUDY, keys, unknown=unknown)
        assert [one.keywords for one in query.conditions if isinstance(one, Interval)] == [("StudyDate",)]
        assert query.ignored == ("TimezoneOffsetFromUTC",)
        assert parse_query("local", Level.STUDY, {"TimezoneOffsetFromUTC": ""}, unknown=unknown).ignored == ()
    assert len(parse_query("local", Level.STUDY, keys).conditions) == 2


def test_an_unknown_key_can_be_ignored_and_is_named() -> None:
    keys = [
        ("PatientID", "1"), ("NoSuchThing", "x"), ("00091001", "y"), ("PatientID.00100020", "z"),
        ("RequestAttributesSequence.StudyDate", "20260101"), ("NoSuchThing", "again"),
        ("NumberOfStudyRelatedSeries", ""), ("StudyStatusID", "*"),
    ]  # fmt: skip
    query = parse_query("local", Level.STUDY, keys, unknown="ignore")
    assert query.conditions == (OneOf("PatientID", ("1",)),)
    assert query.ignored == ("NoSuchThing", "00091001", "PatientID.00100020", "RequestAttributesSequence.StudyDate")
    assert parse_query("local", Level.STUDY, {"PatientID": "1"}).ignored == ()
    with pytest.raises(QueryError, match="NoSuchThing"):
        parse_query("local", Level.STUDY, keys)


@pytest.mark.parametrize("pairs", [[("StudyDate", "x"), ("Unknown", "1")], [("PatientID", "1"), ("00100020", "2")]])
def test_what_is_known_is_refused_whatever_becomes_of_the_unknown(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(QueryError):
        parse_query("local", Level.STUDY, pairs, unknown="ignore")


def test_what_is_parsed_is_valid() -> None:
    validate_query(parse_query("local", Level.STUDY, {"PatientID": "a\\b*\\c", "StudyDate": "2026.01.01-"}))


@pytest.mark.parametrize(
    "key",
    [
        "InstitutionAddress", "00080081", "0008103f", "OtherPatientIDsSequence.00100020", "0040a730.00080100",
        "RequestAttributesSequence.StudyInstanceUID", "00091001.PatientID", "00091001",
        "60003000", "NumberOfStudyRelatedInstances", "RequestAttributesSequence",
    ],
)  # fmt: skip
def test_an_attribute_that_is_not_indexed_can_be_left_out_and_named(key: str) -> None:
    def asked(value: str) -> Query:
        keys = {key: value, "PatientID": "1"}
        return parse_query("local", Level.STUDY, keys, unknown="ignore-attributes")

    assert asked("x").ignored == (key,)
    assert asked("x").conditions == (OneOf("PatientID", ("1",)),)
    assert asked("*").ignored == asked("").ignored == ()
    with pytest.raises(QueryError, match="twice"):
        parse_query("local", Level.STUDY, [(key, "x"), (key, "y")], unknown="ignore-attributes")


@pytest.mark.parametrize(
    "key",
    ["Nothing", "patientname", "0010001g", "0010,0010", "(0010,0010)", "001000100", "", ".", "00100020.",
     "0040A730.Word", "Word.00100020", "00080004", "Patient Name",
     "PatientName.PatientID", "PatientID.00100020", "RequestAttributesSequence.PatientID.00100020", "FFFFFFFF",
     "00000000", "00020010", "TransferSyntaxUID", "00010001", "FFFEE000",
     "PatientName ", "\u0660\u0661\u0660\u0660\u0660\u0660\u0661\u0660"],
)  # fmt: skip
def test_a_word_that_is_no_attribute_is_refused_also_where_attributes_are_ignored(key: str) -> None:
    for value in ("x", ""):
        with pytest.raises(QueryError):
            parse_query("local", Level.STUDY, {key: value}, unknown="ignore-attributes")


def test_names_are_matched_by_their_words_where_that_is_asked_for() -> None:
    keys = {"PatientName": "jo\\do*e\\M\u00fcller^Ann", "PatientID": "jo", "ReferringPhysicianName": " who "}
    query = parse_query("local", Level.STUDY, keys, fuzzy=True)
    assert query.conditions == (
        AnyOf((Fuzzy("PatientName", "jo"), Like("PatientName", "do*e"), Fuzzy("PatientName", "M\u00fcller^Ann"))),
        OneOf("PatientID", ("jo",)),
        Fuzzy("ReferringPhysicianName", "who"),
    )
    plain = parse_query("local", Level.STUDY, {"PatientName": "jo"})
    assert plain.conditions == (OneOf("PatientName", ("jo",)),)
    assert "jo" not in repr(query)


def test_the_fields_of_the_answers_are_checked() -> None:
    assert parse_query("local", Level.SERIES, {}, fields=["Modality", "StudyDate"]).fields == ("Modality", "StudyDate")
    assert parse_query("local", Level.SERIES, {}).fields is None
    with pytest.raises(QueryError, match="InstanceNumber"):
        parse_query("local", Level.SERIES, {}, fields=["InstanceNumber"])
