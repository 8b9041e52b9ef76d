"""Topics, and where groups stand in them: asked of the cluster by an admin client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from kafka import KafkaAdminClient, TopicPartition, errors
from kafka.admin import ConfigResource, OffsetSpec
from kafka.structs import OffsetAndMetadata

from dicom_common.broker.kafka._clients import common, translated
from dicom_common.broker.kafka._settings import Settings
from dicom_common.broker.kafka._topics import Topic, made_with
from dicom_common.core import NotFoundError
from dicom_common.toolkit import Backoff

__all__ = ["Administration"]

P = ParamSpec("P")
T = TypeVar("T")


def _asked_again(method: Callable[Concatenate[Administration, P], T]) -> Callable[Concatenate[Administration, P], T]:
    """Ask again where the cluster is about to have an answer: a coordinator is being chosen, a leader changes."""

    @wraps(method)
    def ask(self: Administration, /, *args: P.args, **kwargs: P.kwargs) -> T:
        backoff = Backoff(time_limit=self.settings.timeout, longest=0.5)
        with translated(self.settings):
            while True:
                try:
                    return method(self, *args, **kwargs)
                except (errors.KafkaConnectionError, errors.KafkaTimeoutError):
                    raise
                except errors.RetriableError:
                    if not backoff.wait():
                        raise

    return ask


class Administration:
    """An admin client; used by one thread at a time.

    Raises:
        BackendError: no broker can be reached.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with translated(settings):
            self._client = KafkaAdminClient(**common(settings))

    @_asked_again
    def partitions(self, topics: Iterable[str]) -> dict[str, list[TopicPartition]]:
        """Return the partitions of those of the topics that exist."""
        found = {}
        for described in self._client.describe_topics(list(topics)):
            if described["error_code"] == errors.UnknownTopicOrPartitionError.errno:
                continue
            if described["error_code"]:
                raise errors.for_code(described["error_code"])
            numbers = sorted(each["partition_index"] for each in described["partitions"])
            found[described["name"]] = [TopicPartition(described["name"], number) for number in numbers]
        return found

    @_asked_again
    def create(self, topics: Sequence[str]) -> None:
        """Make those of the topics that are missing."""
        missing = sorted(set(topics) - set(self.partitions(topics)))
        if not missing:
            return
        for topic in missing:
            shape = {
                "num_partitions": self.settings.partitions,
                "replication_factor": self.settings.replicas,
                "configs": made_with(topic),
            }
            try:
                self._client.create_topics(
                    {topic: shape}, timeout_ms=int(self.settings.timeout * 1000), wait_for_metadata=True
                )
            except errors.TopicAlreadyExistsError:  # by another, a moment ago
                self._client.wait_for_topics([topic])

    @_asked_again
    def backlog(self, topic: str, group: str) -> int:
        """Count what a group has not acknowledged, from the first message on where it never acknowledged any."""
        places = self._places([topic])
        committed = self._committed(group, places)
        first = self._offsets(places, OffsetSpec.EARLIEST)
        last = self._offsets(places, OffsetSpec.LATEST)
        return sum(max(0, last[place] - max(first[place], committed.get(place, 0))) for place in places)

    @_asked_again
    def fix_start(self, topics: Sequence[str], group: str, *, from_start: bool) -> None:
        """Write down where a group begins in partitions that it does not know.

        Else a group that is to begin at the next message would begin at the next one after it is first slow to join.
        """
        places = self._places(topics)
        known = self._committed(group, places)
        new = [place for place in places if place not in known]
        if not new:
            return
        begin = self._offsets(new, OffsetSpec.EARLIEST if from_start else OffsetSpec.LATEST)
        answers = self._client.alter_group_offsets(
            group, {place: OffsetAndMetadata(offset, "", -1) for place, offset in begin.items()}
        )
        for error in answers.values():
            # A group that has members is not touched: they have done so.
            if error not in (errors.NoError, errors.UnknownMemberIdError, errors.RebalanceInProgressError):
                raise error

    @_asked_again
    def forget(self, group: str) -> None:
        """Delete a group without members."""
        answer = self._client.delete_groups([group])[group]  # the name of an error, or OK
        if answer not in ("OK", errors.GroupIdNotFoundError.__name__):
            raise getattr(errors, answer, errors.UnknownError)

    @_asked_again
    def topics(self, names: Iterable[str]) -> list[Topic]:
        """Return those of the topics that exist, with the settings that the user may see."""
        described = {
            topic["name"]: topic["partitions"]
            for topic in self._client.describe_topics(list(names))
            if not topic["error_code"] and topic["partitions"]
        }
        settings = self._settings_of(list(described))
        return [
            Topic(
                name=name,
                copies=min(len(partition["replica_nodes"]) for partition in partitions),
                in_sync=min(len(partition["isr_nodes"]) for partition in partitions),
                settings=settings.get(name, {}),
            )
            for name, partitions in described.items()
        ]

    def _settings_of(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        asked = [ConfigResource("TOPIC", topic) for topic in topics]
        try:
            found = self._client.describe_configs(asked, config_filter="all").get("topic", {}) if asked else {}
        except errors.AuthorizationError:
            return {}  # no fault: the number of copies is reported all the same
        return {
            topic: {name: str(setting["value"]) for name, setting in settings.items()}
            for topic, settings in found.items()
        }

    @_asked_again
    def facts(self) -> dict[str, str | int | float | bool]:
        """Return what is known of the cluster."""
        cluster = self._client.describe_cluster()
        return {"brokers": len(cluster["brokers"]), "cluster": str(cluster.get("cluster_id") or "")}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _places(self, topics: Sequence[str]) -> list[TopicPartition]:
        found = self.partitions(topics)
        if missing := sorted(set(topics) - set(found)):
            raise NotFoundError(f"There is no topic {missing[0]} in Kafka: run `dicom-common init`.")
        return [place for places in found.values() for place in places]

    def _committed(self, group: str, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found = self._client.list_group_offsets({group: list(places)}).get(group, {})
        return {place: kept.offset for place, kept in found.items() if kept is not None and kept.offset >= 0}

    def _offsets(self, places: Sequence[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
        return {
            place: found.offset
            for place, found in self._client.list_partition_offsets(dict.fromkeys(places, spec)).items()
        }
