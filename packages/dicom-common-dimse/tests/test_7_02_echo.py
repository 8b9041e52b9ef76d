"""conformance.md 7.2: C-ECHO is answered 0000, with the Message ID of its request."""

from __future__ import annotations

from live_ae import LiveAe, dcmtk
from pynetdicom import AE

from dicom_common.dimse import ApplicationEntity


def test_7_2_echoscu_is_answered(ae: LiveAe) -> None:
    said = dcmtk("echoscu", "-v", "-aet", "CT1", "-aec", "DICOMCOMMON", "--repeat", "3", "127.0.0.1", str(ae.port))
    assert said.count("Received Echo Response (Success)") == 3


def test_7_2_the_response_names_its_request(ae: LiveAe) -> None:
    assert isinstance(ae.ae, ApplicationEntity)
    scu = AE(ae_title="CT1")
    scu.add_requested_context("1.2.840.10008.1.1")
    association = scu.associate("127.0.0.1", ae.port, ae_title="DICOMCOMMON")
    assert association.is_established
    for message_id in (1, 7, 65535):
        assert association.send_c_echo(msg_id=message_id).Status == 0x0000
    association.release()
    assert association.is_released
