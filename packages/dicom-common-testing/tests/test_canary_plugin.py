"""The watch over test patients' data can fail a test, and does, wherever the data is told."""

from __future__ import annotations

import pytest

from dicom_common.testing import find_canary, make_instance

pytest_plugins = ["pytester"]

LEAKS = {
    "a-log-record": "logging.getLogger('dicom_common.x').debug('stored %s', 'Made^Up1')",
    "a-record-of-another-library": "logging.getLogger('driver').warning('INSERT %r', ('MADE-UP-1',))",
    "a-record-of-a-thread": "t = threading.Thread(target=logging.getLogger('dicom_common').info, args=('Made^Up1',));"
    " t.start(); t.join()",
    "an-error": "str(NotFoundError('there is no patient MADE-UP-1'))",
    "an-error-with-a-constructor-of-its-own": "str(DicomError('no-uid', 'of Doe^Jane'))",
    "an-error-in-a-thread-pool": "futures.ThreadPoolExecutor(1).submit(NotFoundError, 'CANARY').result()",
    "a-header": "Message(key='t|1|2', body=b'{}', headers={'patient': 'Made^Up1'})",
    "a-key": "Event(tenant='t', topic='x', key='Made^Up1', body=b'{}')",
}
HARMLESS = {
    "a-body": "Message(key='t|1|2', body=b'Made^Up1')",
    "an-event-s-body": "Event(tenant='t', topic='x', key='1', body=b'Made^Up1')",
    "the-printing-of-a-result": "print('Made^Up1')",
}
FILE = """
import logging, threading
from concurrent import futures
import pytest
from dicom_common.core import DicomError, Event, Message, NotFoundError

{mark}
def test_one():
    {statement}

def test_two():
    pass
"""


@pytest.mark.parametrize("statement", LEAKS.values(), ids=LEAKS)
def test_a_test_that_tells_a_patients_data_fails_and_its_neighbour_does_not(
    pytester: pytest.Pytester, statement: str
) -> None:
    pytester.makepyfile(FILE.format(mark="", statement=statement))
    result = pytester.runpytest_subprocess("--strict-markers")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*patients' data where it must not be:*holds*"])


@pytest.mark.parametrize("statement", HARMLESS.values(), ids=HARMLESS)
def test_what_may_hold_it_is_let_through(pytester: pytest.Pytester, statement: str) -> None:
    pytester.makepyfile(FILE.format(mark="", statement=statement))
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=2)


def test_a_mark_with_a_reason_lets_a_test_pass_that_means_to(pytester: pytest.Pytester) -> None:
    mark = "@pytest.mark.canary('the point of this test')"
    pytester.makepyfile(FILE.format(mark=mark, statement=LEAKS["an-error"]))
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=2)


def test_the_made_up_patients_are_canaries() -> None:
    instance = make_instance()

    assert find_canary(str(instance.patient_name))
    assert find_canary(f"no patient {instance.patient_id}.")
    assert find_canary("1.2.3.4 CT MODALITY 20260101") is None
