"""STOW-RS by section 6 of the requirements: each line by its number, against a server process."""

from __future__ import annotations

import json
import socket
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from made_instances import instance_uid, make_instance, series_uid, study_uid
from server_process import STUDIES, Answer, ServerProcess, head, multipart, until

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
RELATED = 'multipart/related; type="application/dicom"; boundary=b'
RETRIEVE_URL, WARNING, FAILURE = "00081190", "00081196", "00081197"
FAILED, STORED, OTHERS = "00081198", "00081199", "0008119A"


def module(answer: Answer) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/dicom+json"
    made: dict[str, Any] = json.loads(answer.body)
    return made


def items(answer: Answer, sequence: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = module(answer).get(sequence, {"Value": []})["Value"]
    return found


def found(process: ServerProcess, study: int) -> list[str]:
    """Return the SOP Instance UIDs that a search finds in a study."""
    answer = process.request("GET", f"{STUDIES}/{study_uid(study)}/instances")
    return sorted(one["00080018"]["Value"][0] for one in json.loads(answer.body or b"[]"))


def send_raw(process: ServerProcess, *pieces: bytes) -> tuple[int, bytes]:
    """Send bytes, and return the status and all that came back until the server closes."""
    with process.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
        came = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(came.split(b" ", 2)[1]) if came else 0, came


def test_6_1_multipart_and_single_instances_are_stored(process: ServerProcess) -> None:
    assert process.store(make_instance(100), make_instance(100, instance=2)).status == 200
    single = process.request("POST", STUDIES, make_instance(100, instance=3), content_type="application/dicom")
    assert single.status == 200
    to_study = process.store(make_instance(100, instance=4), path=f"{STUDIES}/{study_uid(100)}")
    assert to_study.status == 200
    assert len(found(process, 100)) == 4


@pytest.mark.parametrize(
    "content_type",
    [
        "application/dicom+json",
        'multipart/related; type="application/dicom+json"; boundary=b',
        'multipart/related; type="application/dicom+xml"; boundary=b',
        "multipart/form-data; boundary=b",
        "text/plain",
        "",
    ],
)
def test_6_1_metadata_with_bulk_data_and_other_types_are_a_415_that_says_what_is_taken(
    process: ServerProcess, content_type: str
) -> None:
    answer = process.request("POST", STUDIES, b"--b--", content_type=content_type)
    assert answer.status == 415
    assert "application/dicom" in answer.headers["accept-post"]


@pytest.mark.parametrize(
    "boundary", ['"a b"', "----=_Part_1", '"' + "x" * 70 + '"', "x" * 73, "x" * 256, "'()+_,-./:=?"]
)
def test_6_2_boundaries_quoted_and_not(process: ServerProcess, boundary: str) -> None:
    plain = boundary.strip('"').encode()
    body = b"--" + plain + b"\r\n\r\n" + make_instance(101) + b"\r\n--" + plain + b"--"
    content_type = f"multipart/related; type=application/dicom; boundary={boundary}"
    assert process.request("POST", STUDIES, body, content_type=content_type).status == 200


@pytest.mark.parametrize("boundary", ["", "; boundary=", '; boundary="' + "x" * 257 + '"'])
def test_6_2_without_a_boundary_it_is_a_400(process: ServerProcess, boundary: str) -> None:
    content_type = f'multipart/related; type="application/dicom"{boundary}'
    assert process.request("POST", STUDIES, b"--b--", content_type=content_type).status == 400


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_6_4_what_has_readable_identifiers_is_a_failed_sop_instance(process: ServerProcess, keyword: str) -> None:
    wrong = make_instance(62, 1, 1, **{keyword: "1..2"})
    response = json.loads(process.store(wrong).body)
    (item,) = response["00081198"]["Value"]
    assert item["00081155"]["Value"] == [instance_uid(62)]
    assert "0008119A" not in response


@pytest.mark.parametrize(
    "parameters",
    [
        'type="application/dicom"; boundary=b; boundary=c',
        'type="application/dicom"; boundary=b; BOUNDARY="b"',
        "type=\"application/dicom\"; boundary=b; boundary*=utf-8''c",
        'type="application/dicom"; boundary=b; type="application/dicom+json"',
        'type="application/dicom"; boundary=b; charset=utf-8; charset=latin1',
    ],
)
def test_a_repeated_parameter_of_the_media_type_is_a_400(process: ServerProcess, parameters: str) -> None:
    body = b"--b\r\n\r\n" + make_instance(61) + b"\r\n--b--"
    answer = process.request("POST", STUDIES, body, content_type=f"multipart/related; {parameters}")
    assert answer.status == 400
    assert "repeated" in json.loads(answer.body)["detail"]
    assert process.request("GET", f"{STUDIES}/{study_uid(61)}/metadata").status == 404


def test_6_2_a_part_without_a_type_is_of_the_root_type_and_one_of_another_type_is_reported(
    process: ServerProcess,
) -> None:
    parts = (b"\r\n" + make_instance(102), b"Content-Type: text/plain\r\n\r\nhello")
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--"
    answer = process.request("POST", STUDIES, body, content_type=RELATED)
    assert answer.status == 202
    assert len(items(answer, STORED)) == len(items(answer, OTHERS)) == 1
    body, content_type = multipart([b"hello"], "text/plain")
    assert process.request("POST", STUDIES, body, content_type=content_type).status == 415


def test_6_2_chunked_without_a_length(process: ServerProcess) -> None:
    body, content_type = multipart([make_instance(103), make_instance(103, instance=2)])
    pieces = iter([body[:1], body[1:500], body[500:501], body[501:]])
    assert process.request("POST", STUDIES, pieces, content_type=content_type).status == 200
    assert len(found(process, 103)) == 2


def test_6_2_expect_100_continue(process: ServerProcess) -> None:
    body, content_type = multipart([make_instance(104)])
    with process.connect() as connection:
        connection.sendall(
            head(content_type, f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close")
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert b"".join(iter(lambda: connection.recv(65536), b"")).startswith(b"HTTP/1.1 200 ")


def test_6_2_who_expects_100_continue_and_is_refused_sends_no_body(process: ServerProcess) -> None:
    with process.connect() as connection:
        connection.sendall(head("text/plain", "Content-Length: 1000000", "Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 415 ")


def test_6_2_bytes_like_a_delimiter_in_pixel_data_split_nothing(process: ServerProcess) -> None:
    pixels = (b"\r\n--" * 1000)[: 48 * 64]
    image = make_instance(
        105,
        Rows=48,
        Columns=64,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        SamplesPerPixel=1,
        PixelRepresentation=0,
        PhotometricInterpretation="MONOCHROME2",
        PixelData=pixels,
    )
    answer = process.store(image)
    assert answer.status == 200, answer.body
    place = f"{STUDIES}/{study_uid(105)}/series/{series_uid(105)}/instances/{instance_uid(105)}"
    frame = process.request("GET", f"{place}/frames/1")
    assert pixels in frame.body


def test_6_2_zero_parts_are_a_400(process: ServerProcess) -> None:
    assert process.store().status == 400
    assert process.request("POST", STUDIES, b"", content_type="application/dicom").status == 400


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_6_2_a_compressed_body_is_a_415(process: ServerProcess, encoding: str) -> None:
    assert process.store(make_instance(106), content_encoding=encoding).status == 415
    assert found(process, 106) == []


def test_6_3_all_stored_is_200_and_again_too(process: ServerProcess) -> None:
    first, again = process.store(make_instance(107)), process.store(make_instance(107))
    assert first.status == again.status == 200
    assert module(first) == module(again)


def test_6_3_some_stored_is_202(process: ServerProcess) -> None:
    answer = process.store(make_instance(108), b"no instance")
    assert answer.status == 202
    assert "1 of 2 instances were not stored" in answer.headers["warning"]


def test_6_3_a_warning_is_202(process: ServerProcess) -> None:
    image = make_instance(109, SpecificCharacterSet="ISO_IR 999", PatientName="A^B")
    answer = process.store(image)
    assert answer.status == 202
    assert items(answer, STORED)[0][WARNING] == {"vr": "US", "Value": [0xB007]}


def test_6_3_none_stored_is_409_for_a_conflict_and_400_for_what_is_no_instance(process: ServerProcess) -> None:
    assert process.store(make_instance(110, PatientID="A")).status == 200
    other = process.store(make_instance(110, PatientID="A", InstanceNumber=9))
    assert other.status == 409
    assert items(other, FAILED)[0][FAILURE] == {"vr": "US", "Value": [0x0111]}
    assert process.store(b"no instance", b"neither").status == 400
    without_identity = make_instance(110).replace(instance_uid(110).encode(), b"\0" * len(instance_uid(110)))
    assert process.store(without_identity).status == 400
    assert process.store(make_instance(110, PatientID="A", InstanceNumber=9), b"no instance").status == 409


def test_6_4_the_response_module(process: ServerProcess) -> None:
    answer = process.store(make_instance(111), make_instance(111, series=2), b"no instance")
    made = module(answer)
    root = f"http://127.0.0.1:{process.port}{STUDIES}"
    assert made[RETRIEVE_URL] == {"vr": "UR", "Value": [f"{root}/{study_uid(111)}"]}
    assert list(made) == [RETRIEVE_URL, STORED, OTHERS]  # no empty sequence
    first = items(answer, STORED)[0]
    assert first == {
        "00081150": {"vr": "UI", "Value": [SECONDARY_CAPTURE]},
        "00081155": {"vr": "UI", "Value": [instance_uid(111)]},
        RETRIEVE_URL: {
            "vr": "UR",
            "Value": [f"{root}/{study_uid(111)}/series/{series_uid(111)}/instances/{instance_uid(111)}"],
        },
    }
    assert items(answer, OTHERS) == [{FAILURE: {"vr": "US", "Value": [0xC002]}}]


def test_6_4_each_part_is_reported_once_and_of_several_studies_the_url_is_empty(process: ServerProcess) -> None:
    parts = [make_instance(112), make_instance(113), b"x", make_instance(112), make_instance(112, PatientName="Z")]
    answer = process.store(*parts)
    assert sum(len(items(answer, sequence)) for sequence in (STORED, FAILED, OTHERS)) == len(parts)
    assert module(answer)[RETRIEVE_URL] == {"vr": "UR"}


def test_6_4_as_xml(process: ServerProcess) -> None:
    answer = process.store(make_instance(114), accept="application/dicom+xml")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/dicom+xml")
    space = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
    top = ET.fromstring(answer.body)
    assert top.tag == f"{space}NativeDicomModel"
    uids = top.findall(f".//{space}DicomAttribute[@keyword='ReferencedSOPInstanceUID']/{space}Value")
    assert [one.text for one in uids] == [instance_uid(114)]
    assert process.store(make_instance(114), accept="text/html").status == 406


def test_6_6_an_instance_of_another_study_fails_alone(process: ServerProcess) -> None:
    path = f"{STUDIES}/{study_uid(115)}"
    answer = process.store(make_instance(115), make_instance(116), path=path)
    assert answer.status == 202
    assert items(answer, FAILED)[0]["00081155"]["Value"] == [instance_uid(116)]
    assert 0xA900 <= items(answer, FAILED)[0][FAILURE]["Value"][0] <= 0xA9FF
    assert found(process, 116) == []
    assert process.store(make_instance(116), path=path).status == 409
    assert process.store(make_instance(116), path=f"{STUDIES}/not-a-uid").status == 400


def test_6_8_a_body_that_ends_early_stores_what_was_complete(process: ServerProcess) -> None:
    body, content_type = multipart([make_instance(117), make_instance(117, instance=2)])
    for number, cut in enumerate((len(body) - 60, len(body) - 300)):
        status, _ = send_raw(
            process,
            head(content_type, "Transfer-Encoding: chunked", "Connection: close"),
            b"%x\r\n" % cut,
            body[:cut],
            b"\r\n0\r\n\r\n",
        )
        assert status == 400, number
        assert found(process, 117) == [instance_uid(117)]


def test_6_8_who_vanishes_leaves_what_was_complete(process: ServerProcess) -> None:
    body, content_type = multipart([make_instance(118), make_instance(118, instance=2)])
    with process.connect() as connection:
        connection.sendall(head(content_type, f"Content-Length: {len(body)}") + body[:-100])
    until(lambda: bool(found(process, 118)))
    assert found(process, 118) == [instance_uid(118)]


def test_6_8_a_large_part_that_breaks_off_leaves_nothing(process: ServerProcess) -> None:
    large = make_instance(119, PixelData=b"\0" * 5_000_000, Rows=1, Columns=1)
    body, content_type = multipart([large])
    status, _ = send_raw(
        process,
        head(content_type, "Transfer-Encoding: chunked", "Connection: close"),
        b"%x\r\n" % 4_000_000,
        body[:4_000_000],
        b"\r\n0\r\n\r\n",
    )
    assert status == 400
    assert found(process, 119) == []
    files = [path for path in process.data.rglob("*") if path.is_file() and not path.name.startswith("index")]
    assert not [path for path in files if path.stat().st_size > 3_000_000]


def test_6_9_what_was_stored_is_found_at_once(process: ServerProcess) -> None:
    for number in range(1, 21):
        assert process.request("GET", f"{STUDIES}/{study_uid(1200 + number)}/metadata").status == 404
        assert process.store(make_instance(1200 + number)).status == 200
        assert found(process, 1200 + number) == [instance_uid(1200 + number)]
        assert process.request("GET", f"{STUDIES}/{study_uid(1200 + number)}/metadata").status == 200


def test_6_10_part_headers_may_have_parameters_and_the_file_meta_wins(process: ServerProcess) -> None:
    part = (
        b"--b  \r\nContent-Type: Application/DICOM; transfer-syntax=1.2.840.10008.1.2.4.50\r\n"
        b"Content-Location: ../../../etc/passwd\r\nContent-Disposition: attachment; filename=x\r\n\r\n"
    )
    body = part + make_instance(121) + b"\r\n--b--"
    answer = process.request(
        "POST", STUDIES, body, content_type='Multipart/Related; TYPE="application/dicom"; Boundary=b'
    )
    assert answer.status == 200
    record = json.loads(process.request("GET", f"{STUDIES}/{study_uid(121)}/instances").body)[0]
    assert record["00080018"]["Value"] == [instance_uid(121)]


def test_6_10_a_large_instance_between_small_ones(process: ServerProcess) -> None:
    sizes = (1, 3_000_001, 1, 2_500_000)
    parts = [
        make_instance(122, instance=number, PixelData=bytes(size + size % 2), Rows=1, Columns=1, BitsAllocated=8)
        for number, size in enumerate(sizes, 1)
    ]
    answer = process.store(*parts)
    assert answer.status in (200, 202), answer.body
    assert found(process, 122) == sorted(instance_uid(122, instance=number) for number in range(1, 5))
    reported = [one["00081155"]["Value"][0] for one in items(answer, STORED)]
    assert reported == [instance_uid(122, instance=number) for number in range(1, 5)]


def test_6_1_who_has_no_more_to_say_gets_the_answer(process: ServerProcess) -> None:
    body, content_type = multipart([make_instance(123)])
    with process.connect() as connection:
        connection.sendall(head(content_type, f"Content-Length: {len(body)}", "Connection: close") + body)
        connection.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: connection.recv(65536), b"")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
def test_9_5_ten_thousand_parts(process: ServerProcess) -> None:
    answer = process.store(*[b"x"] * 10_000)
    assert answer.status == 400
    assert len(items(answer, OTHERS)) == 10_000
    assert process.store(*[b"x"] * 10_001).status == 413
