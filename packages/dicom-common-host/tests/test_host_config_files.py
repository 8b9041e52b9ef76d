"""The files of a configuration: what is no such file is an error, never a reason to take the defaults."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_common.core import ConfigError
from dicom_common.host import Config

NAMES = ["dicom-common.toml", "dicom-common.prod.toml", ".env"]
PROD = {"DICOM_COMMON_ENV": "prod"}


def refused(variables: dict[str, str] | None = None, file: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        Config.load(file, variables=variables or {})
    return str(caught.value)


def _a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (lambda path: path.mkdir(), "Is a directory"),
    "dangling link": (lambda path: path.symlink_to("gone"), "is a link to a file that is not there"),
    "link to itself": (lambda path: path.symlink_to(path.name), "cannot be read"),
    "link to a folder": (lambda path: path.symlink_to("."), "Is a directory"),
    "named pipe": (os.mkfifo, "is a pipe or a device"),
    "link to a device": (lambda path: path.symlink_to("/dev/null"), "is a pipe or a device"),
    "socket": (_a_socket, "cannot be read"),
    "other text": (lambda path: path.write_bytes("tenant = 'Größe'".encode("utf-16")), "is not UTF-8 text"),
}


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_configuration_file_is_told_and_the_defaults_are_not_taken(name: str, kind: str) -> None:
    make, told = KINDS[kind]
    if name != NAMES[0]:
        Path(NAMES[0]).write_text("tenant = 'clinic'")
    make(Path(name))
    message = refused(PROD if "prod" in name else None)
    assert told in message
    assert name in message


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_a_setting_is_not_read_from_what_is_not_a_regular_file(make: Callable[[Path], object]) -> None:
    make(Path("secret"))
    Path(NAMES[0]).write_text("tenant = { file = 'secret' }")
    message = refused()
    assert "which cannot be read: " in message
    assert "secret" in message


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_holds_for_a_file_that_is_named(kind: str) -> None:
    make, told = KINDS[kind]
    Path("etc").mkdir()
    make(Path("site.toml"))
    assert told in refused(file="site.toml")
    assert told in refused({"DICOM_COMMON_CONFIG": "site.toml"})


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_found_and_that_everybody_may_write_is_refused(name: str) -> None:
    for found in NAMES:
        Path(found).write_text("")
    Path(name).chmod(0o666)
    message = refused(PROD)
    assert "may be written by every user" in message
    assert str(Path(name).absolute()) in message
    assert Config.load(NAMES[0], variables=PROD).found == (), "whoever names it, trusts it"


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")
@pytest.mark.parametrize("is_link", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_found_and_belongs_to_another_user_is_refused(name: str, *, is_link: bool) -> None:
    for found in NAMES:
        Path(found).write_text("")
    if is_link:
        Path(name).rename("own")
        Path(name).symlink_to("own")
    os.chown(name, 65534, 65534, follow_symlinks=False)
    assert "belongs to another user" in refused(PROD)
    assert Config.load(variables={"DICOM_COMMON_CONFIG": NAMES[0], **PROD}).file == Path(NAMES[0])


def test_a_configuration_tells_which_files_were_found(empty_folder: Path) -> None:
    def found(**variables: str) -> list[str]:
        return [str(path.relative_to(empty_folder)) for path in Config.load(variables=variables).found]

    Path(".env").write_text("OTHER_PROGRAM=1")
    assert found() == []
    Path(".env").write_text("DICOM_COMMON_TENANT=clinic")
    assert found() == [".env"]
    assert found(DICOM_COMMON_TENANT="other") == [], "nothing of it counts"
    Path("dicom-common.toml").write_text("")
    Path("dicom-common.prod.toml").write_text("")
    assert found(DICOM_COMMON_ENV="prod") == ["dicom-common.toml", "dicom-common.prod.toml", ".env"]
    assert found(DICOM_COMMON_CONFIG="dicom-common.toml") == []


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("name", ["../prod", "a/b", "a\0b", "prod file", "x" * 300])
def test_an_environment_whose_name_cannot_be_part_of_a_file_name_is_refused(name: str) -> None:
    Path("dicom-common.toml").write_text("")
    message = refused({"DICOM_COMMON_ENV": name})
    assert message.startswith("DICOM_COMMON_ENV is ")
    assert "use up to 64 letters" in message


def test_a_name_with_a_nul_is_refused() -> None:
    assert "has a NUL in it" in refused(file="dicom\0common.toml")
    assert "has a NUL in it" in refused({"DICOM_COMMON_CONFIG": "a\0b"})


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("~no-such-user-here/data", "no home folder for '~no-such-user-here'"),
        ("~no-such-user-here", "no home folder for '~no-such-user-here'"),
        ("da\0ta", "A path has no NUL in it"),
    ],
)
def test_a_path_that_cannot_be_one_is_told_with_its_setting(written: str, words: str) -> None:
    Path(".env").write_text(f"DICOM_COMMON_DATA={written}\n")
    message = refused()
    assert message.startswith("variable DICOM_COMMON_DATA: data: ")
    assert words in message


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    ("extensions", "words"),
    [
        ('["audit", "audit"]', "'audit' more than once"),
        ('["tenant"]', "'tenant' in it: that is the name of another table or setting"),
        ('["db"]', "'db' in it: that is the name of another table or setting"),
    ],
)
def test_extensions_that_cannot_have_a_table_of_their_own_are_refused(extensions: str, words: str) -> None:
    Path("dicom-common.toml").write_text(f"extensions = {extensions}\n")
    assert words in refused()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x = " + "[" * 5_000 + "]" * 5_000, "too deep"),
        ("x = " + "{a = " * 5_000 + "1" + "}" * 5_000, "too deep"),
        ("[[" * 3_000, "TOML"),
        ("x = " + "9" * 5_000, "too many digits"),
    ],
    ids=["lists", "tables", "brackets", "digits"],
)
def test_a_configuration_that_nests_deep_is_refused_by_name(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "dicom-common.toml"
    file.write_text(line)
    assert why in (message := refused(file=str(file)))
    assert str(file) in message
