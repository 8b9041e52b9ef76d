"""conformance.md 7.4: C-FIND. Levels, unique keys, matching, what comes back, character sets, limits, C-CANCEL."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from live_ae import LiveAe, dcmtk, live_ae
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_CANCEL, C_FIND
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from stored_instances import (
    PATIENT_ROOT,
    STUDY_ROOT,
    ask,
    asked,
    ingest,
    instance_uid,
    key,
    make_instance,
    series_uid,
    study_uid,
)

_REQUESTED = Dataset()
_REQUESTED.ScheduledProcedureStepID = "STEP1"
_REQUESTED.RequestedProcedureID = "PROC1"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAe]:
    """Three studies: one of two series, one with a name in three scripts, one with wildcards in its name."""
    with live_ae(tmp_path_factory.mktemp("find"), "[dimse.find]\nmax_results = 20") as live:
        ingest(
            live,
            make_instance(1, 1, 1, PatientName="Doe^Jane", Modality="CT", StudyTime="101500", AccessionNumber="A1"),
            make_instance(1, 1, 2, PatientName="Doe^Jane", Modality="CT", StudyTime="101500", AccessionNumber="A1"),
            make_instance(
                1,
                2,
                1,
                PatientName="Doe^Jane",
                Modality="MR",
                StudyTime="101500",
                AccessionNumber="A1",
                RequestAttributesSequence=[_REQUESTED],
                ReferringPhysicianTelephoneNumbers="555",
                Manufacturer="Maker",
                Rows=16,
            ),
            make_instance(2, PatientName="Müller^Hans", StudyDate="20260315", StudyTime="230000"),
            make_instance(3, PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", StudyDate="", PatientID=""),
            make_instance(4, PatientName="O'Brien%_[x]", StudyDate="20251231", InstitutionName="House"),
        )
        yield live


def _studies(found: list[Dataset]) -> list[str]:
    return sorted(str(one.StudyInstanceUID) for one in found)


def _final(statuses: list[Dataset]) -> int:
    return int(statuses[-1].Status)


def test_7_4_a_study_list_has_what_was_asked_for_and_nothing_else(live: LiveAe) -> None:
    asked_for = key("STUDY", PatientName="Doe*", StudyInstanceUID="", ModalitiesInStudy="", StudyDate="")
    asked_for.NumberOfStudyRelatedSeries = asked_for.NumberOfStudyRelatedInstances = None
    found, statuses = ask(live, asked_for)
    assert [status.Status for status in statuses] == [0xFF00, 0x0000]
    (one,) = found
    assert {element.keyword for element in one} == {
        *(element.keyword for element in asked_for),
        "RetrieveAETitle",
    }
    assert (one.PatientName, one.StudyDate, one.StudyInstanceUID) == ("Doe^Jane", "20260102", study_uid(1))
    assert list(one.ModalitiesInStudy) == ["CT", "MR"]
    assert (one.NumberOfStudyRelatedSeries, one.NumberOfStudyRelatedInstances) == (2, 3)
    assert (one.QueryRetrieveLevel, one.RetrieveAETitle) == ("STUDY", "DICOMCOMMON")


@pytest.mark.parametrize("level", ["", "STUDIES", "study", None])
def test_7_4_a_level_that_is_missing_or_unknown_is_a900(live: LiveAe, level: str | None) -> None:
    identifier = key("STUDY", StudyInstanceUID="")
    if level is None:
        del identifier.QueryRetrieveLevel
    else:
        identifier.QueryRetrieveLevel = level
    found, statuses = ask(live, identifier)
    assert (found, _final(statuses)) == ([], 0xA900)
    assert statuses[-1].OffendingElement == 0x00080052


def test_7_4_the_study_root_has_no_patient_level_and_patient_study_only_no_series(live: LiveAe) -> None:
    assert _final(ask(live, key("PATIENT", PatientID=""), STUDY_ROOT)[1]) == 0xA900
    found, statuses = ask(live, key("PATIENT", PatientID="", PatientName=""), PATIENT_ROOT)
    assert (len(found), _final(statuses)) == (4, 0x0000)
    only = "1.2.840.10008.5.1.4.1.2.3"
    assert _final(ask(live, key("SERIES", PatientID="P1", StudyInstanceUID=study_uid(1)), only)[1]) == 0xA900
    assert _studies(ask(live, key("STUDY", PatientID="P1", StudyInstanceUID=""), only)[0]) == [study_uid(1)]


@pytest.mark.parametrize(
    ("model", "identifier"),
    [
        (STUDY_ROOT, key("SERIES", SeriesInstanceUID="")),
        (STUDY_ROOT, key("SERIES", StudyInstanceUID="", SeriesInstanceUID="")),
        (STUDY_ROOT, key("SERIES", StudyInstanceUID="*", SeriesInstanceUID="")),
        (STUDY_ROOT, key("SERIES", StudyInstanceUID=[study_uid(1), study_uid(2)], SeriesInstanceUID="")),
        (STUDY_ROOT, key("IMAGE", StudyInstanceUID=study_uid(1), SOPInstanceUID="")),
        (PATIENT_ROOT, key("STUDY", StudyInstanceUID="")),
        (PATIENT_ROOT, key("STUDY", PatientID="P*", StudyInstanceUID="")),
        (STUDY_ROOT, key("STUDY", StudyInstanceUID=study_uid(1), SeriesInstanceUID=series_uid(1, 1))),
    ],
)
def test_7_4_unique_keys_of_the_levels_above_need_one_value(live: LiveAe, model: str, identifier: Dataset) -> None:
    found, statuses = ask(live, identifier, model)
    assert (found, _final(statuses)) == ([], 0xA900)


def test_7_4_series_and_images_are_found_below_their_parents(live: LiveAe) -> None:
    found, statuses = ask(live, key("SERIES", StudyInstanceUID=study_uid(1), SeriesInstanceUID="", Modality=""))
    assert _final(statuses) == 0x0000
    assert sorted((str(one.SeriesInstanceUID), one.Modality) for one in found) == [
        (series_uid(1, 1), "CT"),
        (series_uid(1, 2), "MR"),
    ]
    upper = {"StudyInstanceUID": study_uid(1), "SeriesInstanceUID": series_uid(1, 1)}
    found, _ = ask(live, key("IMAGE", **upper, SOPInstanceUID="", InstanceNumber="2", SOPClassUID=""))
    assert [str(one.SOPInstanceUID) for one in found] == [instance_uid(1, 1, 2)]


@pytest.mark.parametrize(
    ("keys", "studies"),
    [
        ({}, [1, 2, 3, 4]),
        ({"PatientName": "*"}, [1, 2, 3, 4]),
        ({"PatientName": "doe^jane"}, [1]),
        ({"PatientName": "Do?^J*"}, [1]),
        ({"PatientName": "O'Brien%_[x]"}, [4]),
        ({"PatientName": "O'B*%?[x]"}, [4]),
        ({"PatientName": "%"}, []),
        ({"PatientName": "*" * 30}, [1, 2, 3, 4]),
        ({"PatientID": "P1"}, [1]),
        ({"PatientID": "p1"}, []),
        ({"AccessionNumber": "A1"}, [1]),
        ({"StudyDate": "20260102"}, [1]),
        ({"StudyDate": "20260101-20260228"}, [1]),
        ({"StudyDate": "-20260102"}, [1, 4]),
        ({"StudyDate": "20260102-"}, [1, 2]),
        ({"StudyTime": "1000-1100"}, [1]),
        ({"ModalitiesInStudy": "MR"}, [1]),
        ({"ModalitiesInStudy": ["MR", "OT"]}, [1, 2, 3, 4]),
        ({"StudyInstanceUID": [study_uid(1), study_uid(4), "1.2.3"]}, [1, 4]),
        ({"StudyInstanceUID": "1.2.3"}, []),
        ({"Modality": "CT"}, [1]),
    ],
)
def test_7_4_matching(live: LiveAe, keys: dict[str, Any], studies: list[int]) -> None:
    found, statuses = ask(live, key("STUDY", **({"StudyInstanceUID": ""} | keys)))
    assert (_studies(found), _final(statuses)) == ([study_uid(study) for study in studies], 0x0000)


def test_7_4_without_an_agreement_a_date_and_its_time_are_two_conditions(live: LiveAe) -> None:
    identifier = key("STUDY", StudyInstanceUID="", StudyDate="20260102-20260315", StudyTime="2200-2330")
    assert _studies(ask(live, identifier)[0]) == [study_uid(2)]
    identifier.StudyTime = "1200-2330"
    assert _studies(ask(live, identifier, ext_neg=_agreed(b"\0\1"))[0]) == [study_uid(2)]
    identifier.StudyTime = "1000-2330"
    assert _studies(ask(live, identifier, ext_neg=_agreed(b"\0\1"))[0]) == [study_uid(1), study_uid(2)]
    identifier.StudyTime = "2200-1200"  # from the evening of the first day to the noon of the last one
    assert _studies(ask(live, identifier, ext_neg=_agreed(b"\0\1"))[0]) == []
    assert _final(ask(live, identifier)[1]) == 0xC000


@pytest.mark.parametrize(
    "keys",
    [{"StudyDate": "2026-01-02"}, {"StudyDate": "20261301"}, {"StudyDate": "20260301-20260101"}, {"StudyTime": "99"}],
)
def test_7_4_a_value_that_is_none_of_its_key_is_c000_and_is_not_repeated(live: LiveAe, keys: dict[str, str]) -> None:
    found, statuses = ask(live, key("STUDY", StudyInstanceUID="", **keys))
    assert (found, _final(statuses)) == ([], 0xC000)
    comment = str(statuses[-1].ErrorComment)
    assert 0 < len(comment) <= 64
    assert next(iter(keys.values())) not in comment


def _agreed(features: bytes, uid: str = f"{STUDY_ROOT}.1") -> list[SOPClassExtendedNegotiation]:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = uid, features
    return [item]


def test_7_4_relational_queries_by_negotiation(live: LiveAe) -> None:
    identifier = key("SERIES", SeriesInstanceUID="", Modality="MR", StudyInstanceUID="")
    found, statuses = ask(live, identifier, ext_neg=_agreed(b"\1"))
    assert (_final(statuses), [str(one.SeriesInstanceUID) for one in found]) == (0x0000, [series_uid(1, 2)])
    assert found[0].StudyInstanceUID == study_uid(1)


def test_7_4_fuzzy_names_by_negotiation(live: LiveAe) -> None:
    identifier = key("STUDY", StudyInstanceUID="", PatientName="muller h")
    assert ask(live, identifier)[0] == []
    assert _studies(ask(live, identifier, ext_neg=_agreed(b"\0\0\1"))[0]) == [study_uid(2)]


def test_7_4_the_answer_to_the_negotiation_has_what_is_supported(live: LiveAe) -> None:
    with asked(live, f"{STUDY_ROOT}.1", ext_neg=_agreed(b"\1\1\1\1\1\1\1")) as association:
        accepted = association.acceptor.sop_class_extended
    assert accepted == {f"{STUDY_ROOT}.1": b"\1\1\1\0\0\1\1"}


def test_7_4_a_sequence_key_matches_and_comes_back_with_the_requested_elements_only(live: LiveAe) -> None:
    item = Dataset()
    item.ScheduledProcedureStepID = "STEP1"
    identifier = key("SERIES", StudyInstanceUID=study_uid(1), SeriesInstanceUID="")
    identifier.RequestAttributesSequence = [item]
    found, statuses = ask(live, identifier)
    assert [status.Status for status in statuses] == [0xFF00, 0x0000]
    (one,) = found
    assert one.SeriesInstanceUID == series_uid(1, 2)
    (back,) = one.RequestAttributesSequence
    assert [(element.keyword, element.value) for element in back] == [("ScheduledProcedureStepID", "STEP1")]
    item.ScheduledProcedureStepID = "OTHER"
    assert ask(live, identifier)[0] == []
    del item.ScheduledProcedureStepID
    whole = {str(one.SeriesInstanceUID): one.RequestAttributesSequence for one in ask(live, identifier)[0]}
    assert whole[series_uid(1, 2)][0].RequestedProcedureID == "PROC1"
    assert len(whole[series_uid(1, 1)]) == 0


def test_7_4_what_the_index_does_not_keep_comes_from_the_metadata(live: LiveAe) -> None:
    upper = {"StudyInstanceUID": study_uid(1), "SeriesInstanceUID": series_uid(1, 2)}
    identifier = key("IMAGE", **upper, SOPInstanceUID="", ReferringPhysicianTelephoneNumbers="", Rows=None)
    found, statuses = ask(live, identifier)
    assert [status.Status for status in statuses] == [0xFF00, 0x0000]
    assert (found[0].ReferringPhysicianTelephoneNumbers, found[0].Rows) == ("555", 16)


def test_7_4_keys_that_are_not_supported_come_back_empty_with_ff01(live: LiveAe) -> None:
    identifier = key("STUDY", StudyInstanceUID=study_uid(1), SOPInstanceUID="", InstitutionName="")
    identifier.add_new(0x00091001, "LO", "")
    found, statuses = ask(live, identifier)
    assert [status.Status for status in statuses] == [0xFF01, 0x0000]
    assert (found[0].SOPInstanceUID, found[0].InstitutionName) == ("", "")
    assert found[0][0x00091001].value in ("", b"", None)
    identifier = key("STUDY", StudyInstanceUID=study_uid(1), NumberOfStudyRelatedInstances=99)
    found, statuses = ask(live, identifier)  # it is computed and no matching key
    assert [status.Status for status in statuses] == [0xFF01, 0x0000]
    assert found[0].NumberOfStudyRelatedInstances == 3


def test_7_4_retrieve_ae_title_and_availability_as_empty_keys(live: LiveAe) -> None:
    """conformance.md 7.15: Retrieve AE Title is there also when asked for as an empty key (C.4.1.1.3.2)."""
    identifier = key("STUDY", StudyInstanceUID=study_uid(1), RetrieveAETitle="", InstanceAvailability="")
    (one,), _ = ask(live, identifier)
    assert (one.RetrieveAETitle, one.InstanceAvailability) == ("DICOMCOMMON", "ONLINE")


@pytest.mark.parametrize(
    ("terms", "name", "study"),
    [
        ("ISO_IR 100", "Müller^Hans", 2),
        ("ISO_IR 192", "Müller^Hans", 2),
        (["", "ISO 2022 IR 100"], "Müller^Hans", 2),
        ("GB18030", "Müller^Hans", 2),
        ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう", 3),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", 3),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", 3),
    ],
)
def test_7_4_a_query_finds_and_is_answered_in_its_own_character_set(
    live: LiveAe, terms: str | list[str], name: str, study: int
) -> None:
    identifier = key("STUDY", SpecificCharacterSet=terms, StudyInstanceUID="", PatientName=name)
    (one,), _ = ask(live, identifier)
    assert one.StudyInstanceUID == study_uid(study)
    declared = one.SpecificCharacterSet
    assert (list(declared) if isinstance(terms, list) else declared) == terms
    assert one.PatientName == PersonName(name)


def test_7_4_what_the_character_set_of_the_query_lacks_is_answered_in_utf_8(live: LiveAe) -> None:
    for declared in ({}, {"SpecificCharacterSet": "ISO_IR 100"}):
        (one,), _ = ask(live, key("STUDY", StudyInstanceUID=study_uid(3), PatientName="", **declared))
        assert (one.SpecificCharacterSet, one.PatientName.ideographic) == ("ISO_IR 192", "山田^太郎")


def test_7_4_more_matches_than_the_limit_end_with_a700_and_a_text(tmp_path: Path) -> None:
    with live_ae(tmp_path, "[dimse.find]\nmax_results = 2") as live:
        ingest(live, *(make_instance(study) for study in (1, 2)))
        assert [one.Status for one in ask(live, key("STUDY", StudyInstanceUID=""))[1]] == [0xFF00, 0xFF00, 0x0000]
        ingest(live, make_instance(3))
        found, statuses = ask(live, key("STUDY", StudyInstanceUID=""))
        assert (len(found), [one.Status for one in statuses]) == (2, [0xFF00, 0xFF00, 0xA700])
        assert "2 matches" in statuses[-1].ErrorComment


def test_7_4_c_cancel_ends_the_answers_with_fe00(tmp_path: Path) -> None:
    uid = f"{STUDY_ROOT}.1"
    with live_ae(tmp_path) as live:
        ingest(live, *(make_instance(study) for study in range(1, 201)))
        with asked(live, uid) as association:
            request, cancel = C_FIND(), C_CANCEL()
            request.MessageID, request.AffectedSOPClassUID, request.Priority = 7, uid, 2
            encoded = encode(key("STUDY", StudyInstanceUID=""), is_implicit_vr=True, is_little_endian=True)
            assert encoded is not None
            request.Identifier = BytesIO(encoded)
            cancel.MessageIDBeingRespondedTo = 7
            statuses = _statuses(association, request, cancel)
            assert set(statuses[:-1]) <= {0xFF00}
            assert statuses[-1] == 0xFE00
            assert len(statuses) < 200
            again = list(association.send_c_find(key("STUDY", StudyInstanceUID=study_uid(1)), uid, msg_id=8))
            assert [status.Status for status, _ in again] == [0xFF00, 0x0000]


def _statuses(association: Association, *messages: Any) -> list[int]:
    """Send messages together, and return the statuses of the responses up to the final one."""
    association._reactor_checkpoint.clear()
    for message in messages:
        association.dimse.send_msg(message, association.accepted_contexts[0].context_id or 0)
    statuses: list[int] = []
    while not statuses or statuses[-1] in (0xFF00, 0xFF01):
        _, answer = association.dimse.get_msg(block=True)
        assert answer is not None
        statuses.append(int(answer.Status or 0))
    association._reactor_checkpoint.set()
    return statuses


def test_7_4_who_may_not_find_is_answered_0124_and_other_tenants_see_nothing(tmp_path: Path) -> None:
    peers = """
[dimse.peers.a]
ae_title = "A"
tenant = "local"
allow = ["store"]
[dimse.peers.b]
ae_title = "B"
tenant = "other"
allow = ["find"]
"""
    with live_ae(tmp_path, peers=peers) as live:
        ingest(live, make_instance(1))
        assert _final(ask(live, key("STUDY", StudyInstanceUID=""), calling="A")[1]) == 0x0124
        assert ask(live, key("STUDY", StudyInstanceUID=""), calling="B")[0] == []


def test_7_4_findscu_of_dcmtk_lists_in_every_transfer_syntax(live: LiveAe) -> None:
    for syntax in ("-xe", "-xb", "-xi"):
        said = dcmtk(
            "findscu", "-v", "-S", syntax, "-aet", "CT1", "-aec", "DICOMCOMMON", "127.0.0.1", str(live.port),
            "-k", "0008,0052=STUDY", "-k", "PatientName=Doe*", "-k", "NumberOfStudyRelatedInstances", "-k", "StudyDate",
        )  # fmt: skip
        assert said.count("Find Response: ") == 1, said
        assert "[Doe^Jane]" in said
        assert "[20260102]" in said


@pytest.mark.parametrize("bad", [b"\x08\x00\x52\x00\xff\xff\x00\x00", b"\x08", b"\x08\x00\x15\x11\xff\xff\xff\xff"])
def test_7_4_an_identifier_that_cannot_be_parsed_is_c000(live: LiveAe, bad: bytes) -> None:
    uid = f"{STUDY_ROOT}.1"
    with asked(live, uid) as association:
        request = C_FIND()
        request.MessageID, request.AffectedSOPClassUID, request.Priority = 5, uid, 2
        request.Identifier = BytesIO(bad)
        assert _statuses(association, request) == [0xC000]
