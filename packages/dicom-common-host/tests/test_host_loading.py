"""Finding and importing plugins, each of them a real distribution in a folder on the path."""

import ast
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytest
from packaging.requirements import Requirement

from dicom_common.core import (
    Backend,
    BrokenPluginError,
    ConfigError,
    IncompatiblePluginError,
    PluginConflictError,
    PluginNotFoundError,
)
from dicom_common.host import KINDS, Config, PluginInfo, Plugins, Services, explain, installed_plugins
from dicom_common.host._listed_plugins import LISTED

Add = Callable[..., None]

GOOD = """
import dataclasses
from dicom_common.core import Backend, hookimpl

@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    size: int = 1

@hookimpl
def dicom_common_cache():
    return Backend("fake", Settings, lambda settings: settings.size)
"""
CACHE = {"dicom_common.cache": "fake = fake_cache"}


def listed(name: str) -> list[PluginInfo]:
    return [info for info in installed_plugins() if info.name == name]


def broken(kind: str = "cache", name: str = "fake") -> str:
    with pytest.raises(BrokenPluginError) as caught:
        Plugins().backend(kind, name)
    message = str(caught.value)
    assert f"{kind} plugin {name!r} is broken" in message
    assert "Reinstall or upgrade it" in message
    assert "\n" not in message
    return message


def test_a_plugin_is_found_by_name_and_gives_its_backend(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD})
    backend = Plugins().backend("cache", "fake")
    assert isinstance(backend, Backend)
    assert backend.open(backend.settings(size=7)) == 7
    assert listed("fake") == [
        PluginInfo(kind="cache", name="fake", distribution="acme-cache", version="1.0", state="ready")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_group_and_its_hook(add_distribution: Add, kind: str) -> None:
    source = GOOD.replace("dicom_common_cache", f"dicom_common_{kind}")
    add_distribution("acme", {f"dicom_common.{kind}": "fake = fake_any"}, {"fake_any": source})
    assert Plugins().backend(kind, "fake").name == "fake"


def test_a_plugin_that_is_not_installed_is_told_with_those_that_are_and_how_to_add_it(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD})
    with pytest.raises(PluginNotFoundError) as caught:
        Plugins().backend("cache", "fak")
    message = str(caught.value)
    assert "No cache plugin called 'fak' is installed" in message
    assert "fake" in message.partition("installed: ")[2].partition(")")[0]
    assert "Did you mean 'fake'?" in message


@pytest.mark.parametrize("kind", [*KINDS, "extension"])
def test_no_pip_line_is_made_up_for_a_name_that_is_not_listed(kind: str) -> None:
    with pytest.raises(
        PluginNotFoundError, match=f"No {kind} plugin called 'tape' .* To add it: install the distrib"
    ) as caught:
        Plugins().backend(kind, "tape")
    assert "pip install" not in str(caught.value)  # whoever registers that name on an index would be installed


def test_the_pip_line_of_a_listed_plugin_names_its_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])  # nothing is installed
    for kind, listed in LISTED.items():
        for name, distribution in listed.items():
            with pytest.raises(PluginNotFoundError, match=f"is installed[.] To add it: pip install {distribution}[.]$"):
                Plugins().backend(kind, name)
    with pytest.raises(PluginNotFoundError, match=r"called 'postgress' .* Did you mean 'postgres'\?"):
        Plugins().backend("db", "postgress")


def test_two_distributions_with_one_name_are_a_conflict_that_names_both(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD})
    add_distribution("other-cache", CACHE)
    with pytest.raises(PluginConflictError, match=r"acme-cache and other-cache both offer .*'fake'.*uninstall one"):
        Plugins().backend("cache", "fake")
    assert [(info.distribution, info.state) for info in listed("fake")] == [
        ("acme-cache", "conflict"),
        ("other-cache", "conflict"),
    ]


SIZED = """
import dataclasses
from dicom_common.core import Backend, hookimpl

@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    size: int = SIZE

@hookimpl
def dicom_common_KIND():
    return Backend("fake", Settings, lambda settings, *inner: settings)
"""


@pytest.fixture
def twins(add_distribution: Add) -> None:
    """Two distributions that offer a cache, and an extension, of one name."""
    for place, name in enumerate(("acme", "other"), 1):
        for kind in ("cache", "extension"):
            source = SIZED.replace("SIZE", str(place)).replace("KIND", kind)
            module = f"{name}_{kind}"
            add_distribution(f"{name}-{kind}", {f"dicom_common.{kind}": f"fake = {module}"}, {module: source})


@pytest.mark.usefixtures("twins")
def test_two_distributions_with_one_name_are_told_apart_by_the_distribution() -> None:
    plugins = Plugins()
    for kind in ("cache", "extension"):
        for size, chosen in enumerate((f"acme-{kind}:fake", f"Other_{kind}:fake"), 1):
            assert plugins.backend(kind, chosen).settings().size == size
    with pytest.raises(
        PluginConflictError, match=r'write backend = "acme-cache:fake" below \[cache\] to choose one, or un'
    ):
        plugins.backend("cache", "fake")
    with pytest.raises(PluginConflictError, match=r'write extensions = \["acme-extension:fake"\] to choose one'):
        plugins.backend("extension", "fake")
    with pytest.raises(
        PluginNotFoundError,
        match="No cache plugin 'nobody:fake' is installed: 'fake' is offered by acme-cache and other",
    ):
        plugins.backend("cache", "nobody:fake")


@pytest.mark.usefixtures("twins")
def test_a_configuration_names_the_distribution_of_a_backend_and_of_an_extension() -> None:
    overrides = {
        "cache": {"backend": "other-cache:fake", "size": 7},
        "extensions": ["other-extension:fake"],
        "fake": {"size": 9},
    }
    config = Config.load(overrides=overrides)
    with Services(config) as services:
        assert cast("Any", services.cache).size == 7
    rows = {row.key: row.value for row in explain(config, Plugins())}
    assert rows["cache.backend"] == "other-cache:fake"
    assert rows["cache.size"] == 7
    assert rows["fake.size"] == 9
    with pytest.raises(ConfigError, match="extensions has 'fake' more than once"):
        Config.load(overrides={"extensions": ["fake", "acme-extension:fake"]})


@pytest.mark.parametrize("name", ["dicom-common-core", "Dicom_Common.Core"])
def test_a_plugin_for_another_core_is_refused_before_its_import(
    add_distribution: Add, name: str, tmp_path: Path
) -> None:
    trace = tmp_path / "imported"
    source = f"open({str(trace)!r}, 'w').close()\n{GOOD}"
    add_distribution("acme-cache", CACHE, {"fake_cache": source}, requires=(f"{name}>=7,<8",))
    with pytest.raises(IncompatiblePluginError) as caught:
        Plugins().backend("cache", "fake")
    message = str(caught.value)
    assert "acme-cache" in message
    assert "7" in message
    assert version("dicom-common-core") in message
    assert "pip install --upgrade acme-cache" in message
    assert listed("fake")[0].state == "incompatible"
    assert not trace.exists()


def test_a_requirement_of_an_extra_or_of_another_system_is_not_judged(add_distribution: Add) -> None:
    requires = ("dicom-common-core>=9; extra == 'new'", "no-such-thing>=1; sys_platform == 'amiga'", "@@ nonsense")
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD}, requires=requires)
    assert Plugins().backend("cache", "fake").name == "fake"


def test_a_missing_requirement_is_named(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD}, requires=("no-such-sdk>=1",))
    assert "acme-cache needs no-such-sdk, which is not installed" in broken()
    assert listed("fake")[0].state == "broken"


@pytest.mark.parametrize("wanted", [">=99", "<0.1", "~=0.1", ">=1.3,!=1.5.0", "[testing]>=99"])
def test_every_requirement_is_compared_with_what_is_installed(add_distribution: Add, wanted: str) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD}, requires=(f"pluggy{wanted}",))
    present = version("pluggy")
    if Requirement(f"pluggy{wanted}").specifier.contains(present):
        assert listed("fake")[0].state == "ready"
        return
    with pytest.raises(IncompatiblePluginError) as caught:
        Plugins().backend("cache", "fake")
    assert f"(acme-cache) needs pluggy{wanted}, and {present} is installed" in str(caught.value)
    assert (listed("fake")[0].state, listed("fake")[0].reason) == ("incompatible", str(caught.value))


SECRET = "hunter2-correct-horse"


@pytest.mark.parametrize(
    "source",
    [
        f"raise ImportError({SECRET!r})",
        f"raise ModuleNotFoundError({SECRET!r})",
        f"raise ModuleNotFoundError('x', name={SECRET!r})",
        f"raise SyntaxError({SECRET!r})",
        f"raise SyntaxError('x', ({SECRET!r}, 1, 1, {SECRET!r}))",
        f"int({SECRET!r})",
    ],
)
def test_the_text_of_an_import_error_is_treated_as_a_secret(add_distribution: Add, source: str) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": source})
    message = broken()
    assert "importing fake_cache failed" in message
    assert "hunter2" not in message
    assert "Error" in message


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("from json import no_such_name", "ImportError in fake_cache.py line 1"),
        ("\ndef (", "SyntaxError in fake_cache.py line 2"),
        ("import no_such_sdk", "ModuleNotFoundError: No module named 'no_such_sdk'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def (", "SyntaxError"),
        ("x = 1", "does not implement the hook dicom_common_cache"),
        (GOOD.replace("_cache():", "_cahce():"), "hooks do not fit"),
        (GOOD.replace("_cache():", "_cache(surprise):"), "hooks do not fit"),
        (GOOD.replace('"fake"', '"other"'), "one Backend called 'fake', and returns 'other'"),
        (GOOD.replace("    return Backend", "    return tuple, Backend"), "and returns none"),
        (GOOD.replace("    return", "    #"), "and returns none"),
        (GOOD.replace("    return", "    raise KeyError\n    return"), "hook dicom_common_cache failed (KeyError)"),
        (GOOD.replace("    return", "    raise SystemExit\n    return"), "hook dicom_common_cache failed (SystemExit)"),
        (GOOD.replace("Settings, lambda", "dict, lambda"), "settings have to be a dataclass"),
        (GOOD.replace("size: int", "size: 'NoSuchName'"), "settings have to be a dataclass"),
        (GOOD.replace("size: int", "size: 'dataclasses.Nope'"), "settings have to be a dataclass"),
        (GOOD.replace("lambda settings: settings.size", "None"), "one Backend called 'fake'"),
    ],
)
def test_a_broken_plugin_is_told_with_what_is_wrong(add_distribution: Add, source: str, told: str) -> None:
    # A hook without a body needs one.
    add_distribution("acme-cache", CACHE, {"fake_cache": source.replace("    #", "    return None  #")})
    assert told in broken()
    assert "name another in [cache]" in broken()  # and the same again: nothing half-done is kept


def test_the_cause_of_a_broken_plugin_is_chained(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": "import no_such_sdk"})
    with pytest.raises(BrokenPluginError) as caught:
        Plugins().backend("cache", "fake")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_module_that_is_not_there_is_listed_as_broken(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE)
    (info,) = listed("fake")
    assert info.state == "broken"
    assert "its module fake_cache is not there" in info.reason
    assert "importing fake_cache failed" in broken()


def test_an_entry_point_that_names_no_module_is_listed_as_broken(add_distribution: Add) -> None:
    add_distribution("acme-cache", {"dicom_common.cache": "fake = no module!"})
    assert listed("fake")[0].state == "broken"
    broken()


def test_a_broken_plugin_that_is_not_named_disturbs_nobody(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD})
    add_distribution("bad-cache", {"dicom_common.cache": "bad = bad_cache"}, {"bad_cache": "1 / 0"})
    add_distribution("gone-cache", {"dicom_common.cache": "gone = gone_cache"})
    add_distribution("odd-cache", {"dicom_common.cache": "odd = ???"}, requires=("dicom-common-core>=9",))
    assert Plugins().backend("cache", "fake").name == "fake"
    assert {info.name: info.state for info in installed_plugins()}["fake"] == "ready"


def test_a_half_removed_distribution_disturbs_nobody(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD})
    add_distribution("ghost", {"dicom_common.cache": "ghost = ghost_cache"}, metadata=False)
    assert Plugins().backend("cache", "fake").name == "fake"
    assert [info.state for info in listed("ghost")] == ["broken"]


def test_listing_imports_neither_the_plugins_nor_their_sdk(
    add_distribution: Add, run_python: Callable[[str], str]
) -> None:
    modules = {"acme.deep.plugin": f"import acme_sdk\n{GOOD}", "acme.__init__": "import acme_sdk", "acme_sdk": ""}
    add_distribution("acme-cache", {"dicom_common.cache": "fake = acme.deep.plugin"}, modules)
    program = """
import sys
from dicom_common.host import installed_plugins
print([(i.name, i.state) for i in installed_plugins() if i.name == "fake"])
print([name for name in sys.modules if name.startswith("acme")])
"""
    plugins, imported = map(ast.literal_eval, run_python(program).splitlines())
    assert plugins == [("fake", "ready")]
    assert imported == []


def test_a_module_below_namespace_packages_is_found_without_importing_them(add_distribution: Add, site: Path) -> None:
    add_distribution("acme-cache", {"dicom_common.cache": "fake = acme.one.two.plugin"}, {"acme.one.two.plugin": GOOD})
    add_distribution("acme-more", {"dicom_common.cache": "more = acme.one.more"}, folder=site / "elsewhere")
    assert [info.state for info in listed("fake")] == ["ready"]
    assert "acme" not in sys.modules
    assert Plugins().backend("cache", "fake").name == "fake"


def test_a_distribution_that_is_on_the_path_twice_is_one(
    add_distribution: Add, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = site / "twin"
    add_distribution("acme-cache", CACHE, {"fake_cache": GOOD})
    add_distribution("Acme_Cache", CACHE, {"fake_cache": GOOD}, folder=twin)
    monkeypatch.syspath_prepend(twin)
    assert Plugins().backend("cache", "fake").name == "fake"
    assert len(listed("fake")) == 1


def test_one_module_may_offer_two_kinds(add_distribution: Add) -> None:
    source = GOOD + '\n@hookimpl\ndef dicom_common_broker():\n    return Backend("fake", Settings, str)\n'
    add_distribution("acme", {**CACHE, "dicom_common.broker": "fake = fake_cache"}, {"fake_cache": source})
    plugins = Plugins()
    assert plugins.backend("cache", "fake").open(plugins.backend("cache", "fake").settings(size=3)) == 3
    assert plugins.backend("broker", "fake").open is str


def test_one_module_may_offer_two_backends_of_a_kind(add_distribution: Add) -> None:
    source = GOOD + (
        '\n@hookimpl(specname="dicom_common_cache")\ndef second():\n    return Backend("second", Settings, str)\n'
    )
    add_distribution("acme", {"dicom_common.cache": "fake = fake_cache\nsecond = fake_cache"}, {"fake_cache": source})
    plugins = Plugins()
    assert [plugins.backend("cache", name).name for name in ("fake", "second")] == ["fake", "second"]


def test_many_threads_that_ask_at_once_get_the_same_backend(add_distribution: Add) -> None:
    add_distribution("acme-cache", CACHE, {"fake_cache": f"import time\ntime.sleep(0.05)\n{GOOD}"})
    plugins = Plugins()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: plugins.backend("cache", "fake"), range(16)))
    assert len({id(backend.settings) for backend in found}) == 1
