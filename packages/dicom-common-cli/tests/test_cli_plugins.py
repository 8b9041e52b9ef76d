"""Plugins that hang, fail or print: `check` and `config` answer in time, and say whose fault it is."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_command import Answer, Installation, run

Plant = Callable[[str, str, str], None]
BACKEND = """
    import dataclasses
    from dicom_common.core import Backend, Health, HealthStatus, hookimpl

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Settings:
        size: int = 1

    class Cache:
        def check(self):
            return Health(status=HealthStatus.OK, detail="well")
        def close(self):
            pass

    @hookimpl
    def dicom_common_cache():
        return Backend("odd", Settings, lambda settings: Cache())
    """
NATIVE = "`dicom-common config explain` shows, at reader.engine, which reader runs.\n"
"""What `plugins` says where the native reader is installed, too."""
HANGS = "import time\ntime.sleep(600)"
ENDINGS = {
    "hangs": HANGS,
    "ends the process": "raise SystemExit(0)",
    "interrupts": "raise KeyboardInterrupt",
    "raises what is no exception": "class Odd(BaseException): pass\nraise Odd",
    "fails": "raise ValueError('hunter2-correct-horse')",
    "is no Python": "def (",
}


@pytest.fixture
def plant(own: Installation, tmp_path: Path) -> Plant:
    """Install a module with an entry point."""

    def planted(group: str, entry: str, code: str) -> None:
        site = tmp_path / "site"
        info = site / f"odd_{group.rpartition('.')[2]}-1.0.dist-info"
        info.mkdir(parents=True)
        module = entry.partition("=")[2].strip().partition(":")[0]
        (site / f"{module}.py").write_text(textwrap.dedent(code))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: odd-{group.rpartition('.')[2]}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
        own.variables["PYTHONPATH"] = str(site)

    return planted


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_the_configuration_does_not_use_is_not_imported(own: Installation, plant: Plant, ending: str) -> None:
    plant("dicom_common.cache", "odd = odd_cache", ENDINGS[ending])
    plant("dicom_common.extension", "odd = odd_extension", ENDINGS[ending])
    plant("dicom_common.settings", "odd = odd_settings:Settings", ENDINGS[ending])
    for words in (["check", "--time-limit", "60"], ["config", "show"], ["config", "explain"], ["plugins"], ["--help"]):
        answer = own(*words)
        assert answer.code == 0, answer
        assert answer.err in ("", NATIVE)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["cache", "extension", "settings"])
def test_what_is_used_and_fails_is_told_by_its_name(own: Installation, plant: Plant, kind: str, ending: str) -> None:
    plant(f"dicom_common.{kind}", f"odd = odd_{kind}{':Settings' if kind == 'settings' else ''}", ENDINGS[ending])
    setting = {"cache": "CACHE__BACKEND", "extension": "EXTENSIONS", "settings": "ODD__KEY"}[kind]
    own.variables[f"DICOM_COMMON_{setting}"] = '["odd"]' if kind == "extension" else "odd"
    began = time.monotonic()
    answer = own("check", "--time-limit", "5", "--json")
    assert time.monotonic() - began < 60, "it would be 600 seconds"
    assert answer.code == 1, answer
    failed = {line["kind"]: line["detail"] for line in answer.lines if line["status"] == "failed"}
    assert any("odd" in detail or kind in failed for detail in failed.values()), failed
    assert {line["kind"] for line in answer.lines if line["status"] == "ok"} >= {"storage"}
    assert "hunter2" not in answer.out + answer.err


def test_the_configuration_cannot_be_explained_where_a_plugin_in_use_is_broken(own: Installation, plant: Plant) -> None:
    plant("dicom_common.cache", "odd = odd_cache", "raise KeyboardInterrupt")
    own.variables["DICOM_COMMON_CACHE__BACKEND"] = "odd"
    for words in (["config", "show"], ["config", "explain"]):
        own(*words).fails_with_one_line("The cache plugin 'odd' is broken", "KeyboardInterrupt")


def test_what_a_plugin_prints_is_no_result(own: Installation, plant: Plant) -> None:
    plant("dicom_common.cache", "odd = odd_cache", f"print('hello')\n{textwrap.dedent(BACKEND)}")
    own.variables["DICOM_COMMON_CACHE__BACKEND"] = "odd"
    for words in (["check", "--json", "--time-limit", "60"], ["config", "explain", "--json"]):
        answer = own(*words)
        assert answer.code == 0, answer
        assert all(answer.lines)
        assert answer.err == "hello\n"
    assert json.loads(own("config", "show", "--json").out)["cache"] == {"backend": "odd", "size": 1}


FAILURE = "raise LookupError('hunter2-correct-horse')"
FAILS_LATER = BACKEND.replace("return Health(", f"{FAILURE}\n            return Health(")


@pytest.mark.parametrize(
    ("code", "kind"),
    [("raise ValueError('hunter2-correct-horse')", "ValueError"), (FAILS_LATER, "LookupError")],
    ids=["when it is imported", "when it is asked"],
)
def test_verbose_shows_the_traceback_of_a_plugin(own: Installation, plant: Plant, code: str, kind: str) -> None:
    plant("dicom_common.cache", "odd = odd_cache", code)
    own.variables["DICOM_COMMON_CACHE__BACKEND"] = "odd"
    quiet, verbose = own("check"), own("--verbose", "check")
    assert quiet.code == verbose.code == 1
    assert kind in quiet.out
    assert "hunter2" not in quiet.out + quiet.err + verbose.out
    assert "Traceback" in verbose.err
    assert "odd_cache.py" in verbose.err
    assert f"{kind}: hunter2-correct-horse" in verbose.err


EXTENSION = """
    import dataclasses, sys, time
    from dicom_common.core import Backend, hookimpl

    @dataclasses.dataclass(frozen=True)
    class Settings:
        size: int = 1

    class Extension:
        def __init__(self, settings):
            OPEN

        @hookimpl
        def dicom_common_audit_refusal(self):
            REFUSAL

        def close(self):
            CLOSE

    @hookimpl
    def dicom_common_extension():
        return Backend("odd", Settings, Extension)
    """


@pytest.fixture
def extend(own: Installation, plant: Plant) -> Callable[..., None]:
    """Enable an extension, some of whose parts do what they are given."""

    def extended(**parts: str) -> None:
        code = EXTENSION
        for part in ("OPEN", "REFUSAL", "CLOSE"):
            code = code.replace(part, parts.get(part.lower(), "return None"))
        plant("dicom_common.extension", "odd = odd_extension", code)
        own.variables["DICOM_COMMON_EXTENSIONS"] = '["odd"]'

    return extended


def test_verbose_shows_the_traceback_of_an_extension_whose_hook_fails(
    own: Installation, extend: Callable[..., None]
) -> None:
    extend(refusal=FAILURE)
    quiet, verbose = own("check"), own("--verbose", "check")
    assert "extension odd failed (LookupError)" in quiet.out
    assert "hunter2" not in quiet.out + quiet.err
    assert "LookupError: hunter2-correct-horse" in verbose.err


def test_an_extension_that_ends_the_process_does_not_pass_for_a_success(
    own: Installation, extend: Callable[..., None], samples: Path
) -> None:
    extend(open="sys.exit(0)")
    own("ingest", samples / "MR_small.dcm").fails_with_one_line("'odd' cannot be opened (SystemExit)")
    answer = own("check", "--json", "--time-limit", "60")
    assert answer.code == 1, answer
    assert any("SystemExit" in line["detail"] for line in answer.lines if line["status"] == "failed")


@pytest.mark.parametrize("close", ["sys.exit(0)", "raise KeyboardInterrupt", "time.sleep(600)"])
def test_an_extension_that_cannot_be_closed_leaves_the_exit_code_alone(
    own: Installation, extend: Callable[..., None], samples: Path, close: str
) -> None:
    extend(close=close)
    own.variables["DICOM_COMMON_EXTENSION_TIME_LIMIT"] = "5"
    answer = own("ingest", "--jobs", "1", samples / "MR_small.dcm", samples / "no_meta.dcm")
    assert answer.code == 1, answer  # the second file is rejected


@pytest.mark.parametrize(
    "words", [("ingest", "--json", "MR_small.dcm"), ("find", "--json")], ids=lambda words: words[0]
)
def test_what_an_extension_prints_when_it_is_opened_is_no_result(
    own: Installation, extend: Callable[..., None], samples: Path, words: tuple[str, ...]
) -> None:
    extend(open="print('hello')")
    answer = own(*(samples / word if word.endswith(".dcm") else word for word in words))
    assert answer.code == 0, answer
    assert all(answer.lines)
    assert "hello" in answer.err


def test_the_reason_of_an_extension_that_refuses_reaches_json(own: Installation, plant: Plant, samples: Path) -> None:
    code = EXTENSION.replace("audit_refusal(self)", "accept(self, tenant, instance, origin)")
    for part, with_what in {"OPEN": "pass", "REFUSAL": "return 'no consent on file'", "CLOSE": "pass"}.items():
        code = code.replace(part, with_what)
    plant("dicom_common.extension", "odd = odd_extension", code)
    own.variables["DICOM_COMMON_EXTENSIONS"] = '["odd"]'
    answer = own("ingest", "--json", samples / "MR_small.dcm")
    assert answer.code == 1, answer
    [line] = answer.lines
    assert (line["status"], line["reason"]) == ("rejected", "refused")
    assert line["message"] == "It was refused: extension odd: no consent on file."


def test_init_does_not_call_ready_what_is_not(new: Installation, plant_cache: Callable[[str], None]) -> None:
    plant_cache("FAILED")
    new.variables["DICOM_COMMON_CACHE__BACKEND"] = "odd"
    for _ in range(2):  # it writes the file, then finds it
        answer = new("init") if not (new.data.parent / "dicom-common.toml").exists() else run_again(new)
        assert answer.code == 1, answer
        assert "not ready: cache." in answer.err
        assert "dicom-common.toml" in answer.out
        assert "is ready" not in answer.out
        assert "is next" not in answer.out
    plant_cache("OK")
    answer = run_again(new)
    assert answer.code == 0, answer
    assert "what it configures is ready" in answer.out


def run_again(installation: Installation) -> Answer:
    return run("init", cwd=installation.data.parent, variables=installation.variables)


@pytest.fixture
def plant_cache(new: Installation, tmp_path: Path) -> Callable[[str], None]:
    """Install a cache whose health is given."""

    def planted(status: str) -> None:
        info = tmp_path / "site" / "odd_cache-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        code = textwrap.dedent(BACKEND).replace("HealthStatus.OK", f"HealthStatus.{status}")
        (tmp_path / "site" / f"odd_cache_{status.lower()}.py").write_text(code)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-cache\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[dicom_common.cache]\nodd = odd_cache_{status.lower()}\n")
        new.variables["PYTHONPATH"] = str(tmp_path / "site")

    return planted


COMMANDS = """
    import click
    from dicom_common.core import hookimpl

    @click.command("NAME")
    def shown():
        "Does something."

    @hookimpl
    def dicom_common_commands():
        return [shown]
    """


@pytest.mark.parametrize("code", [HANGS, "raise KeyboardInterrupt", "raise SystemExit(0)", "x = 1"])
def test_the_help_imports_no_command_of_a_package_and_check_names_one_that_is_broken(
    own: Installation, plant: Plant, code: str
) -> None:
    plant("dicom_common.commands", "odd = odd_commands", code)
    helped = own("--help")
    assert helped.code == 0, helped
    assert not helped.err
    assert "\n  odd " in helped.out
    answer = own("check", "--json", "--time-limit", "5")
    assert answer.code == 1, answer
    told = {line["kind"]: line for line in answer.lines}
    assert told["commands.odd"]["status"] == "failed"
    assert "The commands plugin 'odd' is broken" in told["commands.odd"]["detail"]


@pytest.mark.parametrize("failure", ["1 / 0", "raise SystemExit(0)", "raise RuntimeError('hunter2-correct-horse')"])
def test_a_command_that_crashes_names_its_distribution(own: Installation, plant: Plant, failure: str) -> None:
    code = COMMANDS.replace("NAME", "odd").replace('"Does something."', failure)
    plant("dicom_common.commands", "odd = odd_commands", code)
    answer = own("odd")
    answer.fails_with_one_line(
        "this is a bug of odd-commands, which offers the command `odd`: ", "in odd_commands.py line", "to its authors"
    )
    assert "hunter2" not in answer.err
    assert "Traceback" in own("--verbose", "odd").err


@pytest.mark.parametrize("value", ["not_there", "not_there:commands", "not a module"])
def test_a_command_whose_module_is_missing_is_told_by_the_help_and_by_plugins(
    own: Installation, plant: Plant, value: str
) -> None:
    plant("dicom_common.commands", "odd = odd_commands", COMMANDS)
    [file] = own.data.parent.glob("site/*.dist-info/entry_points.txt")
    file.write_text(f"[dicom_common.commands]\nodd = {value}\n")
    assert "The commands plugin 'odd' is broken" in own("--help").err
    [line] = [line for line in own("plugins", "--json").lines if line["distribution"] == "odd-commands"]
    assert line["state"] == "broken"


def test_a_command_of_a_package_that_has_the_name_of_ours_is_a_conflict(own: Installation, plant: Plant) -> None:
    plant("dicom_common.commands", "check = odd_commands", COMMANDS.replace("NAME", "check"))
    assert "registers the command `check`, which dicom-common has itself" in own("--help").err
    [line] = [line for line in own("plugins", "--json").lines if line["distribution"] == "odd-commands"]
    assert (line["name"], line["state"]) == ("check", "conflict")
    assert "dicom-common has itself" in line["reason"]


def test_plugins_says_how_to_see_which_of_two_readers_runs(own: Installation, plant: Plant) -> None:
    plant("dicom_common.reader", "odd = odd_reader", HANGS)
    answer = own("plugins")
    assert answer.code == 0, answer
    assert "odd-reader" in answer.out
    assert answer.err == "`dicom-common config explain` shows, at reader.engine, which reader runs.\n"
    assert not own("plugins", "--json").err
