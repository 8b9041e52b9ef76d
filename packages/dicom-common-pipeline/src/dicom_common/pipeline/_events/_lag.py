"""How far the events and the workers are behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from dicom_common.core import BackendError, Health, HealthStatus, TopicChecks
from dicom_common.host import Services
from dicom_common.pipeline._events._publish_dead import DEAD_GROUP, dead_topic
from dicom_common.pipeline._settings import TopicSettings, WorkerSettings
from dicom_common.toolkit import call_within

__all__ = ["check_lag"]

_LATE = 300.0
"""Seconds after which an event that waits means that no relay runs, or that the broker does not take it."""


def check_lag(services: Services, *, time_limit: float = 10.0) -> dict[str, Health]:
    """Count what waits: events in the outbox, messages for the workers, dead letters. Never raises.

    `degraded` are an outbox whose oldest event has waited for more than five minutes, and dead letters. Where the
    broker's topics have settings of their own (`TopicChecks`), also whether these keep what waits.

    Args:
        services: the backends.
        time_limit: seconds for each of them.
    """
    parts = {"outbox": _outbox, "worker": _worker, "dead-letters": _dead_letters, "topics": _topics}
    answers = {name: _within(time_limit, part, services) for name, part in parts.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _within(time_limit: float, part: Callable[[Services], Health | None], services: Services) -> Health | None:
    try:
        return call_within(time_limit, lambda: part(services))
    except TimeoutError:
        return Health(status=HealthStatus.DEGRADED, detail=f"not known: no answer within {time_limit:g} s")
    except BackendError as error:  # the backend's own health shows how bad that is
        return Health(status=HealthStatus.DEGRADED, detail=f"not known: {error}")
    except Exception as error:  # noqa: BLE001 - such as a backend that cannot be opened, which its own health shows
        return Health(status=HealthStatus.DEGRADED, detail=f"not known: {type(error).__name__}")


def _outbox(services: Services) -> Health:
    waiting = services.db.backlog()
    if waiting.oldest is None:
        return Health(status=HealthStatus.OK, detail="No event waits.", facts={"events": 0, "oldest_seconds": 0.0})
    age = max(0.0, (datetime.now(UTC) - waiting.oldest).total_seconds())
    facts: dict[str, str | int | float | bool] = {"events": waiting.events, "oldest_seconds": round(age, 1)}
    detail = f"{waiting.events} events wait, the oldest for {age:.0f} s"
    if age <= _LATE:
        return Health(status=HealthStatus.OK, detail=f"{detail}.", facts=facts)
    return Health(status=HealthStatus.DEGRADED, detail=f"{detail}: start `dicom-common relay`.", facts=facts)


def _worker(services: Services) -> Health:
    topic = services.settings("topics", TopicSettings).storage
    waiting = services.broker.backlog(topic, services.settings("worker", WorkerSettings).group)
    return Health(
        status=HealthStatus.OK, detail=f"{waiting} messages wait for the workers.", facts={"messages": waiting}
    )


def _dead_letters(services: Services) -> Health:
    topics = services.settings("topics", TopicSettings).all
    waiting = sum(services.broker.backlog(dead_topic(topic), DEAD_GROUP) for topic in topics)
    if not waiting:
        return Health(status=HealthStatus.OK, detail="No dead letter waits.", facts={"letters": 0})
    detail = f"{waiting} dead letters wait: see `dicom-common dead-letters list`."
    return Health(status=HealthStatus.DEGRADED, detail=detail, facts={"letters": waiting})


def _topics(services: Services) -> Health | None:
    topics = services.settings("topics", TopicSettings).all
    try:
        broker = services.broker
        return broker.check_topics([*topics, *map(dead_topic, topics)]) if isinstance(broker, TopicChecks) else None
    except Exception:  # noqa: BLE001 - the broker's own health shows what is wrong with it
        return None
