"""Health as metrics, in the text format of Prometheus, for a node exporter's textfile collector or a scrape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from dicom_common.core import Health, HealthStatus

__all__ = ["exposition"]

_NO_NAME = re.compile(r"[^a-z0-9_]+")


def exposition(answers: Iterable[tuple[str, str | None, Health]]) -> Iterator[str]:
    """Write what `check` found out as metrics, a line each.

    `dicom_common_up` is 0 for what does not work, `dicom_common_degraded` 1 for what works with a promise less. Each
    fact that is a number is a gauge of its own: `dicom_common_outbox_events`.

    Args:
        answers: kind (or `storages.NAME`), name of the backend, and health.
    """
    families: dict[str, list[tuple[str, float]]] = {"up": [], "degraded": []}
    for table, backend, health in answers:
        kind, _, name = table.partition(".")
        labels = {"backend": backend or "", **({"name": name} if name else {})}
        of_all = _labels({"kind": kind, **labels})
        families["up"].append((of_all, float(health.status is not HealthStatus.FAILED)))
        families["degraded"].append((of_all, float(health.status is HealthStatus.DEGRADED)))
        for fact, value in health.facts.items():
            if isinstance(value, int | float):  # a flag is 0 or 1
                family = _NO_NAME.sub("_", f"{kind}_{fact}".lower()).strip("_")
                families.setdefault(family, []).append((_labels(labels), float(value)))
    for family, samples in families.items():
        yield f"# TYPE dicom_common_{family} gauge"
        yield from (f"dicom_common_{family}{labels} {value:.15g}" for labels, value in samples)


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
