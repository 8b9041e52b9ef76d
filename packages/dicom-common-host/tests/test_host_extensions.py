"""Extensions: a failure or a hang of one is contained, and no message repeats what it said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import BrokenPluginError, Instance, Origin, PluginNotFoundError, Stored
from dicom_common.host import Services

Add = Callable[..., None]
PATIENT = "Doe^Jane"
INSTANCE = Instance(
    study_uid="1.2",
    series_uid="1.2.3",
    sop_uid="1.2.3.4",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    size=1,
    sha256="00",
)
STORED = Stored(
    tenant="local",
    study_uid="1.2",
    series_uid="1.2.3",
    sop_uid="1.2.3.4",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    key="local/x.dcm",
    size=1,
    sha256="00",
)

HEAD = "import threading\nfrom dicom_common.core import hookimpl\nGATE = threading.Event()\nCALLS = []\n"
ACCEPT = HEAD + "@hookimpl\ndef dicom_common_accept(tenant, instance, origin):\n    CALLS.append(tenant)\n    "
STORED_HOOK = HEAD + "@hookimpl\ndef dicom_common_stored(instances):\n    CALLS.append(instances)\n    "
COMMANDS = HEAD + "@hookimpl\ndef dicom_common_commands():\n    "


@pytest.fixture
def services_with(add_distribution: Add) -> Callable[..., Services]:
    """Services whose extensions, by name, have these sources."""

    def make(*, time_limit: float = 30, **sources: str) -> Services:
        for name, source in sources.items():
            entries = {"dicom_common.extension": f"{name} = acme_{name}"}
            add_distribution(f"acme-{name}", entries, {f"acme_{name}": source})
        return Services.from_file(overrides={"extensions": list(sources), "extension_time_limit": time_limit})

    return make


def module(name: str) -> Any:
    return __import__(f"acme_{name}")


def accept(services: Services) -> str | None:
    return services.extensions.accept("clinic", INSTANCE, Origin())


def test_without_extensions_everything_is_accepted() -> None:
    extensions = Services.from_file().extensions
    assert extensions.accept("clinic", INSTANCE, Origin()) is None
    extensions.stored([STORED])
    assert extensions.commands() == []


def test_the_first_reason_in_the_order_of_the_configuration_refuses(services_with: Callable[..., Services]) -> None:
    services = services_with(b=ACCEPT + "return None", c=ACCEPT + "return 'too large'", a=ACCEPT + "return 'not today'")
    assert accept(services) == "extension c: too large"
    assert [module(name).CALLS for name in "bca"] == [["clinic"], ["clinic"], []]


def test_each_extension_is_called_once_for_each_instance(services_with: Callable[..., Services]) -> None:
    services = services_with(a=ACCEPT + "return None", b=ACCEPT + "return None", c=STORED_HOOK + "return None")
    assert accept(services) is None
    services.extensions.stored([STORED])
    assert [module(name).CALLS for name in "abc"] == [["clinic"], ["clinic"], [[STORED]]]


def test_a_backend_that_could_be_an_extension_is_called_only_where_it_is_enabled(
    services_with: Callable[..., Services], add_distribution: Add
) -> None:
    backend = ACCEPT + (
        "return 'never asked'\n\nimport dataclasses\nfrom dicom_common.core import Backend\n"
        "@dataclasses.dataclass(frozen=True)\nclass Settings:\n    pass\n\n"
        "@hookimpl\ndef dicom_common_cache():\n    return Backend('both', Settings, lambda s: s)\n"
    )
    entries = {"dicom_common.cache": "both = acme_both", "dicom_common.extension": "both = acme_both"}
    add_distribution("acme-both", entries, {"acme_both": backend})
    services = services_with(a=ACCEPT + "return None")
    assert accept(services) is None
    assert services.plugins.backend("cache", "both").name == "both"
    assert accept(services) is None
    assert module("a").CALLS == ["clinic", "clinic"]
    assert module("both").CALLS == []


@pytest.mark.parametrize("failure", ["KeyError", "SystemExit", "TimeoutError"])
def test_a_gate_that_fails_stays_shut_and_its_message_is_not_repeated(
    services_with: Callable[..., Services], failure: str
) -> None:
    services = services_with(a=ACCEPT + f"raise {failure}({PATIENT!r})")
    for _ in range(5):  # as often as it is asked: an error is no hang
        assert accept(services) == f"extension a failed ({failure})"
    assert len(module("a").CALLS) == 5


def test_a_gate_that_hung_three_times_is_shut_and_not_asked_again(services_with: Callable[..., Services]) -> None:
    services = services_with(time_limit=0.02, a=ACCEPT + "GATE.wait(60)")
    answers = [accept(services) for _ in range(5)]
    module("a").GATE.set()
    assert answers == ["extension a did not answer within 0.02 s"] * 3 + ["extension a does not answer any more"] * 2
    assert len(module("a").CALLS) == 3


@pytest.mark.parametrize("fate", [f"raise KeyError({PATIENT!r})", "raise SystemExit", "GATE.wait(60)"])
def test_one_that_fails_or_hangs_after_the_store_is_logged_and_the_others_are_told(
    services_with: Callable[..., Services], fate: str, caplog: pytest.LogCaptureFixture
) -> None:
    services = services_with(time_limit=0.2, a=STORED_HOOK + fate, b=STORED_HOOK + "return None")
    for _ in range(4):
        services.extensions.stored([STORED])
    module("a").GATE.set()
    assert len(module("b").CALLS) == 4
    assert len(module("a").CALLS) == (3 if "wait" in fate else 4)
    assert len(caplog.records) == 4
    assert all("extension a " in text and "what was stored stays stored" in text for text in caplog.messages)
    assert PATIENT not in caplog.text


def test_subcommands_are_collected_and_one_that_fails_has_none(
    services_with: Callable[..., Services], caplog: pytest.LogCaptureFixture
) -> None:
    services = services_with(
        a=COMMANDS + "return ['one', 'two']",
        b=COMMANDS + "raise KeyError",
        c=COMMANDS + "return 5",
        d=COMMANDS + "return ['three']",
    )
    assert services.extensions.commands() == ["one", "two", "three"]
    assert caplog.messages == [
        "extension b failed (KeyError); its subcommands are missing",
        "extension c returned no list of commands; its subcommands are missing",
    ]


def test_an_extension_without_a_hook_and_one_that_is_not_there_are_told(
    services_with: Callable[..., Services],
) -> None:
    with pytest.raises(BrokenPluginError, match=r"extension 'idle' implements no hook: remove it from `extensions`"):
        _ = services_with(idle="x = 1").extensions
    with pytest.raises(PluginNotFoundError, match=r"No extension plugin called 'gone'"):
        _ = Services.from_file(overrides={"extensions": ["gone"]}).extensions
    with pytest.raises(BrokenPluginError, match="remove it from `extensions`"):
        _ = services_with(bad="1 / 0").extensions


def test_extensions_of_a_variable_keep_their_order(
    services_with: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    services_with(a=ACCEPT + "return 'a'", b=ACCEPT + "return 'b'")
    monkeypatch.setenv("DICOM_COMMON_EXTENSIONS", '["b", "a"]')
    assert accept(Services.from_file()) == "extension b: b"
    assert not Path("dicom-common-data").exists()
