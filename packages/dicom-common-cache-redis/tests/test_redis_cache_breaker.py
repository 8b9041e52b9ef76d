"""When a server that failed is asked again, and by whom."""

from __future__ import annotations

from dicom_common.cache.redis._breaker import Breaker


def test_when_the_pause_is_over_one_caller_tries_and_the_others_wait_for_how_that_ends() -> None:
    breaker = Breaker(2, 3600)
    breaker.failed()
    assert breaker.lets_pass()
    assert breaker.failed(), "it is left alone from now on"
    assert not breaker.lets_pass()
    breaker._until = 0.0  # the pause is over
    assert breaker.lets_pass()
    assert not breaker.lets_pass()
    breaker.succeeded()
    assert breaker.lets_pass()
    assert breaker.lets_pass()
