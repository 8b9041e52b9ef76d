"""When the keys of an issuer are fetched: ahead of time, by one caller for all, and not as often as strangers like."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from dicom_common.auth.jose._key_set import KeySet
from dicom_common.auth.jose._settings import Settings
from dicom_common.auth.jose._signatures import Verify
from dicom_common.core import UnavailableError

__all__ = ["Fetched", "IssuerKeys", "Source"]

_log = logging.getLogger(__name__)
_REFRESH_AT = 0.75
"""The part of `key_seconds` after which keys are fetched again while the old ones are still used."""
_MOST_ABSENT = 256
_PAUSE = 5.0
"""Seconds after a failed fetch within which there is no other."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Keys, and how old they were, in seconds, when they were handed over."""

    keys: KeySet
    age: float = 0.0


Source = Callable[[bool], Fetched]
"""Gets the keys, or raises UnavailableError. True: those that are published now, and no copy of earlier ones."""


class _Flight:
    """A fetch under way, which any number of callers wait for."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.error: UnavailableError | None = None


class IssuerKeys:
    """The keys of one issuer, as fresh as the settings ask. Thread-safe.

    There is no thread that waits: a caller who finds the keys old begins a fetch, and goes on with them.
    """

    def __init__(self, name: str, source: Source, settings: Settings, monotonic: Callable[[], float]) -> None:
        self._name, self._source, self._settings, self._now = name, source, settings, monotonic
        self._lock = threading.Lock()
        """Guards all below; held for a moment only. `_current` is also read without it."""
        self._current: tuple[KeySet, float] | None = None
        """The keys, and when they were published as far as we know."""
        self._flight: _Flight | None = None
        self._failed = float("-inf")
        self._searched = float("-inf")
        """When a fetch for an unknown key id last began. Other fetches do not count: they are not the strangers'."""
        self._absent: dict[str, float] = {}
        """Key ids that were searched for in vain, and until when they are not searched for again."""

    def find(self, kid: str | None, algorithm: str) -> Verify | None:
        """Return the key for a token, or None.

        Raises:
            UnavailableError: there are no keys to look into.
        """
        keys = self.keys()
        key = keys.find(kid, algorithm)
        if key is not None or kid is None or kid in keys:
            return key
        return self._search(kid, algorithm)

    def keys(self) -> KeySet:
        """Return the keys; waits for a fetch only where they are too old, or there are none.

        Raises:
            UnavailableError: there are none that may be used.
        """
        life = self._settings.key_seconds
        current, now = self._current, self._now()
        if current is not None and now - current[1] < life * _REFRESH_AT:
            return current[0]
        flight = self.refresh()
        current, now = self._current, self._now()
        if current is not None and now - current[1] < life:
            return current[0]
        if flight is not None:
            self._wait(flight)
        current, now = self._current, self._now()
        if current is not None and now - current[1] < life + self._settings.stale_seconds:
            return current[0]
        error = flight.error if flight is not None else None
        raise UnavailableError(
            f"The keys of the issuer {self._name} cannot be had: {error or 'the last fetch failed.'}"
        )

    def refresh(self) -> _Flight | None:
        """Begin a fetch, or join the one under way; None where there is no need, and in the pause after a failure."""
        with self._lock:
            current, now = self._current, self._now()
            # Another's fetch may have landed since the caller looked.
            is_fresh = current is not None and now - current[1] < self._settings.key_seconds * _REFRESH_AT
            if self._flight is None and not is_fresh and now >= self._failed + _PAUSE:
                self._begin(published_now=False)
            return self._flight

    def age(self) -> float | None:
        """Return how old the keys are, in seconds; None where there are none."""
        current = self._current
        return None if current is None else self._now() - current[1]

    def _search(self, kid: str, algorithm: str) -> Verify | None:
        """Look for a key id that is not known: the issuer may have a new key since the last fetch."""
        while True:
            with self._lock:
                # Another's fetch may have landed since the caller looked.
                keys = self._current[0] if self._current is not None else None
                if keys is not None and kid in keys:
                    return keys.find(kid, algorithm)
                ours = self._flight is None
                if ours and not self._may_search(kid):
                    return None
                if ours:
                    self._searched = self._now()
                    self._begin(published_now=True)
                flight = self._flight
            assert flight is not None
            self._wait(flight)
            if not flight.landed.is_set():
                return None
            if ours:
                return self._found(kid, algorithm, flight)
            # A fetch that others began may have come before the key: look again.

    def _may_search(self, kid: str) -> bool:
        now = self._now()
        rests = now < max(self._searched + self._settings.cool_down, self._failed + _PAUSE)
        return not rests and now >= self._absent.get(kid, now)

    def _found(self, kid: str, algorithm: str, flight: _Flight) -> Verify | None:
        """Return the key after a search for it; remember a search in vain."""
        keys = self._current[0] if self._current is not None else None
        if keys is not None and kid in keys:
            return keys.find(kid, algorithm)
        if flight.error is None:
            self._remember_absent(kid)
        return None

    def _remember_absent(self, kid: str) -> None:
        with self._lock:
            while len(self._absent) >= _MOST_ABSENT:
                del self._absent[next(iter(self._absent))]  # the oldest
            # The fetch in the background finds a key of this id no later than this.
            self._absent[kid] = self._now() + self._settings.key_seconds * _REFRESH_AT

    def _begin(self, *, published_now: bool) -> None:
        flight = self._flight = _Flight()
        threading.Thread(
            target=self._fly, args=(flight, published_now), name=f"keys-of-{self._name}", daemon=True
        ).start()

    def _fly(self, flight: _Flight, published_now: bool) -> None:
        started = self._now()
        try:
            fetched = self._source(published_now)
        except UnavailableError as error:
            flight.error = error
            _log.warning("the keys of the issuer %s could not be fetched: %s", self._name, error)
        except Exception as error:  # noqa: BLE001 - whoever waits must be told
            flight.error = UnavailableError(f"fetching failed ({type(error).__name__}).")
            _log.exception("fetching the keys of the issuer %s failed", self._name)
        with self._lock:
            if flight.error is None:
                self._keep(fetched, started - fetched.age)
            else:
                self._failed = self._now()
            self._flight = None
        flight.landed.set()

    def _keep(self, fetched: Fetched, published: float) -> None:
        # A copy that stands in for the issuer may be older than what is here: a withdrawn key would be back.
        if self._current is None or published >= self._current[1]:
            self._current = (fetched.keys, published)
        if fetched.age >= self._settings.key_seconds * _REFRESH_AT:
            self._failed = self._now()  # the issuer was not reached: there is a pause, as after an error

    def _wait(self, flight: _Flight) -> None:
        # The fetch has its own time limit; discovery and keys are two of them.
        flight.landed.wait(2 * self._settings.time_limit + 1)
