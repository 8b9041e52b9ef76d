"""What a `send` has sent: a small SQLite file in the data folder for each destination, until a study is complete."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from dicom_common.core import Stored
from dicom_common.dimse._calling._destination import Destination
from dicom_common.pipeline import journal_table, open_journal

__all__ = ["SendJournal"]

_TABLE = journal_table(
    "sent",
    "address TEXT, tenant TEXT, study TEXT, sop TEXT, sha256 TEXT, PRIMARY KEY (address, tenant, study, sop)",
    version=1,
)


class SendJournal:
    """The instances that a destination has acknowledged, so that an interrupted command does not send them again.

    Belongs to one thread, and to one process at a time. Losing it costs that instances are sent again.

    Raises:
        UnavailableError: another process has it.
        BackendError: the file cannot be used.
    """

    def __init__(self, data: Path, destination: Destination) -> None:
        self._address = f"{destination.ae_title}@{destination.host}:{destination.port}"
        self._database = open_journal(
            data / "sends" / f"{quote(destination.name, safe='')}.sqlite",
            _TABLE,
            busy=f"Another `send` to {destination.name} is running on this data: wait for its end.",
        )

    def known(self, tenant: str, study_uid: str) -> dict[str, str]:
        """Return the SOP Instance UIDs of a study that were acknowledged, each with the digest of what was sent."""
        rows = self._database.execute(
            "SELECT sop, sha256 FROM sent WHERE address = ? AND tenant = ? AND study = ?",
            (self._address, tenant, study_uid),
        )
        return dict(rows)

    def note(self, stored: Stored) -> None:
        """Note that an instance was acknowledged."""
        row = (self._address, stored.tenant, stored.study_uid, stored.sop_uid, stored.sha256)
        self._database.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", row)

    def forget(self, tenant: str, study_uid: str) -> None:
        """Forget a study: it is complete, or is to be sent from the beginning."""
        self._database.execute(
            "DELETE FROM sent WHERE address = ? AND tenant = ? AND study = ?", (self._address, tenant, study_uid)
        )

    def close(self) -> None:
        """Close the file."""
        self._database.close()
