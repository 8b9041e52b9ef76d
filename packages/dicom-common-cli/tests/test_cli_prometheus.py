"""Health as metrics: what a scraper reads is what `check` found out."""

from __future__ import annotations

from cli_command import Installation
from prometheus_client.parser import text_string_to_metric_families

from dicom_common.cli._prometheus import exposition
from dicom_common.core import Health, HealthStatus

OK, DEGRADED, FAILED = HealthStatus.OK, HealthStatus.DEGRADED, HealthStatus.FAILED


def parsed(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sorted(f"{name}={value}" for name, value in sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_health_and_facts_are_gauges() -> None:
    lines = exposition(
        [
            ("db", "sqlite", Health(status=OK, detail="fine", facts={"free_bytes": 12, "version": "3", "full": True})),
            ("storages.cold", "s3", Health(status=DEGRADED, detail="slow", facts={"latency ms": 1.5})),
            ("broker", "kafka", Health(status=FAILED, detail="gone")),
        ]
    )

    assert parsed("\n".join(lines) + "\n") == {
        ("dicom_common_up", "backend=sqlite", "kind=db"): 1,
        ("dicom_common_up", "backend=s3", "kind=storages", "name=cold"): 1,
        ("dicom_common_up", "backend=kafka", "kind=broker"): 0,
        ("dicom_common_degraded", "backend=sqlite", "kind=db"): 0,
        ("dicom_common_degraded", "backend=s3", "kind=storages", "name=cold"): 1,
        ("dicom_common_degraded", "backend=kafka", "kind=broker"): 0,
        ("dicom_common_db_free_bytes", "backend=sqlite"): 12,
        ("dicom_common_db_full", "backend=sqlite"): 1,
        ("dicom_common_storages_latency_ms", "backend=s3", "name=cold"): 1.5,
    }


def test_a_hostile_name_stays_a_label() -> None:
    lines = list(exposition([("db", 'a"} 1\nforged\\', Health(status=OK, detail=""))]))

    assert ("dicom_common_up", 'backend=a"} 1\nforged\\', "kind=db") in parsed("\n".join(lines) + "\n")


def test_the_command_prints_what_waits(filled: Installation) -> None:
    answer = filled("check", "--prometheus")

    metrics = parsed(answer.out)
    assert metrics["dicom_common_outbox_events", "backend=sqlite"] == 0
    assert metrics["dicom_common_worker_messages", "backend=sqlite"] == 0
    assert metrics["dicom_common_up", "backend=filesystem", "kind=storage"] == 1
