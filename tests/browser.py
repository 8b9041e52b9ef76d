"""A headless Chromium, as a program: what a page shows, as its document and as a picture.

It is spoken to over two pipes (the DevTools protocol, a JSON message and a zero byte each), so that a test waits for
what a page shows, however long a busy machine takes, and not for a time.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["Page", "absent", "document", "opened", "screenshot"]

_PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = [
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync", "--hide-scrollbars", "--mute-audio"),
    *("--window-size=1280,960", "--remote-debugging-pipe", "about:blank"),
]
_LIMIT = 300.0
T = TypeVar("T")


def absent() -> str | None:
    """Return why there is no browser, or None."""
    return None if _PROGRAM else "no chromium on this machine (Debian: apt-get install chromium)"


def document(url: str, folder: Path, *shows: str) -> str:
    """Return the document as HTML once all of these patterns match in it, or at last after five minutes."""
    with opened(url, folder) as page:
        return page.until(page.document, lambda text: all(re.search(pattern, text) for pattern in shows))


def screenshot(url: str, folder: Path, picture: Path, *, shows: Callable[[Path], bool], limit: float = _LIMIT) -> float:
    """Keep a picture of the page as PNG once it shows something, or at last after `limit` seconds; how long it took."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()

    def taken() -> Path:
        picture.write_bytes(page.picture())
        return picture

    with opened(url, folder) as page:
        page.until(taken, shows, limit=limit)
    return time.monotonic() - begun


@contextmanager
def opened(url: str, folder: Path) -> Iterator[Page]:
    """Open a page in a browser of its own; its profile lies below the folder."""
    assert _PROGRAM is not None
    # As root it has no sandbox of its own; the pages are ours, on loopback.
    root = ["--no-sandbox"] if os.getuid() == 0 else []
    told, tells = (_out_of_the_way(end) for end in os.pipe())
    hears, said = (_out_of_the_way(end) for end in os.pipe())
    command = [_PROGRAM, *root, f"--user-data-dir={folder / 'browser'}", *_OPTIONS]
    # It reads from file descriptor 3, and writes to 4.
    shell = ["bash", "-c", f'exec "$@" 3<&{told} 4>&{said}', "browser", *command]
    with (
        (folder / "browser.txt").open("wb") as log,
        subprocess.Popen(shell, pass_fds=(told, said), stdout=log, stderr=log) as browser,
    ):
        os.close(told)
        os.close(said)
        try:
            yield Page(tells, hears, url)
        finally:
            browser.kill()
            os.close(tells)
            os.close(hears)


def _out_of_the_way(end: int) -> int:
    """Give an end of a pipe a number that 3 and 4 do not hide."""
    moved = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(end)
    return moved


class Page:
    """A page that is open; it can be asked, and used, by expressions in JavaScript."""

    def __init__(self, tells: int, hears: int, url: str) -> None:
        self._tells, self._hears = tells, hears
        self._number, self._held, self._session = 0, b"", {}  # type: int, bytes, dict[str, str]
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        self._call("Page.navigate", url=url)
        self.until(lambda: self.evaluated("document.readyState"), lambda state: state == "complete")

    def until(self, look: Callable[[], T], enough: Callable[[T], bool], *, limit: float = _LIMIT) -> T:
        last = time.monotonic() + limit
        while not enough(seen := look()) and time.monotonic() < last:
            time.sleep(0.2)
        return seen

    def document(self) -> str:
        return self.evaluated("document.documentElement.outerHTML")

    def picture(self) -> bytes:
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])

    def comes(self, expression: str) -> bool:
        """Wait until an expression is true; whether it came to that."""
        return self.until(lambda: self.evaluated(expression), lambda value: value == "True") == "True"

    def evaluated(self, expression: str) -> str:
        return str(self._call("Runtime.evaluate", expression=expression)["result"].get("value", ""))

    def _call(self, method: str, **given: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": given, **self._session}
        os.write(self._tells, json.dumps(asked).encode() + b"\0")
        while (answer := self._message()).get("id") != self._number:
            pass
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            assert select.select([self._hears], [], [], _LIMIT)[0], "the browser says nothing"
            received = os.read(self._hears, 1 << 20)
            assert received, "the browser has ended: browser.txt beside its profile says why"
            self._held += received
        message, self._held = self._held.split(b"\0", 1)
        parsed: dict[str, Any] = json.loads(message)
        return parsed
