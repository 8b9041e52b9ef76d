"""Extensions: a failure or a hang of one is contained, and no message repeats what it said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import BrokenPluginError, ConfigError, Instance, Origin, PluginNotFoundError, Stored
from dicom_common.host import Config, Plugins, Services

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

ACCEPT = "@hookimpl\ndef dicom_common_accept(self, tenant, instance, origin):\n    CALLS.append(tenant)\n    "
STORED_HOOK = "@hookimpl\ndef dicom_common_stored(self, instances):\n    CALLS.append(instances)\n    "
COMMANDS = "from dicom_common.core import hookimpl\n@hookimpl\ndef dicom_common_commands():\n    "


@pytest.fixture
def services_with(add_extension: Callable[[str, str], str]) -> Callable[..., Services]:
    """Services whose extensions, by name, have these hooks."""

    def make(*, time_limit: float = 30, **sources: str) -> Services:
        for name, hooks in sources.items():
            add_extension(name, hooks)
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


def test_the_first_reason_in_the_order_of_the_configuration_refuses(services_with: Callable[..., Services]) -> None:
    services = services_with(b=ACCEPT + "return None", c=ACCEPT + "return 'too large'", a=ACCEPT + "return 'not today'")
    assert accept(services) == "extension c: too large"
    assert [module(name).CALLS for name in "bca"] == [["clinic"], ["clinic"], []]


def test_each_extension_is_called_once_for_each_instance(services_with: Callable[..., Services]) -> None:
    services = services_with(a=ACCEPT + "return None", b=ACCEPT + "return None", c=STORED_HOOK + "return None")
    assert accept(services) is None
    services.extensions.stored([STORED])
    assert [module(name).CALLS for name in "abc"] == [["clinic"], ["clinic"], [[STORED]]]


def test_a_backend_of_the_same_module_brings_no_hooks_with_it(
    services_with: Callable[..., Services], add_distribution: Add
) -> None:
    backend = (
        "import dataclasses\nfrom dicom_common.core import Backend, hookimpl\n"
        "@dataclasses.dataclass(frozen=True)\nclass Settings:\n    pass\n\n"
        "@hookimpl\ndef dicom_common_cache():\n    return Backend('both', Settings, lambda s: s)\n"
        "@hookimpl\ndef dicom_common_extension():\n    raise RuntimeError('never enabled')\n"
    )
    entries = {"dicom_common.cache": "both = acme_both", "dicom_common.extension": "both = acme_both"}
    add_distribution("acme-both", entries, {"acme_both": backend})
    services = services_with(a=ACCEPT + "return None")
    assert accept(services) is None
    assert services.plugins.backend("cache", "both").name == "both"
    assert accept(services) is None
    assert module("a").CALLS == ["clinic", "clinic"]


def test_a_hook_of_the_module_itself_is_refused_with_the_cure(add_distribution: Add) -> None:
    hook = "@hookimpl\ndef dicom_common_accept(tenant, instance, origin):\n    return"
    old = "from dicom_common.core import hookimpl\n" + hook
    add_distribution("acme-old", {"dicom_common.extension": "old = acme_old"}, {"acme_old": old})
    with pytest.raises(BrokenPluginError, match="has to be a method of what dicom_common_extension opens"):
        _ = Services.from_file(overrides={"extensions": ["old"]}).extensions


def test_a_hook_with_an_argument_that_is_not_specified_is_refused(services_with: Callable[..., Services]) -> None:
    hook = "@hookimpl\ndef dicom_common_audit(self, services, events):\n    return None"
    with pytest.raises(BrokenPluginError, match=r"'a' do not fit those of this core .*services"):
        _ = services_with(a=hook).extensions


def test_an_extension_has_the_settings_of_its_table_and_is_closed_with_the_services(
    services_with: Callable[..., Services],
) -> None:
    Path("dicom-common.toml").write_text("[a]\nlimit = 3\n")
    with services_with(a=ACCEPT + "return str(self.settings.limit)") as services:
        assert accept(services) == "extension a: 3"
        assert module("a").CALLS == ["clinic"]
    assert module("a").CALLS == ["clinic", "closed"]


def test_a_setting_that_an_extension_does_not_know_is_told(services_with: Callable[..., Services]) -> None:
    Path("dicom-common.toml").write_text("[a]\nlimits = 3\n")
    with pytest.raises(ConfigError, match=r"unknown setting a\.limits\. Did you mean 'limit'"):
        _ = services_with(a=ACCEPT + "return None").extensions


def test_what_an_extension_is_built_on_is_opened_when_it_asks(add_distribution: Add) -> None:
    source = """
import dataclasses
from dicom_common.core import Backend, hookimpl

@dataclasses.dataclass(frozen=True)
class Settings:
    pass

class Gate:
    def __init__(self, settings, cache):
        self.cache = cache

    @hookimpl
    def dicom_common_accept(self, tenant, instance, origin):
        return self.cache().get("reason").decode()

    def close(self):
        pass

@hookimpl
def dicom_common_extension():
    return Backend("gate", Settings, Gate, built_on=lambda settings: ["cache"])
"""
    add_distribution("acme-gate", {"dicom_common.extension": "gate = acme_gate"}, {"acme_gate": source})

    class Reasons:
        def get(self, key: str) -> bytes:
            return key.encode()

    cache: Any = Reasons()
    services = Services(Config.load(overrides={"extensions": ["gate"]}), cache=cache)
    assert accept(services) == "extension gate: reason"


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("True", "a value of type bool"),
        ("False", "a value of type bool"),
        ("0", "a value of type int"),
        (f"[{PATIENT!r}]", "a value of type list"),
        (f"{PATIENT!r}.encode()", "a value of type bytes"),
        ("''", "an empty text"),
        ("' '", "an empty text"),
    ],
)
def test_a_gate_that_answers_anything_but_none_or_a_reason_stays_shut_and_is_named(
    services_with: Callable[..., Services], answer: str, what: str
) -> None:
    services = services_with(a=ACCEPT + f"return {answer}", b=ACCEPT + "return None")
    message = str(accept(services))
    assert message.startswith(f"extension a: its dicom_common_accept returned {what}; it has to return None")
    assert PATIENT not in message
    assert module("b").CALLS == []


def test_a_property_of_an_extension_that_fails_is_told_without_its_text(
    services_with: Callable[..., Services],
) -> None:
    hook = f"@property\ndef state(self):\n    raise ValueError({PATIENT!r})\n{ACCEPT}return None"
    try:
        _ = services_with(a=hook).extensions
    except BrokenPluginError as error:  # pluggy before 1.6 reads properties
        assert PATIENT not in str(error)  # noqa: PT017 - only where it is raised
        assert "do not fit those of this core (ValueError)" in str(error)  # noqa: PT017


@pytest.mark.parametrize("failure", ["KeyError", "SystemExit", "TimeoutError"])
def test_a_gate_that_fails_stays_shut_and_its_message_is_not_repeated(
    services_with: Callable[..., Services], failure: str
) -> None:
    services = services_with(a=ACCEPT + f"raise {failure}({PATIENT!r})")
    for _ in range(5):  # as often as it is asked: an error is no hang
        assert accept(services) == f"extension a failed ({failure})"
    assert len(module("a").CALLS) == 5


def test_a_gate_that_hung_three_times_is_shut_and_not_asked_again(services_with: Callable[..., Services]) -> None:
    services = services_with(time_limit=1, a=ACCEPT + "GATE.wait(60)")
    answers = [accept(services) for _ in range(5)]
    module("a").GATE.set()
    assert answers == ["extension a did not answer within 1 s"] * 3 + ["extension a does not answer any more"] * 2
    assert len(module("a").CALLS) == 3


@pytest.mark.parametrize("fate", [f"raise KeyError({PATIENT!r})", "raise SystemExit", "GATE.wait(60)"])
def test_one_that_fails_or_hangs_after_the_store_is_logged_and_the_others_are_told(
    services_with: Callable[..., Services], fate: str, caplog: pytest.LogCaptureFixture
) -> None:
    services = services_with(time_limit=2, a=STORED_HOOK + fate, b=STORED_HOOK + "return None")
    for _ in range(4):
        services.extensions.stored([STORED])
    module("a").GATE.set()
    assert len(module("b").CALLS) == 4
    assert len(module("a").CALLS) == (3 if "wait" in fate else 4)
    assert len(caplog.records) == 4
    assert all("extension a " in text and "what was stored stays stored" in text for text in caplog.messages)
    assert PATIENT not in caplog.text


def test_a_command_is_found_by_its_name_and_a_misnamed_or_broken_one_is_told(add_distribution: Add) -> None:
    named = "import types\none = types.SimpleNamespace(name='one')\n"
    add_distribution(
        "acme-tools",
        {"dicom_common.commands": "one = acme_one\ntwo = acme_one\nthree = acme_three"},
        {"acme_one": named + COMMANDS + "return [one]", "acme_three": COMMANDS + "raise KeyError"},
    )
    assert Plugins().command("one").name == "one"
    with pytest.raises(BrokenPluginError, match="offers no command called 'two'"):
        Plugins().command("two")
    with pytest.raises(BrokenPluginError, match=r"dicom_common_commands failed \(KeyError\)"):
        Plugins().command("three")
    with pytest.raises(PluginNotFoundError):
        Plugins().command("four")


def test_an_extension_without_a_hook_and_one_that_is_not_there_are_told(
    services_with: Callable[..., Services],
) -> None:
    with pytest.raises(BrokenPluginError, match=r"extension 'idle' implements no hook: remove it from `extensions`"):
        _ = services_with(idle="x = 1").extensions
    with pytest.raises(PluginNotFoundError, match=r"No extension plugin called 'gone'"):
        _ = Services.from_file(overrides={"extensions": ["gone"]}).extensions
    with pytest.raises(BrokenPluginError, match="remove it from `extensions`"):
        _ = services_with(bad="x = 1 / 0").extensions


def test_extensions_of_a_variable_keep_their_order(
    services_with: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    services_with(a=ACCEPT + "return 'a'", b=ACCEPT + "return 'b'")
    monkeypatch.setenv("DICOM_COMMON_EXTENSIONS", '["b", "a"]')
    assert accept(Services.from_file()) == "extension b: b"
    assert not Path("dicom-common-data").exists()
