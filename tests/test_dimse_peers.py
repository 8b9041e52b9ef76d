"""Issue 16: DCMTK, pynetdicom's applications and Orthanc as peers, in both directions: byte-identical data sets.

All of pydicom's files by default; with DICOM_COMMON_TEST_PEERS_REAL_FILES=1 the real files too, where they are.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from dimse_compare import changed, differing, known_to_dcmtk, read_folder, studies_of, whole_studies
from dimse_peers import (
    HOST,
    Site,
    data_set,
    dcmtk,
    free_ports,
    pynetdicom_app,
    rest,
    run,
    running,
    scp,
    write_files,
)
from dimse_sites import empty_site, orthanc_configuration, our_site, qrscp_configuration
from embedded import real_files

from dicom_common.core import Stored

pytestmark = [pytest.mark.kills, pytest.mark.slow]

_REAL = os.environ.get("DICOM_COMMON_TEST_PEERS_REAL_FILES", "") not in ("", "0")
_READER = ("-aet", "READER", "-aec", "DICOMCOMMON")


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    names = ("us", "fetcher", "storescp", "qrscp", "pystore", "orthanc", "http", "mover", "pymover")
    return dict(zip(names, free_ports(len(names)), strict=True))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> Iterator[Site]:
    """Our `scp`, with all files in the tenant `local`."""
    site = our_site(tmp_path_factory.mktemp("site"), ports)
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    files = list(real_files()) if _REAL else [bundled]
    site.command("ingest", *files, codes=(0, 1))
    with scp(site):
        yield site


@pytest.fixture(scope="module")
def instances(site: Site) -> list[Stored]:
    """What is stored in the tenant `local`."""
    with site.services as services:
        return [one for one in services.db.walk() if one.tenant == "local"]


@pytest.fixture(scope="module")
def stored(site: Site, instances: list[Stored]) -> dict[str, bytes]:
    """The data set of each, by SOP Instance UID."""
    assert len(instances) > 100
    return site.data_sets("local")


@pytest.fixture(scope="module")
def files(site: Site, instances: list[Stored]) -> Path:
    """The same as DICOM files."""
    folder = site.file.parent / "files"
    with site.services as services:
        write_files(services, instances, folder)
    return folder


@pytest.fixture(scope="module")
def damaged(files: Path) -> set[str]:
    """The SOP Instance UIDs of what DCMTK cannot parse, nor Orthanc, which is built on it: they drop its sender."""
    words = [dcmtk("dcmdump"), "-q"]
    return {
        path.stem
        for path in files.iterdir()
        if subprocess.run([*words, str(path)], capture_output=True, timeout=60, check=False).returncode
    }


@pytest.fixture(scope="module")
def orthanc(site: Site, ports: dict[str, int]) -> Iterator[int]:
    """Orthanc; the port of its REST API."""
    program, folder = dcmtk("Orthanc"), site.file.parent / "orthanc"
    folder.mkdir()
    file = orthanc_configuration(folder, ports)
    with running([program, str(file)], ports["http"], folder):
        yield ports["http"]


def empty(orthanc: int) -> None:
    """Delete what Orthanc has: it would keep that as it came from elsewhere."""
    for one in rest(orthanc, "GET", "/instances"):
        rest(orthanc, "DELETE", f"/instances/{one}")


# They send to us.


def test_echoes(site: Site) -> None:
    run(dcmtk("echoscu"), *_READER, HOST, str(site.port))
    run(*pynetdicom_app("echoscu"), HOST, str(site.port), *_READER)


def test_dcmsend_brings_every_data_set(  # noqa: PLR0917 - fixtures
    site: Site, ports: dict[str, int], files: Path, instances: list[Stored], damaged: set[str], tmp_path: Path
) -> None:
    words = ("-dn", "+sd", "-nh", "-aet", "DCMTK", "-aec", "DICOMCOMMON", HOST)
    codes = (0, 1, 43, 60, 63, 67, 68)
    run(dcmtk("dcmsend"), *words, str(site.port), files, codes=codes)
    # It decodes what it sends: the reference is what it sends to a receiver that writes the bytes as they come.
    with running(_storescp(ports["storescp"], tmp_path), ports["storescp"], tmp_path / "server"):
        run(dcmtk("dcmsend"), *words, str(ports["storescp"]), files, codes=codes)
    ours, reference = site.data_sets("dcmtk"), read_folder(tmp_path)
    known = known_to_dcmtk(instances, damaged) & set(reference)
    assert len(known) >= len(instances) * 0.9
    assert known <= set(ours) <= set(reference)
    assert differing(ours, reference) == []


def _storescp(port: int, folder: Path) -> list[str]:
    return [dcmtk("storescp"), "+xa", "-pm", "+B", "-aet", "STORESCP", "-od", str(folder), str(port)]


def test_storescu_brings_the_data_set(
    site: Site, files: Path, instances: list[Stored], stored: dict[str, bytes]
) -> None:
    uids = [one.sop_uid for one in instances if one.transfer_syntax_uid == "1.2.840.10008.1.2.1"][:5]
    words = ("-R", "-aet", "DCMTK", "-aec", "DICOMCOMMON", HOST, str(site.port))
    said = run(dcmtk("storescu"), "-v", *words, *(files / f"{uid}.dcm" for uid in uids))
    assert said.count("Received Store Response (Success)") == len(uids)
    theirs = site.data_sets("dcmtk")
    assert set(uids) <= set(theirs)
    assert changed({uid: theirs[uid] for uid in uids}, stored, instances) == []


def test_storescu_of_pynetdicom_brings_every_instance(site: Site, files: Path, instances: list[Stored]) -> None:
    run(
        *pynetdicom_app("storescu"),
        HOST,
        str(site.port),
        str(files),
        "-r",
        "-cx",
        "-aet",
        "PYTHON",
        "-aec",
        "DICOMCOMMON",
        codes=(0, 1),
    )
    with site.services as services:
        theirs = {one.sop_uid for one in services.db.walk() if one.tenant == "python"}
    assert len(theirs) >= len(instances) * 0.9  # it decodes what it sends, and cannot do so with all of them


def test_orthanc_brings_every_data_set_that_it_takes(
    site: Site, orthanc: int, files: Path, instances: list[Stored], stored: dict[str, bytes]
) -> None:
    taken = {}
    for path in sorted(files.iterdir()):
        try:
            taken[path.stem] = rest(orthanc, "POST", "/instances", path.read_bytes())["ID"]
        except OSError:
            continue  # what it cannot parse
    assert len(taken) >= len(stored) * 0.95
    rest(
        orthanc,
        "POST",
        "/modalities/inbox/store",
        {"Resources": list(taken.values()), "Synchronous": True, "Permissive": True},
    )
    theirs = site.data_sets("orthanc")
    # It says what stands in the File Meta Information: where the data set says otherwise, that is refused (A900).
    assert set(theirs) <= set(taken)
    assert len(theirs) >= len(taken) * (0.98 if _REAL else 1)
    assert changed(theirs, stored, instances) == []


# We send to them.


def test_send_to_storescp(  # noqa: PLR0917 - fixtures
    site: Site,
    ports: dict[str, int],
    instances: list[Stored],
    damaged: set[str],
    stored: dict[str, bytes],
    tmp_path: Path,
) -> None:
    command = _storescp(ports["storescp"], tmp_path)
    with running(command, ports["storescp"], tmp_path / "server"):
        *sent, summary = site.lines("send", "storescp", *studies_of(instances), codes=(0, 1))
    known = {one["sop_instance_uid"] for one in sent if one["status"] == "sent"}
    assert known >= known_to_dcmtk(instances, damaged)
    assert {one["reason"] for one in sent if one["status"] == "failed"} <= {"not-accepted"}
    assert sum(summary["statuses"].values()) == len(instances)
    theirs = read_folder(tmp_path)
    assert set(theirs) >= known
    assert differing({uid: theirs[uid] for uid in known}, stored) == []


def test_send_to_storescp_of_pynetdicom(  # noqa: PLR0917 - fixtures
    site: Site,
    ports: dict[str, int],
    instances: list[Stored],
    damaged: set[str],
    stored: dict[str, bytes],
    tmp_path: Path,
) -> None:
    studies = studies_of(instances) if _REAL else studies_of(instances)[::3]
    command = [*pynetdicom_app("storescp"), str(ports["pystore"]), "-aet", "PYSTORE", "-od", str(tmp_path)]
    with running(command, ports["pystore"], tmp_path / "server"):
        *sent, _ = site.lines("send", "pystore", *studies, codes=(0, 1))
    known = {one["sop_instance_uid"] for one in sent if one["status"] == "sent"}
    assert len(known) >= len(sent) * 0.9
    theirs = read_folder(tmp_path)
    # It decodes what it receives, and writes it anew.
    rewritten = changed({uid: theirs[uid] for uid in known - damaged}, stored, instances)
    assert len(rewritten) <= (len(known) * 0.01 if _REAL else 0)


def test_send_to_orthanc(
    site: Site, orthanc: int, instances: list[Stored], damaged: set[str], stored: dict[str, bytes]
) -> None:
    assert "ORTHANC" in site.command("echo", "orthanc")
    empty(orthanc)
    studies = whole_studies(instances, damaged)
    *sent, _ = site.lines("send", "orthanc", *studies, codes=(0, 1))
    known = {one["sop_instance_uid"] for one in sent if one["status"] in ("sent", "warning")}
    assert len(known) >= len(sent) * 0.95
    theirs = {}
    for one in rest(orthanc, "GET", "/instances"):
        data = rest(orthanc, "GET", f"/instances/{one}/file")
        theirs[rest(orthanc, "GET", f"/instances/{one}/simplified-tags")["SOPInstanceUID"]] = data_set(data)
    assert known <= set(theirs)
    # It decodes what it receives, and writes it anew.
    assert changed({uid: theirs[uid] for uid in known}, stored, instances) == []


# They query and retrieve us.


def test_findscu_lists_every_study(site: Site, instances: list[Stored]) -> None:
    words = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID")
    said = run(dcmtk("findscu"), "-v", *_READER, HOST, str(site.port), *words)
    assert all(f"[{uid}" in said for uid in studies_of(instances))
    said = run(*pynetdicom_app("findscu"), HOST, str(site.port), *_READER, *words)
    assert all(uid in said for uid in studies_of(instances))


def test_movescu_gets_every_data_set(  # noqa: PLR0917 - fixtures
    site: Site,
    ports: dict[str, int],
    instances: list[Stored],
    damaged: set[str],
    stored: dict[str, bytes],
    tmp_path: Path,
) -> None:
    known = known_to_dcmtk(instances, damaged)
    studies = set(studies_of(instances)) - {one.study_uid for one in instances if one.sop_uid not in known}
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" + "\\".join(sorted(studies)))
    # With +B it writes into the current folder, whatever -od says.
    words = (*_READER, "-S", "+xa", "+B", "-aem", "MOVER", "+P", str(ports["mover"]), HOST, str(site.port))
    run(
        dcmtk("movescu"), *words, *keys, cwd=tmp_path, codes=(0, 68, 69) if _REAL else (0,)
    )  # it does not take each SOP class
    theirs = read_folder(tmp_path)
    wanted = {one.sop_uid for one in instances if one.study_uid in studies}
    assert set(theirs) <= wanted
    assert len(theirs) >= len(wanted) * (0.98 if _REAL else 1)
    assert _REAL or len(wanted) >= len(instances) * 0.9
    assert differing(theirs, stored) == []


def test_getscu_gets_the_data_sets_of_a_study(
    site: Site, instances: list[Stored], stored: dict[str, bytes], tmp_path: Path
) -> None:
    explicit = [
        one for one in instances if one.transfer_syntax_uid == "1.2.840.10008.1.2.1" and "1.1.2" in one.sop_class_uid
    ]
    study = explicit[0].study_uid
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
    run(dcmtk("getscu"), "-S", "+B", "-od", tmp_path, *_READER, HOST, str(site.port), *keys)
    theirs = read_folder(tmp_path)
    assert set(theirs) == {one.sop_uid for one in instances if one.study_uid == study}
    # What it does not take as it is stored comes in another transfer syntax.
    native = {one.sop_uid for one in explicit if one.study_uid == study}
    assert native
    assert differing({uid: theirs[uid] for uid in native}, stored) == []
    run(*pynetdicom_app("getscu"), HOST, str(site.port), *_READER, "-S", *keys, "-od", str(tmp_path / "python"))
    assert set(read_folder(tmp_path / "python")) == set(theirs)


def test_movescu_of_pynetdicom_gets_a_study(
    site: Site, ports: dict[str, int], instances: list[Stored], damaged: set[str], tmp_path: Path
) -> None:
    study = max(whole_studies(instances, damaged), key=lambda uid: sum(one.study_uid == uid for one in instances))
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
    store = (
        "-aem",
        "PYMOVER",
        "--store",
        "--store-port",
        str(ports["pymover"]),
        "--store-aet",
        "PYMOVER",
        "-od",
        str(tmp_path),
    )
    run(*pynetdicom_app("movescu"), HOST, str(site.port), *_READER, "-S", *keys, *store)
    assert set(read_folder(tmp_path)) == {one.sop_uid for one in instances if one.study_uid == study}


def test_orthanc_queries_and_retrieves(orthanc: int, instances: list[Stored], stored: dict[str, bytes]) -> None:
    empty(orthanc)
    asked = rest(orthanc, "POST", "/modalities/us/query", {"Level": "Study", "Query": {"StudyInstanceUID": ""}})["ID"]
    answers = rest(orthanc, "GET", f"/queries/{asked}/answers")
    assert len(answers) == len(studies_of(instances))
    ct = next(one for one in instances if one.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2")
    asked = rest(
        orthanc, "POST", "/modalities/us/query", {"Level": "Study", "Query": {"StudyInstanceUID": ct.study_uid}}
    )["ID"]
    rest(orthanc, "POST", f"/queries/{asked}/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
    (found,) = rest(orthanc, "POST", "/tools/lookup", ct.sop_uid.encode())
    assert data_set(rest(orthanc, "GET", f"/instances/{found['ID']}/file")) == stored[ct.sop_uid]


# We query and retrieve them.


@pytest.fixture
def fetcher(ports: dict[str, int], tmp_path: Path) -> Site:
    """Another installation of ours, which is empty."""
    return empty_site(tmp_path, ports)


def test_fetch_from_orthanc(  # noqa: PLR0917 - fixtures
    fetcher: Site, orthanc: int, instances: list[Stored], damaged: set[str], files: Path, stored: dict[str, bytes]
) -> None:
    whole = whole_studies(instances, damaged)
    cts = [one for one in instances if one.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2" and one.study_uid in whole]
    for one in cts:
        rest(orthanc, "POST", "/instances", (files / f"{one.sop_uid}.dcm").read_bytes())
    studies = studies_of(cts)
    known = {one["StudyInstanceUID"][0] for one in fetcher.lines("query", "orthanc")}
    assert known >= set(studies)
    half = len(studies) // 2
    codes = (0, 1, 2) if _REAL else (0,)  # it answers C000 to the C-GET of an instance that it has not understood
    got = fetcher.lines("fetch", "orthanc", *studies[:half], codes=codes)
    assert _REAL or got[-1]["statuses"].keys() == {"fetched"}
    with scp(fetcher):
        got = fetcher.lines("fetch", "orthanc", *studies, "--by", "move", codes=codes)
    assert _REAL or got[-1]["statuses"].keys() == {"fetched", "present"}
    ours = fetcher.data_sets("local")
    assert len({one.sop_uid for one in cts} & set(ours)) >= len(cts) * (0.9 if _REAL else 1)
    assert changed(ours, stored, instances) == []


def test_send_to_dcmqrscp_and_fetch_it_again(  # noqa: PLR0917 - fixtures
    site: Site,
    fetcher: Site,
    ports: dict[str, int],
    instances: list[Stored],
    damaged: set[str],
    stored: dict[str, bytes],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "qrscp"
    (folder / "data").mkdir(parents=True)
    file = qrscp_configuration(folder, ports)
    cts = [
        one
        for one in instances
        if one.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2" and one.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    ]
    studies = sorted(set(studies_of(cts)) & set(whole_studies(instances, damaged)))
    codes = (0, 1) if _REAL else (0,)
    with running([dcmtk("dcmqrscp"), "-c", str(file)], ports["qrscp"], folder):
        sent = site.lines("send", "qrscp", *studies)[-1]["statuses"]
        assert set(sent) == {"sent"}
        assert fetcher.lines("fetch", "qrscp", *studies[:1])[-1]["statuses"].keys() == {"fetched"}
        with scp(fetcher):
            moved = fetcher.lines("fetch", "qrscp", *studies, "--by", "move", codes=codes)[-1]["statuses"]
        # Of damaged instances, which only real files are, it does not send each.
        assert moved.pop("failed", 0) <= (sent["sent"] * 0.05 if _REAL else 0)
        assert fetcher.lines("fetch", "qrscp", *studies, codes=codes)[-1]["statuses"]["present"] == sum(moved.values())
    ours = fetcher.data_sets("local")
    assert len(ours) >= sent["sent"] * (0.95 if _REAL else 1)
    assert changed(ours, stored, instances) == []
