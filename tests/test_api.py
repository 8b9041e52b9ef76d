"""What third parties build on is kept: the frozen API of the core, the versions of its contracts, the last releases."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import frozen_api
import griffe
import pluggy
import pytest
from _releases import Release, git, numbers
from _workspace import ROOT, Package, find_package, packages

from dicom_common import core
from dicom_common.core import hookimpl, hookspecs
from dicom_common.host import CONTRACTS, Contract, Plugins
from dicom_common.host._loading import warn_of_deprecated_hooks
from dicom_common.host._opening import warn_of_deprecated

NOW = frozen_api.api()
WITH_CODE = [package for package in packages() if package.module]


def test_the_api_of_the_core_is_the_frozen_one() -> None:
    """Where it fails, the message of the assertion says what to do."""
    frozen = frozen_api.FILE.read_text(encoding="utf-8")
    assert frozen_api.written(NOW) == frozen, frozen_api.CURE


def test_every_hook_and_protocol_has_a_version_and_nothing_else_has() -> None:
    assert {name for name, entry in NOW.items() if entry.kind in ("hook", "Protocol")} == {
        name for name in CONTRACTS if not name.startswith("tls_")
    }
    for name in CONTRACTS:
        assert hasattr(hookspecs if name.startswith("dicom_common_") else core, name)


def test_a_version_is_raised_where_a_contract_has_changed_since_the_last_release() -> None:
    assert list(frozen_api.not_raised(frozen_api.released() or {}, NOW)) == []


CHANGES = {
    "a method comes": (
        "_cache.py",
        "    def close(self)",
        "    def touch(self) -> None: ...\n\n    def close(self)",
        "Cache 2.0",
    ),
    "a method goes": ("_cache.py", "    def close(self)", "    def _close(self)", "Cache 2.0"),
    "an argument comes": (
        "_cache.py",
        "value: bytes, *, ttl: float) -> None",
        "value: bytes, *, ttl: float, tag: str = '') -> None",
        "Cache 2.0",
    ),
    "a hook gains one": (
        "hookspecs.py",
        "def dicom_common_stored(instances: ",
        "def dicom_common_stored(tenant: str, instances: ",
        "dicom_common_stored 1.1",
    ),
    "a hook loses one": (
        "hookspecs.py",
        "def dicom_common_accept(tenant: str, ",
        "def dicom_common_accept(",
        "dicom_common_accept 2.0",
    ),
    "a hook answers otherwise": (
        "hookspecs.py",
        "origin: Origin) -> str | None",
        "origin: Origin) -> bool",
        "dicom_common_accept 2.0",
    ),
    "a contract goes": ("_auth.py", "class LetsEverybodyIn", "class _LetsEverybodyIn", "LetsEverybodyIn is gone"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_an_implementation_notices_needs_another_version(tmp_path: Path, change: str) -> None:
    name, old, new, wanted = CHANGES[change]
    folder = tmp_path / "core"
    shutil.copytree(frozen_api.CORE, folder)
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    [problem] = frozen_api.not_raised(NOW, frozen_api.api(folder))
    contract, _, version = wanted.partition(" ")
    assert problem.startswith(f"{contract} ")
    assert problem.endswith(f"raise its version to {version}.") or "is gone" in version
    # Raised, it is all right; a minor number where a major one is due is not.
    if "gone" not in wanted:
        contracts, file = frozen_api.CONTRACTS.read_text(encoding="utf-8"), tmp_path / "_contracts.py"
        for raised, is_enough in (("1.1", version == "1.1"), (version, True)):
            more = contracts.replace("| {}", f'| {{"{contract}": Contract(version="{raised}")}}')
            assert more != contracts
            file.write_text(more, encoding="utf-8")
            assert (list(frozen_api.not_raised(NOW, frozen_api.api(folder, file))) == []) is is_enough


def test_the_frozen_file_can_be_read_again() -> None:
    assert frozen_api.read(frozen_api.written(NOW)) == NOW


def deprecation_faults(contracts: Mapping[str, Contract], version: str, changelog: str) -> Iterator[str]:
    """Say what the policy of the core's README forbids."""
    for name, contract in contracts.items():
        if not contract.deprecated:
            if contract.leaves or contract.instead:
                yield f"{name} leaves, and is not deprecated"
            continue
        if not contract.leaves or not contract.instead:
            yield f"{name} does not say when it leaves and what to use instead"
        elif minor(contract.leaves) < minor(contract.deprecated) + 2:
            yield f"{name} does not stay for two minor versions"
        elif numbers(version) >= numbers(contract.leaves):
            yield f"{name} should have left"
        if f"`{name}`" not in changelog:
            yield f"{name} is deprecated, and the CHANGELOG does not tell"


def minor(version: str) -> int:
    """Count the minor versions: a major one is worth a thousand."""
    major, minor_number = (int(part) for part in version.split(".")[:2])
    return major * 1000 + minor_number


def test_what_is_deprecated_follows_the_policy() -> None:
    package = find_package("core")
    assert package is not None
    changelog = (package.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    assert list(deprecation_faults(CONTRACTS, package.version, changelog)) == []


@pytest.mark.parametrize(
    ("name", "contract", "version", "fault"),
    [
        ("Cache", Contract(deprecated="0.2", leaves="0.4", instead="Storage"), "0.3.0", ""),
        ("Cache", Contract(deprecated="0.2", leaves="0.3", instead="Storage"), "0.2.0", "two minor versions"),
        ("Cache", Contract(deprecated="0.2", leaves="0.4", instead="Storage"), "0.4.0", "should have left"),
        ("Cache", Contract(deprecated="0.2", leaves="0.4"), "0.2.0", "does not say when"),
        ("Cache", Contract(leaves="0.4"), "0.2.0", "is not deprecated"),
        ("Broker", Contract(deprecated="0.2", leaves="1.0", instead="Cache"), "0.2.0", "CHANGELOG does not tell"),
    ],
)
def test_the_policy_is_enforced(name: str, contract: Contract, version: str, fault: str) -> None:
    faults = list(deprecation_faults({name: contract}, version, "- `Cache` is deprecated."))
    assert len(faults) == bool(fault)
    assert fault in "".join(faults)


def test_who_implements_a_deprecated_protocol_is_warned() -> None:
    class Everybody:
        def everybody(self) -> core.Principal:
            raise NotImplementedError

    leaving = {"LetsEverybodyIn": Contract(deprecated="0.2", leaves="0.4", instead="a token")}
    with pytest.warns(DeprecationWarning, match=r"The auth backend 'x' implements LetsEverybodyIn: deprecated since"):
        warn_of_deprecated("The auth backend 'x'", Everybody(), leaving)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_deprecated("The auth backend 'x'", object(), leaving)
        warn_of_deprecated("The auth backend 'x'", Everybody())


def test_who_implements_a_deprecated_hook_is_warned() -> None:
    class Telling:
        @hookimpl
        def dicom_common_stored(self, instances: object) -> None: ...

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    leaving = Contract(deprecated="0.2", leaves="0.4", instead="the events")
    warn_of_deprecated_hooks(manager, {**CONTRACTS, "dicom_common_stored": leaving})
    with pytest.warns(DeprecationWarning, match="A plugin implements dicom_common_stored: deprecated since dicom-"):
        manager.register(Telling())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Plugins().manager.register(Telling())


def breaking(package: Package, tag: str, repository: Path = ROOT) -> list[str]:
    """Return what griffe finds that breaks the callers of a package since a tag."""
    assert package.module is not None
    source = f"packages/{package.name}/src"
    before = griffe.load_git(package.module, ref=tag, repo=repository, search_paths=[source], resolve_aliases=True)
    now = griffe.load(package.module, search_paths=[str(repository / source)], resolve_aliases=True)
    for module in (before, now):
        # griffe does not know what `__all__ += _module.__all__` adds.
        if isinstance(module, griffe.Module) and not all(isinstance(name, str) for name in module.exports or ()):
            module.exports = [name for name in module.members if not name.startswith("_")]
    return [change.explain() for change in griffe.find_breaking_changes(before, now)]


def allows_breaking(before: str, now: str) -> bool:
    """Tell whether a version may break callers of another: a new major one, or below 1.0 a new minor one."""
    old, new = ([*numbers(version), 0, 0] for version in (before, now))
    return new[0] > old[0] or (new[0] == old[0] == 0 and new[1] > old[1])


def test_nothing_breaks_since_the_last_release_but_in_a_version_that_may() -> None:
    releases = [release for release in map(Release, WITH_CODE) if release.last_tag]
    found = {
        release.package.name: changes
        for release in releases
        if not allows_breaking(str(release.last_version), release.package.version)
        and (changes := breaking(release.package, str(release.last_tag)))
    }
    assert found == {}, "raise the version, or bring back what is gone"


@pytest.mark.slow
def test_a_breaking_change_since_a_tag_is_found(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    words = ["git", "clone", "--quiet", "--shared", "--sparse", str(ROOT), str(repository)]
    subprocess.run(words, check=True)
    for more in (["sparse-checkout", "set", "packages"], ["tag", "released"]):
        subprocess.run(["git", *more], cwd=repository, check=True)
    for name, old, new in (
        ("core", "def get(self, key: str)", "def get(self, name: str)"),
        ("host", "def authorize(policy: Policy, ", "def authorize(rules: Policy, "),
    ):
        package = find_package(name)
        assert package is not None
        assert breaking(package, "released", repository) == []
        source = repository / "packages" / package.name
        [module] = [file for file in source.glob("src/**/*.py") if old in file.read_text(encoding="utf-8")]
        module.write_text(module.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        assert old.split("(")[0].split()[-1].rstrip(":") in "".join(breaking(package, "released", repository))


@pytest.mark.parametrize(
    ("before", "now", "allowed"),
    [
        ("0.1.0", "0.1.1", False),
        ("0.1.9", "0.2.0", True),
        ("1.4", "1.5", False),
        ("1.4", "2.0", True),
        ("0.9", "1.0", True),
    ],
)
def test_a_version_says_whether_it_may_break(before: str, now: str, *, allowed: bool) -> None:
    assert allows_breaking(before, now) is allowed


def test_the_tool_compares() -> None:
    done = subprocess.run(
        [sys.executable, "tools/frozen_api.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert git("rev-parse", "--is-inside-work-tree") == "true"
    assert {field.name for field in fields(Contract)} == {"version", "deprecated", "leaves", "instead"}
