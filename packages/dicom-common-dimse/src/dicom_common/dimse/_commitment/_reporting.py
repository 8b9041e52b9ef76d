"""Reports on their way: by the association that asked, or by one of our own, for days if need be."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from dicom_common.core import BackendError, UnavailableError
from dicom_common.dimse._commitment._records import Commitment, Commitments
from dicom_common.dimse._commitment._report import Report, verify
from dicom_common.dimse._commitment._request import CLASS, INSTANCE
from dicom_common.dimse._identifiers import encoding_of
from dicom_common.dimse._moving import address_of
from dicom_common.dimse._receiving import UNCOMPRESSED, Operation, Site, Tag, Value
from dicom_common.dimse._requesting import Outgoing, Proposal

__all__ = ["InHand", "Reporting", "report_values"]

_log = logging.getLogger(__name__)
_LEASE: Final = timedelta(minutes=2)
"""For how long a process has a commitment alone; then it is taken for dead."""
_LOOK_SECONDS: Final = 60.0
"""Seconds between two looks for what is due."""
_RESPONSE_SECONDS: Final = 30.0
"""Seconds that a peer may take to answer a report."""
_PATIENCE_SECONDS: Final = 5.0
"""Seconds for which the end of a process waits for a report that is on its way."""
_THREADS: Final = 2
_MOST_IN_HAND: Final = 64
"""Commitments that are verified, or wait for it, with their references in memory; others wait in the storage."""
_SUCCESS: Final = 0x0000


class InHand:
    """A commitment that this process works on, while the association that asked for it may still wait.

    Args:
        commitment: what was asked for.
    """

    def __init__(self, commitment: Commitment) -> None:
        self.commitment = commitment
        self.report: Report | None = None
        self._lock = threading.Lock()
        self._is_ready, self._is_left = threading.Event(), False

    def wait(self, seconds: float) -> bool:
        """Wait for the report; tell whether it is there."""
        return self._is_ready.wait(seconds)

    def leave(self) -> bool:
        """Wait no longer; tell whether the report is there, and now has to go by another association."""
        with self._lock:
            self._is_left = True
            return self._is_ready.is_set()

    def is_ready(self, report: Report | None) -> bool:
        """Hand the report over, None if it cannot be made now; tell whether somebody waits for it."""
        with self._lock:
            self.report = report
            self._is_ready.set()
            return not self._is_left


class Reporting:
    """Verifies what is to be committed, and sends the reports. One for each process.

    Args:
        site: what the associations of the process share.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._settings = site.settings.commitment
        self.commitments = Commitments(site.services.storage, _LEASE, self._settings.max_pending)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="commitment")
        self._places = threading.BoundedSemaphore(_MOST_IN_HAND)
        self._stopping = threading.Event()
        self._looking = threading.Thread(target=self._look, name="commitments", daemon=True)
        self._looking.start()

    def close(self) -> None:
        """End, without waiting for peers: what is not reported is remembered."""
        self._stopping.set()
        self._looking.join(_PATIENCE_SECONDS)
        self._threads.shutdown(wait=False, cancel_futures=True)
        with suppress(BackendError):
            self.commitments.release()

    def begin(self, commitment: Commitment) -> InHand | None:
        """Work on a commitment that was just asked for; None: later, or another process has it already."""
        if not self._places.acquire(blocking=False):
            return None
        if not self.commitments.claim(commitment):
            self._places.release()
            return None
        in_hand = InHand(commitment)
        self._threads.submit(self._verify, in_hand)
        return in_hand

    def leave(self, in_hand: InHand, *, has_arrived: bool) -> None:
        """Wait no longer for a report: if it has not arrived, it goes by an association of our own."""
        if has_arrived:
            self._note(in_hand.commitment, has_arrived=True)
        elif in_hand.leave():
            with suppress(RuntimeError):  # the process ends: it is remembered
                self._threads.submit(self._deliver, in_hand.commitment, in_hand.report)

    def _verify(self, in_hand: InHand) -> None:
        try:
            report = self._report(in_hand.commitment)
            if not in_hand.is_ready(report):
                self._deliver(in_hand.commitment, report)
        finally:
            self._places.release()

    def _report(self, commitment: Commitment) -> Report | None:
        try:
            return verify(self._site.services, commitment.tenant, commitment.transaction_uid, commitment.references)
        except BackendError as error:
            _log.warning("a storage commitment cannot be verified now: %s", type(error).__name__)
            return None

    def _deliver(self, commitment: Commitment, report: Report | None) -> bool:
        """Send a report by an association of our own, or have it sent later; tell whether it has arrived."""
        has_arrived = report is not None and not self._stopping.is_set() and self._sent(commitment, report)
        self._note(commitment, has_arrived=has_arrived)
        return has_arrived

    def _note(self, commitment: Commitment, *, has_arrived: bool) -> None:
        """Remember that a report has arrived, or when it is tried again."""
        try:
            if has_arrived:
                self.commitments.settle(commitment)
            else:
                self._postpone(commitment)
        except BackendError as error:
            _log.warning("the result of a storage commitment cannot be recorded now: %s", type(error).__name__)

    def _sent(self, commitment: Commitment, report: Report) -> bool:
        peer = self._site.settings.peers.get(commitment.peer)
        destination = None if peer is None else address_of(peer)
        if destination is None:
            _log.warning("the peer %s has no host and port for a storage commitment report", commitment.peer)
            return False
        retrieve = self._site.settings.retrieve
        try:
            association = Outgoing.open(
                destination,
                commitment.called,
                [Proposal(CLASS, (syntax,)) for syntax in UNCOMPRESSED[:2]],
                connect_seconds=retrieve.connect_seconds,
                response_seconds=_RESPONSE_SECONDS,
                as_scp=(CLASS,),
            )
        except UnavailableError as error:
            _log.warning("a storage commitment report was not sent: %s", error)
            return False
        try:
            if not association.accepted:
                _log.warning("the peer %s does not accept storage commitment reports", commitment.peer)
                return False
            (_, (syntax,)), context_id = next(iter(association.accepted.items()))
            data = report.data_set(encoding_of(syntax), commitment.called)
            response = association.request(context_id, Operation.N_EVENT_REPORT, report_values(report), [data])
        except UnavailableError as error:
            _log.warning("a storage commitment report got no response: %s", error)
            return False
        finally:
            association.release()
        return response.number(Tag.STATUS) == _SUCCESS

    def _postpone(self, commitment: Commitment) -> None:
        settings, now = self._settings, datetime.now(UTC)
        if now - commitment.asked > timedelta(days=settings.give_up_days):
            _log.error("a storage commitment report to %s was given up", commitment.peer)
            self.commitments.forget(commitment)
            return
        seconds = min(settings.retry_seconds * 2.0 ** min(commitment.tries, 30), settings.max_retry_seconds)
        self.commitments.postpone(commitment, now + timedelta(seconds=seconds))

    def _look(self) -> None:
        """Take up what is due: reports that did not arrive, and what a process left when it died."""
        while not self._stopping.is_set():
            try:
                self._take_up()
            except BackendError as error:
                _log.warning("pending storage commitments cannot be listed now: %s", type(error).__name__)
            self._stopping.wait(min(_LOOK_SECONDS, self._settings.retry_seconds))

    def _take_up(self) -> None:
        now = datetime.now(UTC)
        peers = self._site.settings.peers.values()
        silent: set[str] = set()
        for tenant in sorted({tenant for peer in peers for tenant in (peer.tenant, *peer.called.values()) if tenant}):
            self.commitments.forget_reported(tenant, now - timedelta(days=self._settings.give_up_days))
            for one in self.commitments.pending_of(tenant):
                if self._stopping.is_set():
                    return
                # A peer that takes no report is not asked again in this round: it must not hold up the others.
                if one.due > now or one.peer in silent or not self.commitments.claim(one):
                    continue
                if not self._deliver(one, self._report(one)):
                    silent.add(one.peer)


def report_values(report: Report) -> dict[Tag, Value]:
    """Return the command set of an N-EVENT-REPORT, as far as it says what is reported (PS3.7 10.3.1.1)."""
    return {
        Tag.AFFECTED_SOP_CLASS: CLASS,
        Tag.AFFECTED_SOP_INSTANCE: INSTANCE,
        Tag.EVENT_TYPE: report.event_type,
    }
