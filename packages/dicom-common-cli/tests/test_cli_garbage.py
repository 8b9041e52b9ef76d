"""A command starts without looking for garbage, and one that goes on looks for it as often as Python does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STARTED = """
import gc, os, signal, sys, threading, time
from dicom_common.cli import main

usual = gc.get_threshold()

def watch():
    seldom = False
    for _ in range(3000):
        now = gc.get_threshold()
        if seldom and now == usual:
            print("settled", flush=True)
            time.sleep(0.5)
            break
        seldom = seldom or now[0] > 10 * usual[0]
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [("worker",), ("relay",), ("events", "log_queue", "--follow"), ("serve", "--port", "0"), ("scp", "--port", "0")],
    ids=lambda one: one[0],
)
def test_a_server_looks_for_garbage(tmp_path: Path, command: tuple[str, ...]) -> None:
    if command[0] in ("serve", "scp"):
        pytest.importorskip("dicom_common.web" if command[0] == "serve" else "dicom_common.dimse")
    words = [sys.executable, "-c", STARTED, "--data", str(tmp_path), *command]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "settled" in done.stdout, done.stderr
