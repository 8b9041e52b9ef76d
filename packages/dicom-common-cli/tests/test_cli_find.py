"""`find`, `metadata`, `get` and `remove`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from cli_command import HANG, Installation
from pydicom import dcmread

from dicom_common.host import Config, Services

CT_STUDY = "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.1"
NO_STUDY = "1.2.3.4"


@pytest.fixture(scope="module")
def ct_files(patient_folder: Path) -> dict[str, Path]:
    """The files of the CT study by SOP Instance UID."""
    files = [path for path in (patient_folder / "CT2").iterdir() if path.is_file()]
    assert len(files) == 4
    return {str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID): path for path in files}


@pytest.mark.parametrize(("level", "count"), [("patient", 2), ("study", 3), ("series", 5), ("instance", 8)])
def test_find_lists_every_level(filled: Installation, level: str, count: int) -> None:
    answer = filled("find", "--level", level, "--json")

    assert answer.code == 0
    assert len(answer.lines) == count


def test_find_searches_by_keys_and_pages(filled: Installation) -> None:
    keys = ["PatientID=77654033", "StudyDate=19950101-19951231"]

    [study] = filled("find", *keys, "--json").lines
    pages = [filled("find", "--json", "--limit", "1", "--offset", str(offset)).lines for offset in (1, 2, 3)]

    assert (study["StudyInstanceUID"], study["StudyDate"]) == (CT_STUDY, "1995-09-03")
    assert (study["NumberOfStudyRelatedInstances"], study["ModalitiesInStudy"]) == (4, ["CT"])
    assert [len(page) for page in pages] == [1, 1, 0]
    assert len({page[0]["StudyInstanceUID"] for page in pages[:2]}) == 2


def test_a_table_in_a_pipe_cuts_no_uid(filled: Installation) -> None:
    answer = filled("find", "PatientID=77654033")

    assert len(answer.out.splitlines()) == 3
    assert any(line.endswith(CT_STUDY) for line in answer.out.splitlines())
    assert answer.err == "2 matches\n"


def test_nothing_found_is_no_error(filled: Installation) -> None:
    answer = filled("find", "PatientID=nobody")

    assert (answer.code, answer.out, answer.err) == (0, "", "0 matches\n")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("PatientsID=1", ["PatientsID"]),
        ("StudyDate=yesterday", ["StudyDate"]),
        ("PatientID", ["KEY=VALUE"]),
    ],
)
def test_a_wrong_key_is_said(filled: Installation, key: str, words: list[str]) -> None:
    filled("find", key).fails_with_one_line(*words)


def test_without_a_data_folder_nothing_is_made(new: Installation) -> None:
    new("find").fails_with_one_line("There is no data folder", "--data")
    assert not new.data.exists()


def test_metadata_is_one_json_array(filled: Installation, ct_files: dict[str, Path]) -> None:
    answer = filled("metadata", CT_STUDY)

    assert answer.code == 0
    documents = json.loads(answer.out)
    assert {document["00080018"]["Value"][0] for document in documents} == ct_files.keys()
    one = documents[0]
    series, instance = one["0020000E"]["Value"][0], one["00080018"]["Value"][0]
    assert json.loads(filled("metadata", CT_STUDY, series).out) == documents
    assert json.loads(filled("metadata", CT_STUDY, series, instance).out) == [one]


@pytest.mark.parametrize("words", [["metadata", NO_STUDY], ["get", NO_STUDY, "--output", "out"], ["remove", NO_STUDY]])
def test_a_study_that_is_not_there_is_said(filled: Installation, words: list[str]) -> None:
    filled(*words).fails_with_one_line("Nothing is stored under 1.2.3.4")


def test_another_tenants_study_is_not_there(filled: Installation) -> None:
    filled("metadata", "--tenant", "other", CT_STUDY).fails_with_one_line("Nothing is stored under")


def test_get_gives_back_the_bytes_that_were_stored(
    filled: Installation, ct_files: dict[str, Path], tmp_path: Path
) -> None:
    answer = filled("get", CT_STUDY, "--output", tmp_path / "out")

    assert (answer.code, answer.out) == (0, "4 fetched\n")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.stem: path.read_bytes() for path in files} == {
        uid: path.read_bytes() for uid, path in ct_files.items()
    }
    assert all(path.parent.parent == tmp_path / "out" / CT_STUDY for path in files)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)


def test_get_goes_on_where_it_stopped_and_spares_other_files(filled: Installation, tmp_path: Path) -> None:
    filled("get", CT_STUDY, "--output", tmp_path)
    first, second, *_ = sorted(tmp_path.rglob("*.dcm"))
    whole = second.read_bytes()
    first.unlink()
    second.write_bytes(b"mine")

    answer = filled("get", CT_STUDY, "--output", tmp_path, "--json")

    assert answer.code == 1
    states = {line["path"]: line["status"] for line in answer.lines}
    assert (states.pop(str(first)), states.pop(str(second))) == ("fetched", "different")
    assert set(states.values()) == {"present"}
    assert second.read_bytes() == b"mine"
    assert filled("get", CT_STUDY, "--output", tmp_path, "--overwrite").out == "1 fetched, 3 present\n"
    assert second.read_bytes() == whole


def test_get_gives_no_name_to_damaged_bytes(own: Installation, tmp_path: Path) -> None:
    damaged, missing, *_ = sorted((own.data / "objects").glob(f"*/*/{CT_STUDY}/*/*.dcm"))
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")
    missing.unlink()

    answer = own("get", CT_STUDY, "--output", tmp_path / "out")

    assert (answer.code, answer.out) == (1, "2 fetched, 1 damaged, 1 missing\n")
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len(names) == 2
    assert not {damaged.name, missing.name} & names
    assert not [name for name in names if name.startswith(".")]


def test_get_into_what_is_no_folder_is_said(filled: Installation, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")

    filled("get", CT_STUDY, "--output", tmp_path / "out" / "below").fails_with_one_line("cannot be written")


@pytest.mark.kills
def test_get_can_be_interrupted(filled: Installation, tmp_path: Path) -> None:
    process = filled.start("get", CT_STUDY, "-o", tmp_path, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=HANG)

    assert process.returncode in (0, 130)
    assert "Traceback" not in errors
    assert filled("get", CT_STUDY, "-o", tmp_path).code == 0
    assert len(list(tmp_path.rglob("*.dcm"))) == 4


def test_find_takes_several_values_and_asks_for_none(filled: Installation) -> None:
    def studies(*keys: str) -> set[str]:
        return {line["StudyInstanceUID"] for line in filled("find", *keys, "--json").lines}

    assert studies("ModalitiesInStudy=CT\\MR") == studies("ModalitiesInStudy=CT") | studies("ModalitiesInStudy=MR")
    assert studies('ModalitiesInStudy=""') == set()
    assert studies('IssuerOfPatientID=""') == studies()
    filled("find", "PatientID=A\\").fails_with_one_line("PatientID")
    filled("find", "SeriesNumber=99999999999999999999").fails_with_one_line("SeriesNumber")


def test_remove_tells_others(own: Installation) -> None:
    own("remove", CT_STUDY, "--yes")

    with Services(Config.load(overrides={"data": str(own.data)}, variables={})) as services:
        waiting = [json.loads(event.body) for event in services.db.pending(100, relay="look", lease=0)]
    told = [body for body in waiting if body["study_uid"] == CT_STUDY]
    assert [body["image_status"] for body in told if "image_status" in body] == ["DELETED"] * 4
    assert {body["series_related_instances"] for body in told if "series_related_instances" in body} == {0}


def test_remove_in_a_pipe_wants_to_be_told(own: Installation) -> None:
    own("remove", CT_STUDY).fails_with_one_line("--yes")
    assert own.count == 8


def test_remove_takes_rows_and_objects_away(own: Installation, ct_files: dict[str, Path]) -> None:
    uid = min(ct_files)
    [instance] = own("find", "--level", "instance", f"SOPInstanceUID={uid}", "--json").lines

    one = own("remove", CT_STUDY, instance["SeriesInstanceUID"], uid, "--yes", "--json")
    others = own("remove", CT_STUDY, "--yes")

    assert one.code == others.code == 0
    assert [line["sop_instance_uid"] for line in one.lines] == [uid]
    assert others.out == "removed 3 instances\n"
    assert own.count == 4
    assert not list((own.data / "objects").rglob(f"{CT_STUDY}/*/*.dcm"))
    assert own("reconcile").code == 0
