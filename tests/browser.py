"""A headless Chromium, as a program: what a page shows, as its document and as a picture."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["absent", "document", "screenshot"]

_PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = [
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync", "--hide-scrollbars", "--mute-audio"),
]
_LIMIT = 120.0


def absent() -> str | None:
    """Return why there is no browser, or None."""
    return None if _PROGRAM else "no chromium on this machine (Debian: apt-get install chromium)"


def document(url: str, folder: Path, *, seconds: float = 10) -> str:
    """Return the document as HTML after the page has had some seconds of its own time; waits for the network count."""
    return _run(url, folder, seconds, "--dump-dom")


def screenshot(url: str, folder: Path, picture: Path, *, seconds: float = 10) -> None:
    """Make a picture of the page, as PNG."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    _run(url, folder, seconds, f"--screenshot={picture}", "--window-size=1280,960")


def _run(url: str, folder: Path, seconds: float, *options: str) -> str:
    assert _PROGRAM is not None
    # As root it has no sandbox of its own; the pages are ours, on loopback.
    root = ["--no-sandbox"] if os.getuid() == 0 else []
    command = [
        *(_PROGRAM, *_OPTIONS, *root, f"--user-data-dir={folder / 'browser'}"),
        *(f"--virtual-time-budget={seconds * 1000:.0f}", *options, url),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
