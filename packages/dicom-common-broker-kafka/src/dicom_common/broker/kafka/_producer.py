"""Publishing: one producer for all threads of a process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaProducer, errors

from dicom_common.broker.kafka._clients import common, compression, explained, translated
from dicom_common.broker.kafka._settings import Settings
from dicom_common.core import Message, PublishError, TooLargeError

__all__ = ["Publisher"]


class Publisher:
    """Sends messages with the producer's own guarantees: all replicas in sync, no duplicate, order kept in a partition.

    Args:
        settings: where, and how.

    Raises:
        BackendError: no broker can be reached.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        milliseconds = int(settings.timeout * 1000)
        with translated(settings):
            self._producer = KafkaProducer(
                acks="all",
                enable_idempotence=True,
                compression_type=compression(settings),
                linger_ms=settings.linger_ms,
                batch_size=settings.batch_bytes,
                max_request_size=settings.max_message_bytes,
                # A request may take as long as a whole publish, but a publish must not end before its request.
                delivery_timeout_ms=milliseconds + settings.linger_ms,
                max_block_ms=milliseconds,
                allow_auto_create_topics=False,  # the broker's own defaults would decide on partitions
                metrics_enabled=False,
                **common(settings),
            )

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """See `Broker.publish`."""
        sent: list[Any] = []
        end = time.monotonic() + self._settings.timeout + 1
        for message in messages:
            try:
                future = self._producer.send(
                    topic,
                    value=message.body,
                    key=message.key.encode(),
                    headers=[(name, text.encode()) for name, text in message.headers.items()],
                )
            except (errors.KafkaError, OSError, AssertionError) as error:
                sent.append(error)
                if isinstance(error, errors.KafkaTimeoutError):
                    # No broker, or a full buffer: each of the others would wait as long.
                    sent += [error] * (len(messages) - len(sent))
                    break
            else:
                sent.append(future)
        # Whether each message is durable is asked below. A flush ends with UnknownError as soon as a batch that the
        # broker found too large is split; its messages are on their way then.
        with suppress(errors.KafkaTimeoutError, errors.UnknownError):
            self._producer.flush(timeout=self._settings.timeout + 1)
        self._raise_for(sent, max(end, time.monotonic() + 1))

    def _raise_for(self, sent: Sequence[Any], give_up: float) -> None:
        failed: dict[int, BaseException] = {}
        for position, future in enumerate(sent):
            if isinstance(future, BaseException):
                failed[position] = future
                continue
            try:
                future.get(timeout=max(0.0, give_up - time.monotonic()))
            except (errors.KafkaError, OSError, AssertionError) as error:
                failed[position] = error
        if failed:
            reasons = [explained(error, self._settings) for error in failed.values()]
            # One that is too large fails for good, and its neighbours in a request with it: the caller has to know.
            why = next((reason for reason in reasons if isinstance(reason, TooLargeError)), reasons[0])
            why.__cause__ = list(failed.values())[reasons.index(why)]
            raise PublishError(
                f"{len(failed)} of {len(sent)} messages are not known to be durable: {why}", tuple(failed)
            ) from why

    def close(self) -> None:
        """End the producer's thread; what is still there was never acknowledged."""
        with suppress(errors.KafkaError):
            self._producer.close(timeout=0)
