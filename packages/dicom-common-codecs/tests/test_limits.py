"""Whatever is in an image, and whatever happens to a worker, is an error with a reason, and the next call is served."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compressed_images import JPEG, JPEG_2000, JPEG_LS, JPEG_XL, LOSSLESS_JPEG, RLE, encapsulated, frame_of
from made_images import as_file, image

from dicom_common.codecs import CodecReason, Codecs, CodecSettings, Rendering, Viewport
from dicom_common.core import DicomCommonError, DicomError, UnavailableError

SMALL = as_file(image(np.arange(64, dtype=np.uint8).reshape(8, 8)))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pids: list[int], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(is_running, pids)):
        time.sleep(0.02)
    return not any(map(is_running, pids))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (Linux)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def wait_until_at_work(codecs: Codecs) -> int:
    """Wait until the only worker is at a frame: until it has used the processor for a tenth of a second more."""
    (pid,) = codecs.pids()
    begin, end = int(_stat(pid)[11]), time.monotonic() + 60
    while int(_stat(pid)[11]) < begin + os.sysconf("SC_CLK_TCK") / 10:
        assert time.monotonic() < end, "it does not begin"
        time.sleep(0.01)
    return pid


def kill_and_wait(pid: int) -> None:
    """Kill a child, and wait until it is dead; who has started it learns of it later."""
    os.kill(pid, signal.SIGKILL)
    with suppress(OSError):
        while _stat(pid)[0] != "Z":
            time.sleep(0.01)


def slow_rle(side: int) -> bytes:
    """An RLE frame of one value, which pydicom decodes run by run: seconds for a large image."""
    run = bytes([256 - 1, 7])  # two bytes, again and again
    segment = run * (side * side // 2)
    return (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + segment


@pytest.mark.slow
@pytest.mark.parametrize("uid", [RLE, JPEG, LOSSLESS_JPEG, JPEG_LS, JPEG_2000, JPEG_XL])
def test_damaged_frames_are_refused_or_decoded_and_stop_nothing(uid: str) -> None:
    chance = random.Random(uid)
    with Codecs(CodecSettings(workers=1, max_seconds=20, max_memory=1 << 30)) as codecs:
        frame, array = frame_of(codecs, uid)
        assert codecs.decode_frame(encapsulated(frame, uid, array), 1)
        refused = 0
        for number in range(200):
            damaged = bytearray(frame)
            if number % 4 == 0:
                damaged = damaged[: chance.randrange(2, len(damaged))]
            else:
                for _ in range(chance.randrange(1, 12)):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                found = codecs.decode_frame(encapsulated(bytes(damaged), uid, array), 1)
            except DicomError:
                refused += 1
            else:
                assert len(found.data) == array.size
        assert refused
        assert codecs.decode_frame(encapsulated(frame, uid, array), 1)
        pids = codecs.pids()
    assert gone(pids)


@pytest.mark.parametrize("uid", [JPEG, JPEG_LS, JPEG_2000, JPEG_XL])
def test_an_image_of_another_size_than_its_attributes_say_is_not_decoded(codecs: Codecs, uid: str) -> None:
    frame, array = frame_of(codecs, uid)
    with pytest.raises(DicomError) as error:
        codecs.decode_frame(encapsulated(frame, uid, array[:, :8]), 1)
    assert error.value.reason == CodecReason.HEADER_DIFFERS


def test_a_codestream_that_claims_a_huge_size_is_refused_by_its_header(codecs: Codecs) -> None:
    frame, array = frame_of(codecs, JPEG_2000)
    bomb = frame[:8] + (2**31 - 1).to_bytes(4, "big") * 2 + frame[16:]
    with pytest.raises(DicomError) as error:
        codecs.render(encapsulated(bomb, JPEG_2000, array))
    assert error.value.reason == CodecReason.HEADER_DIFFERS


def test_huge_rows_and_columns_are_refused_before_anything_is_allocated(codecs: Codecs) -> None:
    data = encapsulated(slow_rle(4), RLE, np.zeros((4, 4), np.uint8), Rows=65535, Columns=65535)
    for call in (codecs.render, codecs.decode_frame):
        with pytest.raises(DicomError, match="max_pixels") as error:
            call(data, 1)
        assert error.value.reason == CodecReason.TOO_LARGE


def test_limits_are_of_the_frame_and_of_the_picture() -> None:
    with Codecs(CodecSettings(max_frame_bytes=50)) as codecs, pytest.raises(DicomError, match="max_frame_bytes"):
        codecs.decode_frame(SMALL, 1)
    with Codecs(CodecSettings(workers=1, max_pixels=100)) as codecs:
        viewport = Viewport(width=11, height=10)
        with pytest.raises(DicomError, match="viewport"):
            codecs.render(SMALL, rendering=Rendering(viewport=viewport))
        assert codecs.render(SMALL).width == 8


def test_a_frame_that_takes_too_long_is_given_up_and_the_next_is_served() -> None:
    slow = encapsulated(slow_rle(8000), RLE, np.zeros((8000, 8000), np.uint8))
    for settings in (CodecSettings(workers=1, max_seconds=2.0), CodecSettings(workers=1, max_cpu_seconds=1)):
        with Codecs(settings) as codecs:
            assert codecs.render(SMALL).width == 8
            (before,) = codecs.pids()
            with pytest.raises(DicomError) as error:
                codecs.decode_frame(slow, 1)
            assert error.value.reason == CodecReason.TIMEOUT
            assert not is_running(before)
            assert codecs.decode_frame(SMALL, 1).data
            assert codecs.render(SMALL).width == 8


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS has no effect there")
def test_a_frame_that_needs_too_much_memory_is_refused_and_the_next_is_served() -> None:
    made = image(np.zeros((4, 4), np.float32).view(np.uint32), Rows=8000, Columns=8000)
    del made.PixelData
    made.FloatPixelData = bytes(8000 * 8000 * 4)
    with Codecs(CodecSettings(workers=1, max_memory=600 << 20)) as codecs:
        with pytest.raises(DicomError) as error:
            codecs.render(as_file(made))
        assert error.value.reason in (CodecReason.OUT_OF_MEMORY, CodecReason.CRASHED)
        assert codecs.render(SMALL).width == 8


@pytest.mark.kills
def test_a_worker_that_is_killed_in_the_middle_is_an_error_with_a_reason() -> None:
    slow = encapsulated(slow_rle(4096), RLE, np.zeros((4096, 4096), np.uint8))
    with Codecs(CodecSettings(workers=1)) as codecs:
        codecs.render(SMALL)
        killing = threading.Thread(target=lambda: kill_and_wait(wait_until_at_work(codecs)))
        killing.start()
        with pytest.raises(DicomError) as error:
            codecs.decode_frame(slow, 1)
        killing.join()
        assert error.value.reason == CodecReason.CRASHED
        assert codecs.render(SMALL).width == 8
        (idle,) = codecs.pids()
        kill_and_wait(idle)
        assert codecs.render(SMALL).width == 8  # one that died while it was idle costs nothing


@pytest.mark.kills
@pytest.mark.parametrize("busy", [False, True])
def test_a_killed_parent_leaves_no_worker(tmp_path: Path, *, busy: bool) -> None:
    slow = tmp_path / "slow.dcm"
    slow.write_bytes(encapsulated(slow_rle(8000), RLE, np.zeros((8000, 8000), np.uint8)))
    small = tmp_path / "small.dcm"
    small.write_bytes(SMALL)
    program = (
        "import sys, threading, time; from pathlib import Path\n"
        "from dicom_common.codecs import Codecs\n"
        "codecs = Codecs(); codecs.render(Path(sys.argv[1]))\n"
        "if sys.argv[3] == 'True':\n"
        "    threading.Thread(target=codecs.decode_frame, args=(Path(sys.argv[2]), 1), daemon=True).start()\n"
        "    time.sleep(0.5)\n"
        "print(*codecs.pids(), flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(small), str(slow), str(busy)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert pids
        assert all(map(is_running, pids))
        parent.kill()
    assert gone(pids)


def test_close_leaves_no_process_and_ends_those_at_work() -> None:
    slow = encapsulated(slow_rle(8000), RLE, np.zeros((8000, 8000), np.uint8))
    codecs, errors = Codecs(CodecSettings(workers=2)), []

    def work() -> None:
        try:
            codecs.decode_frame(slow, 1)
        except DicomCommonError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(codecs.pids()) < 2:
        time.sleep(0.01)
    time.sleep(0.5)
    pids = codecs.pids()
    codecs.close()
    assert not any(map(is_running, pids))
    for thread in threads:
        thread.join(60)
    assert len(errors) == 4
    assert all(isinstance(error, UnavailableError) for error in errors)
    with pytest.raises(UnavailableError, match="closed"):
        codecs.render(SMALL)


def test_above_the_bound_of_the_queue_a_call_is_refused_at_once() -> None:
    slow = encapsulated(slow_rle(4096), RLE, np.zeros((4096, 4096), np.uint8))
    with Codecs(CodecSettings(workers=1, waiting=0)) as codecs:
        codecs.render(SMALL)
        thread = threading.Thread(target=codecs.decode_frame, args=(slow, 1))
        thread.start()
        wait_until_at_work(codecs)
        with pytest.raises(UnavailableError, match="later"):
            codecs.render(SMALL)
        thread.join()
        assert codecs.render(SMALL).width == 8
    with Codecs(CodecSettings(workers=1, wait_seconds=0.05)) as codecs:
        codecs.render(SMALL)
        thread = threading.Thread(target=codecs.decode_frame, args=(slow, 1))
        thread.start()
        wait_until_at_work(codecs)
        with pytest.raises(UnavailableError, match="in time"):
            codecs.render(SMALL)
        thread.join()


def test_a_slow_frame_does_not_hold_up_others() -> None:
    slow = encapsulated(slow_rle(8000), RLE, np.zeros((8000, 8000), np.uint8))
    with Codecs(CodecSettings(workers=2, max_seconds=600)) as codecs:

        def decode() -> None:
            with pytest.raises(UnavailableError):  # it is ended in the middle
                codecs.decode_frame(slow, 1)

        thread = threading.Thread(target=decode)
        thread.start()
        codecs.render(SMALL)
        for _ in range(20):
            assert codecs.render(SMALL).width == 8
        assert thread.is_alive()
        codecs.close()
        thread.join()


def test_many_threads_share_few_workers() -> None:
    sizes: list[int] = []
    with Codecs(CodecSettings(workers=2)) as codecs:
        threads = [
            threading.Thread(target=lambda: sizes.extend(codecs.render(SMALL).width for _ in range(5)))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sizes == [8] * 60
        assert len(codecs.pids()) <= 2


def test_a_worker_is_replaced_after_so_many_frames() -> None:
    with Codecs(CodecSettings(workers=1, tasks_per_worker=2)) as codecs:
        seen = []
        for _ in range(4):
            codecs.render(SMALL)
            seen.append(codecs.pids())
        assert [len(pids) for pids in seen] == [1, 0, 1, 0]
        assert seen[0] != seen[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_has_workers_of_its_own() -> None:
    with Codecs(CodecSettings(workers=1)) as codecs:
        codecs.render(SMALL)
        mine = codecs.pids()
        child = os.fork()
        if child == 0:
            good = codecs.render(SMALL).width == 8 and codecs.pids() != mine
            codecs.close()
            os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert codecs.render(SMALL).width == 8
        assert codecs.pids() == mine


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_a_worker_has_no_variables_that_could_be_secrets_and_no_room_for_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DICOM_COMMON_DB__PASSWORD", "correct horse")
    with Codecs(CodecSettings(workers=1)) as codecs:
        codecs.render(SMALL)
        (pid,) = codecs.pids()
        assert b"correct horse" not in Path(f"/proc/{pid}/environ").read_bytes()
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
        assert "Max file size             0                    0" in limits
        assert f"Max address space         {2 << 30}" in limits


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"max_seconds": 0.0}, {"max_seconds": float("nan")}, {"max_memory": 1}, {"waiting": -1}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CodecSettings(**wrong)
