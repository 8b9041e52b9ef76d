"""A signal ends a command in good order, in whatever moment it comes."""

from __future__ import annotations

import subprocess
import sys

from cli_command import HANG

_AT_THE_WORST_MOMENT = """
import os, signal
from dicom_common.cli._interrupt import stopping_on_signals
for number in (signal.SIGINT, signal.SIGTERM):
    with stopping_on_signals("Stopping.") as stop:
        with stop._cond:  # as `stop.wait` does for a moment
            os.kill(os.getpid(), number)
        assert stop.wait(60)
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            print("interrupted")
"""


def test_a_signal_amid_waiting_for_one_stops_and_does_not_hang_and_a_second_interrupts() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _AT_THE_WORST_MOMENT], capture_output=True, text=True, timeout=HANG, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "interrupted\n" * 2, "Stopping.\n" * 2)
