"""Start-up, help and errors: what every command has in common."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from cli_command import HANG, Answer, Installation, environment

from dicom_common.cli import _main, main
from dicom_common.cli._own_commands import HOMES

COMMANDS = [
    "init",
    "ingest",
    "find",
    "metadata",
    "get",
    "remove",
    "check",
    "conformance",
    "plugins",
    "config",
    "reconcile",
    "copy",
    "migrate",
    "log",
    "prune",
    "worker",
    "documents",
    "relay",
    "events",
    "dead-letters",
]
HEAVY = [
    "pydicom",
    "sqlalchemy",
    "alembic",
    "numpy",
    "rich",
    "dicom_common.pipeline",
    "dicom_common.dicom",
    "dicom_common.db",
    "dicom_common.storage",
]


@pytest.mark.parametrize("words", [["--help"], ["plugins", "--json"], ["ingest", "--help"], ["--version"]])
def test_what_needs_no_backend_imports_none(words: list[str], tmp_path: Path) -> None:
    program = f"import sys; from dicom_common.cli import main; main({words!r}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=HANG, check=True
    )

    imported = set(done.stderr.split())
    assert "dicom_common.cli._main" in imported
    assert not imported & set(HEAVY)
    assert done.stdout


def test_the_help_names_every_command_and_the_exit_codes(command: Callable[..., Answer]) -> None:
    answer = command("--help")

    assert answer.code == 0
    listed = answer.out.partition("Commands:")[2].partition("Commands of packages")[0].partition("Examples:")[0]
    lines = listed.strip().splitlines()
    assert [line.split()[0] for line in lines] == COMMANDS
    assert "..." not in "".join(lines)
    assert all(f"{code}  " in answer.out.partition("Exit codes:")[2] for code in (0, 1, 2, 130))


@pytest.mark.parametrize("name", [*COMMANDS, "config show", "config explain"])
def test_the_help_of_each_command_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    assert f"  dicom-common {name.split(maxsplit=1)[0]}" in capsys.readouterr().out.partition("Examples:")[2].replace(
        "--config /etc/dicom-common.toml ", ""
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fidn"], "No such command 'fidn'. Did you mean 'find'?"),
        (["find", "--data", "x"], "It goes before the command: `dicom-common --data ... find`."),
        (["config", "show", "--config", "x"], "It goes before the command: `dicom-common --config ... config show`."),
        (["find", "--level", "image"], "'image' is not one of"),
        (["--config", "nowhere.toml", "find"], "nowhere.toml is not there; `dicom-common init` writes one"),
        (["--tenant", "A", "find"], "is not a tenant id"),
        (["get", "1.2.3"], "Missing option '--output'"),
        (["ingest", "--jobs", "0", "."], "'--jobs'"),
    ],
)
def test_wrong_usage_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)

    answer = Answer(main(words), *capsys.readouterr())

    answer.fails_with_one_line(said)


@pytest.mark.parametrize("words", [(), ("config",), ("dead-letters",)])
def test_a_group_without_a_command_is_one_line(command: Callable[..., Answer], words: tuple[str, ...]) -> None:
    answer = command(*words)
    answer.fails_with_one_line("A command is missing", f"`{' '.join(('dicom-common', *words))} --help`")
    assert len(answer.err) < 200, "not the whole help"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('datta = "x"', "unknown setting datta. Did you mean 'data'?"),
        ('[ingest]\nduplicate = "keep"', "unknown setting ingest.duplicate. Did you mean 'duplicates'?"),
        ("[storrage]\nroot = 'x'", "unknown table [storrage]"),
        ('[storage]\nbackend = "s4"', "No storage plugin called 's4' is installed"),
        ("data = ", "is not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "dicom-common.toml").write_text(text)
    monkeypatch.chdir(tmp_path)

    answer = Answer(main(["--config", "dicom-common.toml", "ingest", "."]), *capsys.readouterr())

    answer.fails_with_one_line(said)


def test_a_broken_configuration_does_not_keep_the_help_from_being_read(
    command: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "dicom-common.toml").write_text("data = ")

    answer = command("--help")

    assert answer.code == 0
    assert "ingest" in answer.out


def test_verbose_shows_the_traceback_of_an_error(command: Callable[..., Answer]) -> None:
    quiet, verbose = command("--data", "x", "find"), command("--verbose", "--data", "x", "find")

    quiet.fails_with_one_line("There is no data folder")
    assert verbose.code == 2
    assert verbose.err.startswith(quiet.err)
    assert "Traceback" in verbose.err


def test_a_full_output_is_an_error(filled: Installation) -> None:
    with Path("/dev/full").open("w") as full:
        process = filled.start("find", "--json", stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=HANG)

    assert process.returncode == 2
    assert errors == "dicom-common: No space left on device.\n"


def test_a_closed_pipe_is_quiet(filled: Installation) -> None:
    reader, writer = os.pipe()
    process = filled.start("find", "--level", "instance", "--json", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.close(reader)
    _, errors = process.communicate(timeout=HANG)

    assert process.returncode == 2
    assert not errors


OFFERED = """
import click
from dicom_common.cli import pass_session
from dicom_common.core import hookimpl

@click.command()
@pass_session
def count(session):
    "Count the studies."
    click.echo(len(list(session.existing.db.walk())))

@click.command()
def bug():
    raise ZeroDivisionError("Doe^Jane")

@click.command()
@pass_session
def ingest(session):
    "Must not take the place of ours."

@hookimpl
def dicom_common_commands():
    return [count, bug, ingest]
"""


@pytest.fixture
def extended(own: Installation, tmp_path: Path) -> Installation:
    """An installation with a package that offers commands."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "counting.py").write_text(OFFERED)
    metadata = tmp_path / "site" / "counting-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: counting\nVersion: 1.0\nSummary: Counts what is stored\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[dicom_common.commands]\ncount = counting\nbug = counting\ningest = counting\nmisnamed = counting\n"
    )
    own.variables |= {"PYTHONPATH": str(tmp_path / "site")}
    return own


def test_a_package_adds_commands_and_replaces_none(extended: Installation) -> None:
    listed = extended("--help")

    assert re.search(r"\n  bug, count, misnamed +Counts what is stored\n", listed.out)
    assert "Must not take the place" not in listed.out
    assert "Count the studies." in extended("count", "--help").out
    assert extended("count").out == "8\n"


def test_a_command_that_is_shadowed_misnamed_or_broken_is_reported(extended: Installation) -> None:
    assert "registers the command `ingest`, which dicom-common has itself" in extended("--help").err
    checked = extended("check", "--json")
    failed = {line["kind"]: line["detail"] for line in checked.lines if line["status"] == "failed"}
    assert checked.code == 1
    assert {"commands.ingest", "commands.misnamed"} <= failed.keys()
    assert "which dicom-common has itself" in failed["commands.ingest"]
    assert "it offers no command called 'misnamed'" in failed["commands.misnamed"]
    extended("misnamed").fails_with_one_line("it offers no command called 'misnamed'")


def test_a_bug_is_one_line_that_tells_no_value(extended: Installation) -> None:
    answer = extended("bug")

    answer.fails_with_one_line(
        "this is a bug of counting, which offers the command `bug`: ZeroDivisionError in counting.py line", "--verbose"
    )
    assert "Doe" not in answer.err


def test_an_extension_that_is_not_installed_spares_our_own_commands_that_show_no_patient(own: Installation) -> None:
    own.variables["DICOM_COMMON_EXTENSIONS"] = '["nowhere"]'

    assert own("plugins").code == 0
    own("config", "explain").fails_with_one_line("No extension plugin called 'nowhere'")
    own("find").fails_with_one_line("No extension plugin called 'nowhere'")  # it may be the one that has to know of it
    own("nowhere").fails_with_one_line("No such command 'nowhere'")


@pytest.mark.kills
def test_ctrl_c_while_waiting_ends_a_command_with_130(filled: Installation) -> None:
    process = filled.start("events", "log_queue", "--follow", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(HANG) == 130
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_the_environment_of_these_tests_is_their_own() -> None:
    assert not [name for name in environment({}) if name.startswith("DICOM_COMMON_")]


def every_command() -> Iterator[list[str]]:
    """Walk through all commands, and those below them."""
    context = click.Context(_main._program)
    for name in HOMES:
        command = _main._program.get_command(context, name)
        yield [name]
        if isinstance(command, click.Group):
            yield from ([name, below] for below in command.commands)


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_the_help_of_every_command_shows_examples(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main([*words, "--help"]) == 0
    assert "dicom-common" in capsys.readouterr().out.partition("Examples:")[2]


def test_two_forms_at_once_are_refused(filled: Installation) -> None:
    filled("check", "--json", "--prometheus").fails_with_one_line("choose one")
