"""Variables: those that Kubernetes makes for a service are no settings, and an empty one is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_common.core import ConfigError
from dicom_common.host import Config


def links(service: str, *, port: int = 8080, protocol: str = "tcp", port_name: str = "") -> dict[str, str]:
    """Return the variables that a kubelet gives a container for a service."""
    stem, address = service.upper().replace("-", "_"), "10.96.0.17"
    url = f"{protocol}://{address}:{port}"
    form = f"{stem}_PORT_{port}_{protocol.upper()}"
    named = {f"{stem}_SERVICE_PORT_{port_name.upper().replace('-', '_')}": str(port)} if port_name else {}
    return {
        f"{stem}_SERVICE_HOST": address,
        f"{stem}_SERVICE_PORT": str(port),
        **named,
        f"{stem}_PORT": url,
        form: url,
        f"{form}_PROTO": protocol,
        f"{form}_PORT": str(port),
        f"{form}_ADDR": address,
    }


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    "made",
    [
        links("dicom-common"),
        links("dicom-common", port=11112, port_name="dicom-tls"),
        links("dicom-common-db", port=5432),
        links("dicom-common-storage", port=443, port_name="https"),
        links("dicom-common-web-2", protocol="udp", port=53),
        links("dicom-common-port", protocol="sctp"),
        links("dicom-common-service-port"),
        links("dicom-common--db"),
        links("dicom-common") | links("dicom-common-config") | links("dicom-common-env") | links("dicom-common-tenant"),
    ],
    ids=lambda made: " ".join(sorted(made)[:1]),
)
def test_variables_of_a_service_are_no_settings(made: dict[str, str]) -> None:
    assert Config.load(variables=made).tree == {}
    for name, value in made.items():
        if "__" not in name:  # beside the others only: alone it may be a setting
            assert Config.load(variables={name: value}).tree == {}


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    ("name", "table", "key"),
    [
        ("DICOM_COMMON_DB__PORT", "db", "port"),
        ("DICOM_COMMON_STORAGES__COLD__PORT", "storages.cold", "port"),
        ("DICOM_COMMON_CACHE__SERVICE_HOST", "cache", "service_host"),
        ("DICOM_COMMON_BROKER__PORT_8080_TCP", "broker", "port_8080_tcp"),
    ],
)
def test_settings_of_like_names_are_settings_beside_a_service(name: str, table: str, key: str) -> None:
    backend = {"DICOM_COMMON_STORAGES__COLD__BACKEND": "x"} if "." in table else {}
    config = Config.load(variables={name: "5432", **backend, **links("dicom-common"), **links("dicom-common-db")})
    assert config.table(table)[key].value == "5432"


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    "name", ["DICOM_COMMON_PORT", "DICOM_COMMON_DB_PORT", "DICOM_COMMON_PORTS", "DICOM_COMMON_HOST"]
)
def test_a_setting_that_is_none_is_told_where_it_only_looks_like_a_service(name: str) -> None:
    with pytest.raises(ConfigError, match=f"variable {name}: unknown setting"):
        Config.load(variables={name: "5432"})


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("value", ["", "  ", "\n"])
@pytest.mark.parametrize(
    "name",
    [
        "DICOM_COMMON_STORAGE__BUCKET",
        "DICOM_COMMON_DATA",
        "DICOM_COMMON_STORAGES__COLD__ROOT",
        "DICOM_COMMON_CONFIG",
        "DICOM_COMMON_ENV",
    ],
)
def test_an_empty_variable_is_told_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"The variable {name} is empty: give it a value, or unset it"):
        Config.load(variables={name: value})


@pytest.mark.usefixtures("empty_folder")
def test_an_empty_variable_of_dot_env_is_told_too_and_one_of_another_program_is_not() -> None:
    Path(".env").write_text("OTHER=\nDICOM_COMMON_TENANT=  # later\n")
    with pytest.raises(ConfigError, match="The variable DICOM_COMMON_TENANT is empty"):
        Config.load(variables={})


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("{ env = 'EMPTY' }", "the variable EMPTY, which is empty"),
        ("{ env = 'BLANK' }", "the variable BLANK, which is empty"),
        ("{ file = 'secret' }", "which is empty: write the value into it"),
    ],
)
def test_a_reference_to_something_empty_is_told(reference: str, told: str) -> None:
    Path("secret").write_text("\n")
    Path("dicom-common.toml").write_text(f"tenant = {reference}")
    with pytest.raises(ConfigError, match="tenant asks for the ") as caught:
        Config.load(variables={"EMPTY": "", "BLANK": " "})
    assert told in str(caught.value)
