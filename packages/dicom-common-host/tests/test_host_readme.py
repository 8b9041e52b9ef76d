"""The READMEs of the core and of the host: their examples are run, their tables compared with the code."""

import dataclasses
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_common.core import AuthorizationError, Cache, Instance, Origin, Principal, Secret
from dicom_common.host import KINDS, Action, Config, General, Policy, Services, authorize

Add = Callable[..., None]
PACKAGES = Path(__file__).parents[2]
TEXT, PLUGIN_TEXT = (
    (PACKAGES / name / "README.md").read_text("utf-8") for name in ("dicom-common-host", "dicom-common-core")
)


def blocks(text: str) -> list[str]:
    return re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


INSTALL, USE, LAYERS, POLICY = blocks(TEXT)
_, METADATA, MODULE, CHOICE, EXTENSION = blocks(PLUGIN_TEXT)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table behind a heading of a column."""
    table = TEXT[TEXT.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in table]


@pytest.fixture
def null_cache(add_distribution: Add) -> None:
    """The plugin of the README, installed by its own metadata."""
    project = tomllib.loads(METADATA)["project"]
    entries = {
        group: "\n".join(f"{name} = {value}" for name, value in points.items())
        for group, points in project["entry-points"].items()
    }
    requires = tuple(project["dependencies"])
    add_distribution(project["name"], entries, {"acme_cache_null": MODULE}, requires=requires)


def test_the_install_line_names_this_distribution() -> None:
    name = tomllib.loads((PACKAGES / "dicom-common-host" / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "name"
    ]
    assert INSTALL.split() == ["pip", "install", name]


@pytest.mark.usefixtures("null_cache")
def test_the_plugin_of_the_readme_is_chosen_by_its_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    Path("dicom-common.toml").write_text(CHOICE)
    with Services.from_file() as services:
        cache: Cache = services.cache
        assert cache.add("lock", b"me", ttl=1)
        cache.set("key", b"value", ttl=1)
        assert cache.get("key") is None
        assert not cache.delete("key")
    exec(compile(USE, "README.md", "exec"), {})
    assert "cache degraded for tests only\n" in capsys.readouterr().out


@pytest.mark.usefixtures("null_cache")
def test_the_plugin_of_the_readme_has_every_method_of_its_protocol() -> None:
    services = Services.from_file(overrides={"cache.backend": "null"})
    methods = {name for name, value in vars(Cache).items() if callable(value) and not name.startswith("_")}
    assert methods <= set(dir(services.cache))


def test_the_extension_of_the_readme_refuses_what_is_too_large(add_distribution: Add) -> None:
    add_distribution("acme-gate", {"dicom_common.extension": "gate = acme_gate"}, {"acme_gate": EXTENSION})
    small = Instance(
        study_uid="1.2",
        series_uid="1.2.3",
        sop_uid="1.2.3.4",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        size=1,
        sha256="00",
    )
    extensions = Services.from_file(overrides={"extensions": ["gate"]}).extensions
    assert extensions.accept("local", small, Origin()) is None
    large = dataclasses.replace(small, size=3_000_000_000)
    assert extensions.accept("local", large, Origin()) == "extension gate: too large"


def test_the_configuration_of_the_readme_means_what_it_says() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Settings:
        secret_key: Secret

    secret = Path("s3").absolute()
    secret.write_text("hunter2\n")
    Path("dicom-common.toml").write_text(LAYERS.replace("/run/secrets/s3", str(secret)))
    config = Config.load(variables={"SITE": "north"})
    assert (config.general.data, config.general.tenant) == (Path("/srv/pacs"), "north")
    assert config.backend("storage") == "s3"
    assert config.section("storage", Settings).secret_key.reveal() == "hunter2"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    in_code = [
        [field.name, str(field.default) if field.default != () else "none"] for field in dataclasses.fields(General)
    ]
    assert [row[:2] for row in rows("Setting")] == in_code


def test_the_default_backends_are_those_of_the_code() -> None:
    text = " ".join(TEXT.split())
    config = Config.load()
    for kind in KINDS:
        name = config.backend(kind)
        assert (f"`{kind}` is `{name}`" if name else f"there is no `{kind}`") in text


def test_the_policy_does_what_the_text_says(tmp_path: Path) -> None:
    file = tmp_path / "dicom-common.toml"
    file.write_text(POLICY, encoding="utf-8")
    policy = Config.load(file, variables={}).section("policy", Policy)
    reader = Principal(subject="s", tenant="a", scopes=frozenset(["dicom:read"]))
    archivist = Principal(subject="s", tenant="a", scopes=frozenset(["dicom:write"]), roles=frozenset(["archivist"]))
    authorize(policy, reader, Action.SEARCH)
    authorize(policy, archivist, Action.DELETE)
    for who, action in ((reader, Action.DELETE), (archivist, Action.SEARCH), (archivist, Action.STORE)):
        with pytest.raises(AuthorizationError):
            authorize(policy, who, action)
