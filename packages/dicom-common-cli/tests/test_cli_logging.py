"""What a command logs: where, in which form, and what never gets into it."""

from __future__ import annotations

import io
import json
import logging
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_command import SAMPLES, Answer, Installation

from dicom_common.cli import LogSettings
from dicom_common.cli._logging import _ToStderr, log_as_configured, log_to_stderr
from dicom_common.core import ConfigError, DicomError

LOGGER = logging.getLogger("dicom_common.tests")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Leave the process's logging as it was found."""
    loggers = [logging.getLogger(name) for name in ("", "dicom_common", "kafka", "urllib3")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def log_file(tmp_path: Path, **settings: str) -> Path:
    file = tmp_path / "server.log"
    log_as_configured(LogSettings(file=file, **settings), verbose=False)  # type: ignore[arg-type]  # literals
    return file


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_record_is_one_line_whatever_is_in_it(tmp_path: Path, form: str) -> None:
    file = log_file(tmp_path, format=form)

    LOGGER.warning("refused %s", "a\nERROR forged: b\r\x1b[2J\x9b\u2028\u202e")

    [line] = file.read_text(encoding="utf-8").split("\n")[:-1]
    assert line.isprintable()
    assert "forged" in line


def test_a_json_line_has_its_fields(tmp_path: Path) -> None:
    file = log_file(tmp_path, format="json")

    LOGGER.warning("refused %s", "one")

    entry = json.loads(file.read_text(encoding="utf-8"))
    assert entry["level"] == "warning"
    assert entry["logger"] == LOGGER.name
    assert entry["message"] == "refused one"
    assert entry["time"].endswith("Z")
    assert isinstance(entry["process"], int)


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("form", ["text", "json"])
def test_of_a_foreign_exception_the_kind_and_the_place_are_told_and_not_its_text(tmp_path: Path, form: str) -> None:
    file = log_file(tmp_path, format=form)

    for error in (ValueError("invalid literal 'Secret^Patient'"), DicomError("no-uid", "a file without a UID")):
        try:
            fail(error)
        except Exception:
            LOGGER.exception("it failed")

    foreign, own = file.read_text(encoding="utf-8").splitlines()
    assert "Secret^Patient" not in foreign
    assert "ValueError" in foreign
    assert Path(__file__).name in foreign
    assert "a file without a UID" in own


def test_the_level_is_that_of_this_library_only(tmp_path: Path) -> None:
    file = log_file(tmp_path, level="debug")

    LOGGER.debug("ours")
    logging.getLogger("somebody.else").info("theirs")
    logging.getLogger("somebody.else").warning("a warning of theirs")

    logged = file.read_text(encoding="utf-8")
    assert "ours" in logged
    assert "INFO" not in logged
    assert "a warning of theirs" in logged


def test_a_file_that_was_renamed_is_left_and_begun_again_and_is_not_for_everybody(tmp_path: Path) -> None:
    file = log_file(tmp_path)
    LOGGER.warning("first")
    file.rename(tmp_path / "server.log.1")
    LOGGER.warning("second")

    assert "second" in file.read_text(encoding="utf-8")
    assert "second" not in (tmp_path / "server.log.1").read_text(encoding="utf-8")
    assert not stat.S_IMODE(file.stat().st_mode) & stat.S_IRWXO


def test_a_log_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.file"):
        log_file(tmp_path / "nowhere")


def test_a_log_file_that_fails_later_is_told_once_and_fails_no_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = log_file(tmp_path)
    log = logging.getLogger("dicom_common.tests")
    log.warning("before")
    file.rename(tmp_path / "rotated.log")
    file.mkdir()  # no new file can be opened in its place

    log.warning("an %s", "argument-1")
    log.warning("an %s", "argument-2")

    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "log.file" in told
    assert "argument" not in told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_stderr_that_cannot_be_written_fails_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb", buffering=0) as raw:  # noqa: PTH123 - a device
        stream = io.TextIOWrapper(raw, write_through=True)
        monkeypatch.setattr(sys, "stderr", stream)
        log_to_stderr(verbose=False)

        logging.getLogger("dicom_common.tests").warning("nobody reads this")

        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            stream.write("so it is")


def test_a_record_whose_arguments_do_not_fit_fails_no_work(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("%d instances", "%s of %s"):
        record = logging.LogRecord("dicom_common", logging.WARNING, __file__, 1, text, ("a patient",), None)
        _ToStderr().handle(record)
    assert capsys.readouterr().err == ""


def test_the_configuration_chooses_form_and_file_for_worker_processes_too(own: Installation, tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    own.variables |= {"DICOM_COMMON_LOG__FILE": str(file), "DICOM_COMMON_LOG__FORMAT": "json"}
    own.variables |= {"DICOM_COMMON_LOG__LEVEL": "debug"}

    answer = own("ingest", "--jobs", "2", SAMPLES / "CT_small.dcm", SAMPLES / "MR_small.dcm", SAMPLES / "rtplan.dcm")

    assert answer.code == 0
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert {entry["logger"].partition(".")[0] for entry in entries} <= {"dicom_common"}
    assert "CompressedSamples" not in file.read_text(encoding="utf-8")


def test_a_wrong_setting_is_one_line(own: Installation) -> None:
    own.variables["DICOM_COMMON_LOG__LEVEL"] = "loud"

    own("find").fails_with_one_line("log.level", "debug")


def test_a_broken_configuration_is_still_told_by_the_command(command: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "dicom-common.toml").write_text("data = ")

    command("find").fails_with_one_line("is not valid TOML")
