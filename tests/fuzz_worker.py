"""One process of the fuzzer: reads the changed objects of a range of numbers, and prints each failure as JSON.

python tests/fuzz_worker.py 12345           read one, say how it was made, and write it to a file
python tests/fuzz_worker.py 10000 20000     read those from 10000 to 19999
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from fuzz_changes import changed
from fuzz_checks import MOST_KILOBYTES, Check, WrongError, peak_kilobytes
from fuzz_objects import templates

WARM_UP = 300
"""Objects that are read before memory is measured: what the reader remembers is bounded, but has to be filled once."""
_MEASURED = 8
"""After how many objects memory is measured, by its peak, which does not fall again."""


def work(first: int, stop: int) -> None:
    """Read a range of numbers; the last line is what was measured. It ends early where memory has grown too much."""
    check, number = Check(), first
    templates()
    for seed in range(-WARM_UP, 0):
        try:
            check(seed)
        except WrongError:
            continue  # negative numbers are no part of any range; their kind is found in those that are
    before, check.accepted, check.slowest = peak_kilobytes(), 0, (0.0, 0)
    grown = 0
    for number in range(first, stop):  # how far it came is told below
        failure = None
        try:
            check(number)
        except WrongError as error:
            failure = str(error)
        if number % _MEASURED == 0 or number == stop - 1:
            grown = peak_kilobytes() - before
        if grown > MOST_KILOBYTES:
            failure = failure or f"memory: {grown >> 10} MB more than at the start"
        if failure is not None:
            print(json.dumps({"seed": number, "object": changed(number).name, "failure": failure}), flush=True)
        if grown > MOST_KILOBYTES:
            break
    seconds, slowest = check.slowest
    measured = {"done": number + 1 - first, "accepted": check.accepted, "seconds": round(seconds, 3)}
    print(json.dumps({**measured, "slowest": slowest, "grown": peak_kilobytes() - before}), flush=True)


def show(seed: int) -> None:
    """Read one object, and say what there is to say about it."""
    found = changed(seed)
    path = Path(tempfile.gettempdir()) / f"fuzz-{seed}.dcm"
    path.write_bytes(found.data)
    print(f"{found.name}: {'; '.join(found.changes)}\n{path}, {len(found.data)} bytes")
    try:
        Check()(seed)
    except WrongError as error:
        print(f"wrong: {error}")
    else:
        print("right")


if __name__ == "__main__":
    match [int(word) for word in sys.argv[1:]]:
        case [seed]:
            show(seed)
        case [first, stop]:
            work(first, stop)
        case _:
            sys.exit(__doc__)
