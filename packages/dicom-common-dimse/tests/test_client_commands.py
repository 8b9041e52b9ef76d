"""`dicom-common echo`, `query`, `send` and `fetch`, as an operator runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_peer import MadePeer, made_peer
from pydicom.data import get_testdata_file
from pynetdicom.association import Association

from dicom_common.cli import main

_NAMES = ("77654033/CR1/6154", "77654033/CR2/6247", "77654033/CR3/6278")
_FILES = [Path(str(get_testdata_file("DICOMDIR"))).parent / name for name in _NAMES]


@pytest.fixture
def peer() -> Iterator[MadePeer]:
    """A peer that has three instances of a study."""
    with made_peer(_FILES) as peer:
        yield peer


@pytest.fixture
def site(peer: MadePeer, tmp_path: Path) -> Path:
    """The configuration of a library that knows the peer."""
    file = tmp_path / "site.toml"
    file.write_text(
        f"""data = "data"
        [dimse.peers.pacs]
        ae_title = "MADE"
        host = "127.0.0.1"
        port = {peer.port}
        tenant = "clinic"
        [dimse.peers.scanner]
        ae_title = "CT1"
        """,
        encoding="utf-8",
    )
    return file


def _run(site: Path, *words: str) -> int:
    return main(["--config", str(site), *words])


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _study(peer: MadePeer) -> str:
    return str(peer.files[0].StudyInstanceUID)


def test_echo_says_who_answers(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(site, "echo", "pacs") == 0
    assert "pacs (MADE at 127.0.0.1:" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "said"), [
    ("pax", "There is no peer 'pax'"),
    ("scanner", "The peer 'scanner' has no address: set host and port"),
])  # fmt: skip
def test_a_peer_that_cannot_be_called_is_exit_code_2(
    site: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    assert _run(site, "echo", name) == 2
    assert said in capsys.readouterr().err


def test_query_lists_what_the_peer_has(site: Path, peer: MadePeer, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(site, "query", "pacs", f"StudyInstanceUID={_study(peer)}", "--level", "series", "--json") == 0
    assert {one["SeriesInstanceUID"][0] for one in _lines(capsys)} == {one.SeriesInstanceUID for one in peer.files}
    assert _run(site, "query", "pacs", "PatientName=Nobody") == 0
    assert "0 matches" in capsys.readouterr().err
    assert _run(site, "query", "pacs", "PatientName") == 2
    assert _run(site, "query", "pacs", "--field", "PatientBirthDate", f"StudyInstanceUID={_study(peer)}") == 0
    day = str(peer.files[0].StudyDate)
    assert f"{day[:4]}-{day[4:6]}-{day[6:]}" in capsys.readouterr().out, "as `find` shows it"


@pytest.mark.parametrize(("words", "missing"), [
    (["--level", "series"], "needs StudyInstanceUID=UID."),
    (["--level", "instance"], "needs StudyInstanceUID=UID and SeriesInstanceUID=UID."),
    (["--level", "instance", "0020000E=1.2"], "needs StudyInstanceUID=UID."),
])  # fmt: skip
def test_a_query_without_the_keys_above_says_which(
    site: Path, capsys: pytest.CaptureFixture[str], words: list[str], missing: str
) -> None:
    assert _run(site, "query", "pacs", *words) == 2
    said = capsys.readouterr().err
    assert "answered C-FIND with A900" in said
    assert said.rstrip().endswith(missing)


def test_fetch_then_send_brings_back_the_same(site: Path, peer: MadePeer, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(site, "fetch", "pacs", _study(peer), "--json") == 0
    *fetched, summary = _lines(capsys)
    assert {one["sop_instance_uid"] for one in fetched} == {one.SOPInstanceUID for one in peer.files}
    assert summary["statuses"] == {"fetched": 3}
    assert _run(site, "fetch", "pacs", _study(peer)) == 0
    assert "3 instances: 3 present" in capsys.readouterr().out
    # It belongs to the tenant of the peer, and goes nowhere else.
    assert _run(site, "send", "pacs", _study(peer), "--tenant", "other") == 2
    assert "belongs to the tenant clinic, not to other" in capsys.readouterr().err
    assert _run(site, "send", "pacs", _study(peer), "--json") == 0
    *sent, summary = _lines(capsys)
    assert [(one["status"], one["code"]) for one in sent] == [("sent", "0000")] * 3
    assert summary["statuses"] == {"sent": 3}
    assert set(peer.received) == {one.SOPInstanceUID for one in peer.files}


def test_send_goes_on_where_it_was_lost(site: Path, peer: MadePeer, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(site, "fetch", "pacs", _study(peer)) == 0
    capsys.readouterr()
    last = max(one.SOPInstanceUID for one in peer.files)
    peer.on_store = lambda uid, _: 0xC000 if uid == last else 0
    assert _run(site, "send", "pacs", _study(peer)) == 1
    out = capsys.readouterr().out
    assert f"failed {last}: the peer refused it (C000) [refused]" in out
    assert "3 instances: 1 failed, 2 sent (1 refused)" in out
    peer.on_store = lambda _, __: 0
    peer.stores.clear()
    assert _run(site, "send", "pacs", _study(peer), "--json") == 0
    assert _lines(capsys)[-1]["statuses"] == {"sent-before": 2, "sent": 1}
    assert peer.stores == [last]
    # It is complete: whoever sends it once more means all of it.
    assert _run(site, "send", "pacs", _study(peer), "--json") == 0
    assert _lines(capsys)[-1]["statuses"] == {"sent": 3}


def test_nothing_is_sent_of_what_is_not_stored(site: Path, peer: MadePeer, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(site, "fetch", "pacs", _study(peer)) == 0
    assert _run(site, "send", "pacs", _study(peer), "9.9.9") == 2
    assert "Nothing is stored under 9.9.9" in capsys.readouterr().err
    assert not peer.stores
    assert _run(site, "send", "pacs", "1/2/3/4") == 2


def test_a_killed_send_goes_on(site: Path, peer: MadePeer) -> None:
    assert _run(site, "fetch", "pacs", _study(peer)) == 0
    command = [sys.executable, "-m", "dicom_common.cli", "--config", str(site), "send", "pacs", _study(peer)]

    def on_store(_: str, __: Association) -> int:
        if len(peer.stores) == 2:
            running.kill()
            running.wait()
        return 0

    peer.on_store = on_store
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    running.wait(60)
    assert len(peer.stores) == 2
    first = peer.stores[0]
    peer.on_store = lambda _, __: 0
    peer.stores.clear()
    assert _run(site, "send", "pacs", _study(peer)) == 0
    assert first not in peer.stores
    assert len(peer.stores) == 2
