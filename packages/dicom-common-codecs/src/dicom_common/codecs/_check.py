"""What `dicom-common check` says of the codecs: for want of which extra what cannot be decoded."""

from __future__ import annotations

from dicom_common.codecs._coders import missing
from dicom_common.core import Health, HealthStatus

__all__ = ["check"]


def check() -> Health:
    """Tell which images cannot be decoded, or not be compressed, for want of an extra."""
    absent = missing()
    if not absent:
        return Health(status=HealthStatus.OK, detail="All decoders are there.")
    undecoded = sorted({one.uid for one in absent if one.action == "decode"})
    extras = ",".join(sorted({one.extra for one in absent}))
    detail = (
        f"Images in {len(undecoded)} transfer syntaxes cannot be decoded: run `pip install "
        f'"dicom-common-codecs[{extras}]"`, or do without.'
    )
    return Health(status=HealthStatus.DEGRADED, detail=detail, facts={"not_decoded": len(undecoded)})
