"""QIDO-RS against a server: each test carries the number of the requirement that it proves."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from live_server import LiveServer, live_server
from made_instances import instance_uid, make_instance, series_uid, study_uid
from parts import parts_of
from pydicom.dataset import Dataset

from dicom_common.web._lanes import Lane

STUDY_KEYS = ["00080020", "00080030", "00080050", "00080061", "00080090", "00081190", "00100010", "00100020"]
STUDY_KEYS += ["00100030", "00100040", "0020000D", "00200010", "00201206", "00201208"]
SERIES_KEYS = ["00080060", "00081190", "0020000E", "00200011", "00201209"]
INSTANCE_KEYS = ["00080016", "00080018", "00081190", "00200013"]


def request_item() -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID = "STEP1"
    item.RequestedProcedureID = "PROC1"
    return item


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with four studies; nothing changes it."""
    with live_server(tmp_path_factory.mktemp("search")) as server:
        first = {
            "PatientName": "Müller^Jörg",
            "StudyTime": "2210",
            "AccessionNumber": "A1",
            "StudyDescription": "Head",
            "PatientComments": "seen twice",
        }
        results = server.store(
            make_instance(
                1, 1, 1, **first, Modality="CT", Rows=4, Columns=4, RequestAttributesSequence=[request_item()]
            ),
            make_instance(1, 1, 2, **first, Modality="CT"),
            make_instance(1, 2, 1, **first, Modality="MR", SeriesDescription="Axial"),
            make_instance(2, PatientName="O'Brien%_[x]", StudyDate="20260103", StudyTime="0100", SeriesNumber=7),
            make_instance(3, PatientName="O'BrienAB[x]", StudyDate="20260104", PatientID="A+B C"),
            make_instance(4, StudyDate="", PatientID="", SeriesNumber=None),
        )
        assert {one.status for one in results} == {"stored"}
        yield server


def found(server: LiveServer, path: str, query: str = "") -> list[dict[str, Any]]:
    response = server.client.get(f"{path}?{query}" if query else path)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/dicom+json"
    objects: list[dict[str, Any]] = response.json()
    return objects


def studies(server: LiveServer, query: str) -> list[int]:
    """Return the numbers of the studies that are found, sorted."""
    uids = [one["0020000D"]["Value"][0] for one in found(server, "/studies", query)]
    return sorted(int(uid.rpartition(".")[2]) for uid in uids)


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/studies", 4),
        ("/series", 5),
        ("/instances", 6),
        (f"/studies/{study_uid()}/series", 2),
        (f"/studies/{study_uid()}/instances", 3),
        (f"/studies/{study_uid()}/series/{series_uid()}/instances", 2),
    ],
)
def test_2_1_all_six_resources_answer(filled: LiveServer, path: str, count: int) -> None:
    objects = found(filled, path)
    assert len(objects) == count
    assert all(list(one) == sorted(one) for one in objects)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("StudyDate=20260102", [1]),
        ("StudyTime=2200-2300", [1]),
        ("AccessionNumber=A1", [1]),
        ("ModalitiesInStudy=MR", [1]),
        ("ModalitiesInStudy=M*", [1]),
        ("PatientName=Müller^Jörg", [1]),
        ("PatientID=P2", [2]),
        (f"StudyInstanceUID={study_uid(3)}", [3]),
    ],
)
def test_2_2_the_keys_of_a_study(filled: LiveServer, query: str, expected: list[int]) -> None:
    assert studies(filled, query) == expected


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("Modality=CT", 1),
        (f"SeriesInstanceUID={series_uid(1, 2)}", 1),
        ("SeriesNumber=7", 1),
        ("SeriesNumber=007", 1),
        ("RequestAttributesSequence.ScheduledProcedureStepID=STEP1", 1),
        ("RequestAttributesSequence.RequestedProcedureID=OTHER", 0),
        ("00400275.00400009=STEP1&00400275.00401001=PROC1", 1),
    ],
)
def test_2_2_the_keys_of_a_series(filled: LiveServer, query: str, count: int) -> None:
    assert len(found(filled, "/series", query)) == count


def test_2_2_the_keys_of_an_instance(filled: LiveServer) -> None:
    assert len(found(filled, "/instances", "InstanceNumber=2")) == 1
    assert len(found(filled, "/instances", f"SOPInstanceUID={instance_uid(1, 2, 1)}")) == 1
    assert len(found(filled, "/instances", "SOPClassUID=1.2.840.10008.5.1.4.1.1.7&PatientID=P1")) == 3


@pytest.mark.parametrize("key", ["00100020", "PatientID"])
def test_2_3_keys_as_keywords_and_hex_digits(filled: LiveServer, key: str) -> None:
    assert studies(filled, f"{key}=P2") == [2]


def test_2_3_hex_digits_in_either_case(filled: LiveServer) -> None:
    assert studies(filled, "0020000d=2.25.7.2") == studies(filled, "0020000D=2.25.7.2") == [2]


@pytest.mark.parametrize("query", ["patientid=P1", "Nonsense=1", "0010002=P1"])
def test_2_3_what_is_no_attribute_is_refused(filled: LiveServer, query: str) -> None:
    response = filled.client.get(f"/studies?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"


def test_2_3_a_key_that_is_not_indexed_is_ignored_with_a_warning_and_returned(filled: LiveServer) -> None:
    response = filled.client.get("/studies", params={"PatientComments": "other", "PatientID": "P1"})
    assert [one["00104000"]["Value"] for one in response.json()] == [["seen twice"]]
    assert response.headers["warning"].startswith('299 dicom-common "The attribute PatientComments is not supported')


def test_8_3_4_1_1_a_time_zone_hides_no_study(filled: LiveServer) -> None:
    response = filled.client.get("/studies?TimezoneOffsetFromUTC=%2B0100")
    assert len(response.json()) == len(filled.client.get("/studies").json()) > 0
    assert "TimezoneOffsetFromUTC" in response.headers["warning"]


def test_2_4_a_repeated_attribute_is_refused(filled: LiveServer) -> None:
    for query in ("PatientID=P1&PatientID=P2", "PatientID=P1&00100020=P1"):
        assert filled.client.get(f"/studies?{query}").status_code == 400
    assert filled.client.get(f"/studies/{study_uid()}/series?StudyInstanceUID={study_uid()}").status_code == 400


def test_2_4_a_list_of_uids(filled: LiveServer) -> None:
    assert studies(filled, f"StudyInstanceUID={study_uid(1)},{study_uid(3)}") == [1, 3]
    assert studies(filled, f"StudyInstanceUID={study_uid(1)}%5C{study_uid(3)}") == [1, 3]


def test_2_4_an_empty_value_holds_for_everything(filled: LiveServer) -> None:
    assert studies(filled, "PatientID=") == studies(filled, "PatientID") == [1, 2, 3, 4]


def test_2_5_what_looks_like_a_pattern_is_text(filled: LiveServer) -> None:
    assert studies(filled, "PatientName=O'Brien%25_[x]") == [2]
    assert studies(filled, "PatientName=O'Brien*") == [2, 3]
    assert studies(filled, "PatientName=O'Brien??[x]") == [2, 3]
    assert studies(filled, "PatientName=*") == [1, 2, 3, 4]


def test_2_5_ranges(filled: LiveServer) -> None:
    assert studies(filled, "StudyDate=20260103-") == [2, 3]
    assert studies(filled, "StudyDate=-20260102") == [1]
    assert studies(filled, "StudyDate=2026.01.03-2026.01.04") == [2, 3]
    assert studies(filled, "StudyDate=20260102-20260103&StudyTime=2200-0200") == [1, 2]
    assert studies(filled, "StudyDate=20260102-20260103&StudyTime=2220-0200") == [2]


@pytest.mark.parametrize("query", ["StudyDate=2026013", "StudyDate=20260131-20260101", "StudyTime=2300-0100"])
def test_2_13_bad_ranges_are_refused(filled: LiveServer, query: str) -> None:
    assert filled.client.get(f"/studies?{query}").status_code == 400


def test_2_6_fuzzy_matching(filled: LiveServer) -> None:
    assert studies(filled, "PatientName=jorg mull&fuzzymatching=true") == [1]
    assert studies(filled, "PatientName=jorg mull&fuzzymatching=false") == []
    assert studies(filled, "PatientName=jorg mull") == []


@pytest.mark.parametrize("name", ["fuzzymatching", "emptyvaluematching", "multiplevaluematching"])
def test_2_6_switches_are_true_or_false(filled: LiveServer, name: str) -> None:
    assert filled.client.get(f"/studies?{name}=true").status_code == 200
    for query in (f"{name}=yes", f"{name}=", f"{name}=TRUE", f"{name}=true&{name}=true"):
        assert filled.client.get(f"/studies?{query}").status_code == 400


def test_2_6_empty_and_multiple_value_matching(filled: LiveServer) -> None:
    assert studies(filled, "PatientID=%22%22&emptyvaluematching=true") == [4]
    assert studies(filled, "PatientID=P1%5CP2&multiplevaluematching=true") == [1, 2]


@pytest.mark.parametrize(
    "query",
    [
        "includefield=StudyDescription,PatientComments",
        "includefield=StudyDescription&includefield=00104000",
        "includefield=00081030,00104000,NoSuchAttribute,,FFFFFFFF",
    ],
)
def test_2_7_includefield(filled: LiveServer, query: str) -> None:
    (one,) = found(filled, "/studies", f"PatientID=P1&{query}")
    assert one["00081030"] == {"vr": "LO", "Value": ["Head"]}
    assert one["00104000"] == {"vr": "LT", "Value": ["seen twice"]}


def test_2_7_an_included_attribute_without_a_value_is_there(filled: LiveServer) -> None:
    (one,) = found(filled, "/studies", "PatientID=P2&includefield=StudyDescription")
    assert one["00081030"] == {"vr": "LO"}


def test_2_7_attributes_of_lower_levels_are_not_returned(filled: LiveServer) -> None:
    (one,) = found(filled, "/studies", "PatientID=P1&includefield=Modality,Rows,ImageComments,00080070")
    assert not {"00080060", "00280010", "00204000", "00080070"} & set(one)


def test_2_7_attributes_of_higher_levels_are_returned(filled: LiveServer) -> None:
    objects = found(filled, f"/studies/{study_uid()}/instances", "includefield=PatientName,StudyDescription")
    assert {one["00081030"]["Value"][0] for one in objects} == {"Head"}
    assert {one["00100010"]["Value"][0]["Alphabetic"] for one in objects} == {"Müller^Jörg"}


def test_2_7_all_stands_alone(filled: LiveServer) -> None:
    (one,) = found(filled, "/studies", "PatientID=P1&includefield=all")
    assert "00081030" in one
    assert "00080062" in one
    assert filled.client.get("/studies?includefield=all,PatientID").status_code == 400
    assert filled.client.get("/studies?includefield=all&includefield=PatientID").status_code == 400


def test_2_7_a_sequence_is_included(filled: LiveServer) -> None:
    one = found(filled, f"/studies/{study_uid()}/series", "Modality=CT")[0]
    assert one["00400275"]["Value"][0]["00400009"]["Value"] == ["STEP1"]


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=a", "limit=", "offset=-1", "offset=1.5", "limit=1&limit=2", "limit=%D9%A1"]
)
def test_2_8_limit_and_offset_are_whole_numbers(filled: LiveServer, query: str) -> None:
    assert filled.client.get(f"/studies?{query}").status_code == 400


def test_2_8_pages_are_stable_and_tell_what_remains(filled: LiveServer) -> None:
    whole = found(filled, "/studies")
    pages = []
    for offset, remaining in ((0, 2), (2, 0)):
        response = filled.client.get(f"/studies?limit=2&offset={offset}")
        warning = f'299 dicom-common "There are {remaining} additional results that can be requested"'
        assert response.headers.get("warning") == (warning if remaining else None)
        pages += response.json()
    assert pages == whole


def test_2_8_a_limit_of_zero(filled: LiveServer) -> None:
    response = filled.client.get("/studies?limit=0")
    assert (response.status_code, response.json()) == (200, [])
    assert "There are 4 additional results" in response.headers["warning"]


def test_2_8_a_deep_offset_is_refused(filled: LiveServer) -> None:
    assert filled.client.get("/studies?offset=1000001").status_code == 400
    assert found(filled, "/studies", "offset=1000000") == []


def test_2_9_no_match(filled: LiveServer) -> None:
    for path in ("/studies?PatientID=nobody", "/studies/1.2.3/series", f"/studies/{study_uid()}/series/1.2/instances"):
        response = filled.client.get(path)
        assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("uid", ["abc", "1..2", "1" * 65, "..%2F1", "1.2.3%00", "1.2%2F3"])
def test_2_9_what_is_no_uid_in_the_path_is_refused(filled: LiveServer, uid: str) -> None:
    assert filled.client.get(f"/studies/{uid}/series").status_code in (400, 404)


def test_2_10_the_required_attributes_are_there_without_a_value(filled: LiveServer) -> None:
    one = next(one for one in found(filled, "/studies") if one["0020000D"]["Value"] == [study_uid(4)])
    assert set(STUDY_KEYS) <= set(one)
    assert one["00100010"] == {"vr": "PN"}
    assert one["00080020"] == {"vr": "DA"}
    series = found(filled, f"/studies/{study_uid(4)}/series")[0]
    assert {*SERIES_KEYS, "0020000D"} <= set(series)
    assert series["00200011"] == {"vr": "IS"}


def test_2_10_counts_and_modalities(filled: LiveServer) -> None:
    (one,) = found(filled, "/studies", "PatientID=P1")
    assert one["00201206"] == {"vr": "IS", "Value": [2]}
    assert one["00201208"] == {"vr": "IS", "Value": [3]}
    assert one["00080061"] == {"vr": "CS", "Value": ["CT", "MR"]}
    assert one["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}


def test_2_10_all_series_and_all_instances_have_the_levels_above(filled: LiveServer) -> None:
    assert {*STUDY_KEYS, *SERIES_KEYS} <= set(found(filled, "/series", "limit=1")[0])
    assert {*STUDY_KEYS, *SERIES_KEYS, *INSTANCE_KEYS} <= set(found(filled, "/instances", "limit=1")[0])
    of_study = found(filled, f"/studies/{study_uid()}/instances")[0]
    assert {*SERIES_KEYS, *INSTANCE_KEYS} <= set(of_study)


def test_2_10_retrieve_urls_are_absolute_and_of_the_level(filled: LiveServer) -> None:
    series = f"{filled.url}/studies/{study_uid()}/series/{series_uid()}"
    one = found(filled, "/instances", f"SOPInstanceUID={instance_uid()}")[0]
    assert one["00081190"] == {"vr": "UR", "Value": [f"{series}/instances/{instance_uid()}"]}
    one = found(filled, f"/studies/{study_uid()}/series", f"SeriesInstanceUID={series_uid()}")[0]
    assert one["00081190"]["Value"] == [series]


def test_2_10_conditional_attributes_of_an_instance(filled: LiveServer) -> None:
    with_rows, without = found(filled, f"/studies/{study_uid()}/series/{series_uid()}/instances")
    assert with_rows["00280010"] == {"vr": "US", "Value": [4]}
    assert "00280010" not in without


def test_1_21_the_transfer_syntax_is_an_attribute_of_searches(filled: LiveServer) -> None:
    one = found(filled, "/instances", "limit=1&includefield=AvailableTransferSyntaxUID")[0]
    assert one["00083002"] == {"vr": "UI", "Value": ["1.2.840.10008.1.2.1"]}


def test_2_11_media_types(filled: LiveServer) -> None:
    for accept in ("*/*", "application/dicom+json", "application/*", "text/html, */*;q=0.1"):
        response = filled.client.get("/studies", headers={"accept": accept})
        assert response.headers["content-type"] == "application/dicom+json"
    assert (
        filled.client.get("/studies", headers={"accept": "application/json"}).headers["content-type"]
        == "application/json"
    )
    assert filled.client.get("/studies", headers={"accept": "text/html"}).status_code == 406
    assert filled.client.get("/studies?accept=application/dicom%2Bjson", headers={"accept": "a/b"}).status_code == 200


@pytest.mark.parametrize("query", ["PatientID=%", "PatientID=%zz", "PatientID=%FF", "&".join(["a=b"] * 300)])
def test_2_15_what_is_not_percent_encoded_is_refused(filled: LiveServer, query: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(filled.url).netloc)
    connection.request("GET", f"/dicom-web/studies?{query}")
    assert connection.getresponse().status == 400
    connection.close()


def test_2_15_a_plus_sign_is_a_space_unless_it_is_encoded(filled: LiveServer) -> None:
    assert studies(filled, "PatientID=A%2BB+C") == studies(filled, "PatientID=A%2BB%20C") == [3]
    assert studies(filled, "PatientID=A+B+C") == []
    assert studies(filled, "PatientID=A%252BB+C") == []


def test_9_6_hostile_values_find_nothing_and_break_nothing(filled: LiveServer) -> None:
    for value in ("' OR 1=1--", "%", "_", "\\", '"; DROP TABLE study', "x" * 10_000):
        response = filled.client.get("/studies", params={"AccessionNumber": value})
        assert response.status_code in (200, 400)
        assert response.status_code == 400 or response.json() == []


def test_9_7_an_error_repeats_nothing_of_the_request(filled: LiveServer) -> None:
    response = filled.client.get("/studies", params={"StudyDate": "SECRET^NAME"})
    assert response.status_code == 400
    assert "SECRET" not in response.text


def test_2_12_xml_has_a_part_for_each_result(filled: LiveServer) -> None:
    accept = {"accept": 'multipart/related; type="application/dicom+xml"'}
    parts = parts_of(filled.client.get("/studies", headers=accept))
    assert len(parts) == 4
    trees = [ET.fromstring(one.data) for one in parts]
    uids = {tree.find(".//*[@keyword='StudyInstanceUID']/{*}Value").text for tree in trees}  # type: ignore[union-attr]  # there is one
    assert uids == {study_uid(number) for number in (1, 2, 3, 4)}
    assert filled.client.get("/studies?PatientID=nobody", headers=accept).status_code == 204


def test_a_search_that_the_index_answers_at_once_has_the_same_answer(
    filled: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_threads: list[str] = []
    run = Lane.run

    async def noted(self: Lane, function: Any, *arguments: Any, **named: Any) -> Any:
        by_threads.append(self.name)
        return await run(self, function, *arguments, **named)

    monkeypatch.setattr(Lane, "run", noted)
    for query in ("PatientID=A%2BB+C", "StudyDate=20260103&PatientID=nobody", "PatientID=A%2BB+C&limit=1"):
        answers = [filled.client.get(f"/studies?{query}") for _ in range(40)]
        assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert by_threads.count("search") < 3 * 40
