"""Rendering of a CT frame of 512x512 pixels as JPEG: by a warm worker, against the same code in this process."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread, examples
from rows import row, show

from dicom_common.codecs import Codecs, CodecSettings, Rendering
from dicom_common.codecs._tasks import TASKS

_FRAMES = 20
_ROUNDS = 21


def _instance(folder: Path) -> Path:
    """Enlarge pydicom's CT image to 512x512, with a window."""
    data_set = dcmread(examples.get_path("ct"))
    data_set.PixelData = np.kron(data_set.pixel_array, np.ones((4, 4), np.int16)).tobytes()
    data_set.Rows = data_set.Columns = 512
    data_set.WindowCenter, data_set.WindowWidth = 40, 400
    path = folder / "ct.dcm"
    data_set.save_as(path)
    return path


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    for _ in range(_FRAMES):
        call()
    return time.perf_counter() - begun


def run() -> list[dict[str, Any]]:
    """Measure in turns; the header is read once, so that the difference is the worker's."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    with TemporaryDirectory() as folder, Codecs(CodecSettings(workers=1)) as codecs:
        path = _instance(Path(folder))
        with codecs.open(path) as image:
            told = {
                "uid": image.instance.transfer_syntax_uid,
                "decoders": [],
                "pixels": image.pixels.as_json(),
                "display": image.display(1),
                "rendering": Rendering().as_json(),
                "max_pixels": 1 << 26,
            }

            def here() -> object:
                return TASKS["render"](json.loads(json.dumps(told)), memoryview(image.stored_frame(1, 1 << 28)))

            def there() -> object:
                return codecs.render(image)

            _seconds(here), _seconds(there)  # warm
            pairs = [(_seconds(here), _seconds(there)) for _ in range(_ROUNDS)]
    print(f"in process {1000 * statistics.median(one for one, _ in pairs) / _FRAMES:.2f} ms a frame")
    return [row("render in a worker / in process", [one / other for one, other in pairs], 0.6)]


if __name__ == "__main__":
    show(run())
