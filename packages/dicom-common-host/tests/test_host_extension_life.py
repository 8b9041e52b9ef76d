"""Opening and closing extensions that fail or hang: the process goes on, and whose fault it is can be read."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dicom_common.core import BackendError, BrokenPluginError, ConfigError, DicomCommonError, UnavailableError
from dicom_common.host import Plugins, Services

Add = Callable[..., None]
SECRET = "hunter2-correct-horse"
SOURCE = """
import dataclasses, sys, time
from dicom_common.core import Backend, hookimpl

@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    limit: int = 7
    def __post_init__(self):
        CHECK

class Odd(BaseException):
    pass

class Extension:
    def __init__(self, settings, *inner):
        OPEN

    @hookimpl
    def dicom_common_stored(self, instances):
        pass

    def close(self):
        CLOSE

@hookimpl
def dicom_common_extension():
    return Backend("odd", Settings, Extension, built_on=BUILT)
"""
FATES = {
    "ends the process": "sys.exit(0)",
    "interrupts": "raise KeyboardInterrupt",
    "raises what is no exception": f"raise Odd({SECRET!r})",
    "fails": f"raise KeyError({SECRET!r})",
}


@pytest.fixture
def services_of(add_distribution: Add) -> Callable[..., Services]:
    """Services with one extension, some of whose parts do what they are given."""

    def make(*, time_limit: float = 30, **parts: str) -> Services:
        source = SOURCE
        for part in ("CHECK", "OPEN", "CLOSE", "BUILT"):
            source = source.replace(part, parts.get(part.lower(), "None"))
        add_distribution("acme-odd", {"dicom_common.extension": "odd = acme_odd"}, {"acme_odd": source})
        return Services.from_file(overrides={"extensions": ["odd"], "extension_time_limit": time_limit})

    return make


def test_one_that_is_well_is_opened_and_closed(services_of: Callable[..., Services]) -> None:
    with services_of() as services:
        services.extensions.stored([])


@pytest.mark.parametrize("fate", FATES)
def test_one_that_cannot_be_opened_is_an_error_and_never_an_end_of_the_process(
    services_of: Callable[..., Services], fate: str
) -> None:
    with pytest.raises(BackendError, match="backend 'odd' cannot be opened") as caught:
        _ = services_of(open=FATES[fate]).extensions
    assert SECRET not in str(caught.value)


def test_one_that_hangs_while_it_is_opened_is_not_waited_for(services_of: Callable[..., Services]) -> None:
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"'odd' could not be opened within 0\.1 s: raise extension_time_limit"):
        _ = services_of(time_limit=0.1, open="time.sleep(600)").extensions
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("fate", [*FATES, "hangs"])
def test_one_that_cannot_be_closed_is_a_warning(
    services_of: Callable[..., Services], fate: str, caplog: pytest.LogCaptureFixture
) -> None:
    services = services_of(time_limit=3, close=FATES.get(fate, "time.sleep(600)"))
    _ = services.extensions
    services.close()
    assert [message.partition(" (")[0] for message in caplog.messages] == [
        "closing the extension odd " + ("took longer than 3 s" if fate == "hangs" else "failed")
    ]
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("built", "error", "words"),
    [
        ("lambda settings: 1 / 0", BrokenPluginError, r"does not name the tables .* \(ZeroDivisionError\)"),
        ("lambda settings: None", BrokenPluginError, r"does not name the tables .* \(TypeError\)"),
        ("lambda settings: sys.exit(0)", BrokenPluginError, r"does not name the tables .* \(SystemExit\)"),
        ("lambda settings: ['tapes']", ConfigError, "no kind of backend 'tapes'"),
        ("lambda settings: ['storages']", ConfigError, "no kind of backend 'storages'"),
        ("lambda settings: 'db'", ConfigError, "no kind of backend 'd'"),
    ],
)
def test_what_it_is_built_on_is_looked_at_before_it_is_opened(
    services_of: Callable[..., Services], built: str, error: type[DicomCommonError], words: str
) -> None:
    with pytest.raises(error, match=words):
        _ = services_of(built=built).extensions


@pytest.mark.parametrize("failure", ["KeyError", "TypeError", "AttributeError"])
def test_settings_that_fail_in_their_own_check_are_an_error_without_their_text(
    services_of: Callable[..., Services], failure: str
) -> None:
    with pytest.raises(ConfigError, match=f"odd: the settings cannot be checked .{failure}.") as caught:
        _ = services_of(check=f"raise {failure}({SECRET!r})").extensions
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("code", ["time.sleep(600)", "raise KeyboardInterrupt", "raise SystemExit(0)"])
def test_a_command_whose_package_cannot_be_imported_in_time_is_broken(add_distribution: Add, code: str) -> None:
    add_distribution("acme-tool", {"dicom_common.commands": "tool = acme_tool"}, {"acme_tool": f"import time\n{code}"})
    began = time.monotonic()
    with pytest.raises(BrokenPluginError, match="commands plugin 'tool' is broken"):
        Plugins().command("tool", time_limit=0.5)
    assert time.monotonic() - began < 60
