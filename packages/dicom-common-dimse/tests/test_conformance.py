"""The network part of the conformance statement says what the running application entity does."""

from __future__ import annotations

from itertools import islice

import pytest
from live_ae import LiveAe
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.presentation import build_context

from dicom_common.dimse._statement import conformance
from dicom_common.dimse._statement._statuses import STATUSES
from dicom_common.host import Config
from dicom_common.toolkit import StatementSection


def _rows(section: StatementSection, title: str) -> tuple[tuple[str, ...], ...]:
    (table,) = (one for one in section.tables if one.title == title)
    return table.rows


@pytest.fixture(scope="module")
def section() -> StatementSection:
    return conformance(Config.load(variables={}))


def test_what_is_stated_is_accepted_and_nothing_else(ae: LiveAe, section: StatementSection) -> None:
    stated = [uid for _, _, uid, _, _ in _rows(section, "SOP classes as SCP")]
    assert len(stated) == len(set(stated)) > 100
    asked = [*stated, "1.2.840.10008.5.1.4.31", "1.2.826.0.1.3680043.2.1"]
    accepted: set[str] = set()
    left = iter(asked)
    while uids := list(islice(left, 128)):
        scu = AE(ae_title="CT1")
        association = scu.associate("127.0.0.1", ae.port, [build_context(uid) for uid in uids], ae_title="DICOMCOMMON")
        accepted |= {str(context.abstract_syntax) for context in association.accepted_contexts}
        association.release()
    assert accepted == set(stated)


def test_every_stated_transfer_syntax_of_storage_is_accepted(ae: LiveAe, section: StatementSection) -> None:
    (syntaxes,) = (names for name, names in _rows(section, "Transfer syntaxes as SCP") if name == "store")
    from dicom_common.dicom import TRANSFER_SYNTAXES  # noqa: PLC0415 - for this test only

    named = {one.name for one in TRANSFER_SYNTAXES.values()}
    assert all(name in syntaxes for name in named)
    contexts = [build_context("1.2.840.10008.5.1.4.1.1.2", uid) for uid in TRANSFER_SYNTAXES]
    association = AE(ae_title="CT1").associate("127.0.0.1", ae.port, contexts, ae_title="DICOMCOMMON")
    assert len(association.accepted_contexts) == len(TRANSFER_SYNTAXES)
    association.release()


def test_statuses_are_those_of_the_application_entity(ae: LiveAe) -> None:
    stated = {(operation, code) for names, code, _ in STATUSES for operation in names.split(", ")}
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    contexts = [build_context("1.2.840.10008.1.1"), build_context(image.SOPClassUID, "1.2.840.10008.1.2.1")]
    seen: dict[str, int] = {}
    for title in ("CT1", "VIEWER"):
        association = AE(ae_title=title).associate("127.0.0.1", ae.port, contexts, ae_title="DICOMCOMMON")
        assert ("C-ECHO", association.send_c_echo().Status) in stated
        seen[title] = association.send_c_store(image).Status
        association.release()
    assert seen["VIEWER"] == 0x0124  # it may only find
    assert ("All", 0x0124) in stated
    assert seen["CT1"] == 0xA910  # no Study Instance UID: of "Storing instances"


def test_the_settings_are_stated(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("site") / "site.toml"
    file.write_text(
        '[dimse]\nae_title = "ARCHIVE"\nsop_classes = ["1.2.826.0.1.3680043.2.1"]\nmax_associations = 7\n'
        '[dimse.peers.ct1]\nae_title = "CT1"\ntenant = "local"\nallow = ["store"]\n',
        encoding="utf-8",
    )
    section = conformance(Config.load(file, variables={}))
    assert "`ARCHIVE` accepts associations on port 11112" in section.text
    assert ("max_associations", "7") in _rows(section, "Limits")
    assert ("ct1", "CT1", "store", "no", "AE title") in _rows(section, "Peers")
    assert any(uid == "1.2.826.0.1.3680043.2.1" for _, _, uid, _, _ in _rows(section, "SOP classes as SCP"))
