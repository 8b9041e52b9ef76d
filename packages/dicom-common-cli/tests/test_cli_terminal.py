"""What is different on a terminal: a progress bar, colours, a question."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

from cli_command import HANG, Installation, environment

CT_STUDY = "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.1"


def _on_a_terminal(
    installation: Installation, *words: str | Path, typed: bytes = b"", stdout: int | None = None
) -> tuple[int, str]:
    """Run the command with a terminal as its streams; returns its exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*installation.words, *map(str, words)],
        env=environment({"TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, typed)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    return process.wait(HANG), shown.decode()


def test_a_terminal_gets_a_progress_bar(new: Installation, patient_folder: Path) -> None:
    code, shown = _on_a_terminal(new, "ingest", patient_folder)

    assert code == 0
    assert "ingesting" in shown
    assert "/s" in shown
    assert "7 files: 7 stored" in shown


def test_results_that_go_elsewhere_stay_free_of_the_bar(
    new: Installation, patient_folder: Path, tmp_path: Path
) -> None:
    with (tmp_path / "out.json").open("wb") as stream:
        code, shown = _on_a_terminal(new, "ingest", "--json", patient_folder, stdout=stream.fileno())

    assert code == 0
    assert "ingesting" in shown
    lines = (tmp_path / "out.json").read_text().splitlines()
    assert len(lines) == 7
    assert all(line.startswith('{"path"') for line in lines)


def test_a_pipe_gets_no_progress_bar(own: Installation, patient_folder: Path) -> None:
    answer = own("ingest", patient_folder)

    assert answer.out == "7 files: 7 duplicate\n"
    assert not answer.err


def test_remove_asks_and_takes_no_for_an_answer(own: Installation) -> None:
    code, shown = _on_a_terminal(own, "remove", CT_STUDY, typed=b"n\n")

    assert code == 1
    assert "Remove 4 instances of tenant local for good?" in shown
    assert "Nothing was removed." in shown
    assert own.count == 8

    code, shown = _on_a_terminal(own, "remove", CT_STUDY, typed=b"y\n")

    assert code == 0
    assert "removed 4 instances" in shown


def test_metadata_on_a_terminal_is_ascii(filled: Installation) -> None:
    code, shown = _on_a_terminal(filled, "metadata", CT_STUDY)

    assert code == 0
    assert shown.isascii()
    assert "\x1b" not in shown
