"""The installations that exchange instances by DIMSE: ours, Orthanc, and dcmqrscp of DCMTK, by their configurations."""

from __future__ import annotations

from pathlib import Path

from dimse_peers import HOST, Site


def our_site(folder: Path, ports: dict[str, int]) -> Site:
    """Configure an installation of ours that every peer may use."""
    destinations = {
        "storescp": "STORESCP",
        "qrscp": "QRSCP",
        "pystore": "PYSTORE",
        "mover": "MOVER",
        "pymover": "PYMOVER",
    }
    tables = "".join(
        f'[dimse.peers.{name}]\nae_title = "{title}"\nhost = "{HOST}"\nport = {ports[name]}\ntenant = "local"\n'
        for name, title in destinations.items()
    )
    (folder / "site.toml").write_text(
        f"""data = "data"
        [dimse]
        port = {ports["us"]}
        any_sop_class = true
        [dimse.retrieve]
        keep_seconds = 0
        [dimse.peers.dcmtk]
        ae_title = "DCMTK"
        tenant = "dcmtk"
        allow = ["store"]
        [dimse.peers.python]
        ae_title = "PYTHON"
        tenant = "python"
        allow = ["store"]
        [dimse.peers.reader]
        ae_title = "READER"
        tenant = "local"
        allow = ["find", "retrieve"]
        [dimse.peers.orthanc]
        ae_title = "ORTHANC"
        host = "{HOST}"
        port = {ports["orthanc"]}
        tenant = "local"
        allow = ["store", "find", "retrieve"]
        called = {{ INBOX = "orthanc" }}
        {tables}""",
        encoding="utf-8",
    )
    return Site(folder / "site.toml", ports["us"])


def empty_site(folder: Path, ports: dict[str, int]) -> Site:
    """Configure another installation of ours, which fetches."""
    (folder / "site.toml").write_text(
        f"""data = "data"
        [dimse]
        ae_title = "FETCHER"
        port = {ports["fetcher"]}
        [dimse.peers.orthanc]
        ae_title = "ORTHANC"
        host = "{HOST}"
        port = {ports["orthanc"]}
        tenant = "local"
        allow = ["store"]
        [dimse.peers.qrscp]
        ae_title = "QRSCP"
        host = "{HOST}"
        port = {ports["qrscp"]}
        tenant = "local"
        allow = ["store"]
        """,
        encoding="utf-8",
    )
    return Site(folder / "site.toml", ports["fetcher"])


def orthanc_configuration(folder: Path, ports: dict[str, int]) -> Path:
    """Write the configuration of Orthanc."""
    file = folder / "orthanc.json"
    file.write_text(
        f"""{{"StorageDirectory": "{folder}", "IndexDirectory": "{folder}", "HttpPort": {ports["http"]},
        "DicomPort": {ports["orthanc"]}, "DicomAet": "ORTHANC", "RemoteAccessAllowed": false,
        "AuthenticationEnabled": false, "DicomAlwaysAllowStore": true, "DicomAlwaysAllowFind": true,
        "DicomAlwaysAllowGet": true, "DicomAlwaysAllowMove": true, "UnknownSopClassAccepted": true,
        "DicomModalities": {{"us": ["DICOMCOMMON", "{HOST}", {ports["us"]}],
        "inbox": ["INBOX", "{HOST}", {ports["us"]}],
        "fetcher": ["FETCHER", "{HOST}", {ports["fetcher"]}]}}, "Plugins": []}}""",
        encoding="utf-8",
    )
    return file


def qrscp_configuration(folder: Path, ports: dict[str, int]) -> Path:
    """Write the configuration of dcmqrscp."""
    file = folder / "dcmqrscp.cfg"
    file.write_text(
        f"""NetworkTCPPort = {ports["qrscp"]}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
fetcher = (FETCHER, {HOST}, {ports["fetcher"]})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QRSCP {folder / "data"} RW (500, 1024mb) ANY
AETable END
""",
        encoding="utf-8",
    )
    return file
