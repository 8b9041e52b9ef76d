"""Metadata documents and what is cached of them: those of one tenant are never given for those of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from corpus import instances, small_template
from tenant_sites import backends_of, opened, site_of

from dicom_common.core import NotFoundError
from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, MetadataDocuments, Received
from dicom_common.pipeline._documents._request_cache import cache_key

NORTH, SOUTH = "north", "north-2"
PATIENTS = {NORTH: b"PATIENT-", SOUTH: b"SECRETS-"}
BOTH, THEIRS = f"2.25.4{0:029}", f"2.25.4{1:029}"
"""A study of which each tenant has instances of its own, and one that only the other has."""
SERIES = f"2.25.5{0:029}"


@pytest.fixture
def site(backend: tuple[str, str], request: pytest.FixtureRequest, data: Path) -> dict[str, str]:
    return site_of(backend, request, data) | {"documents.quiet_seconds": "0"}


@pytest.fixture
def services(site: dict[str, str]) -> Iterator[Services]:
    for services in opened(site):
        with Ingest(services) as ingest:
            for tenant, patient in PATIENTS.items():
                made = instances(small_template(), 1 if tenant == NORTH else 2, per_series=1, series_per_study=1)
                sent = [Received(source=data.replace(b"PATIENT-", patient), name="sent") for data in made]
                assert {result.status for result in ingest.store(sent, tenant=tenant)} == {"stored"}
        yield services


def patients(services: Services, tenant: str, study: str, series: str | None = None) -> set[bytes]:
    """Return whose the instances of a document are, and a digest of what makes it that document."""
    documents = MetadataDocuments(services)
    with documents.study(tenant, study) if series is None else documents.series(tenant, study, series) as document:
        found: list[dict[str, Any]] = json.loads(b"".join(document.plain()))
    return {str(instance["00100020"]["Value"][0]).encode()[:8] for instance in found}


def revision(services: Services, tenant: str) -> str:
    with MetadataDocuments(services).study(tenant, BOTH) as document:
        assert document.revision is not None
        return document.revision


@backends_of["cache"]
def test_a_document_is_of_its_tenant_and_what_is_absent_for_one_is_there_for_the_other(services: Services) -> None:
    for _ in range(2):  # made, then kept
        for tenant, patient in PATIENTS.items():
            assert patients(services, tenant, BOTH) == patients(services, tenant, BOTH, SERIES) == {patient}
        with pytest.raises(NotFoundError):
            patients(services, NORTH, THEIRS)
        assert patients(services, SOUTH, THEIRS) == {PATIENTS[SOUTH]}
    assert revision(services, NORTH) != revision(services, SOUTH)


@backends_of["cache"]
def test_a_cached_document_at_the_key_of_another_tenant_is_not_believed(services: Services) -> None:
    keys = {tenant: cache_key(tenant, "metadata", revision(services, tenant)) for tenant in PATIENTS}
    theirs = services.cache.get(keys[SOUTH])
    assert theirs is not None
    assert services.cache.get(keys[NORTH]) is not None
    services.cache.set(keys[NORTH], theirs, ttl=60)
    assert patients(services, NORTH, BOTH) == {PATIENTS[NORTH]}


@pytest.mark.parametrize("backend", [("storage", "filesystem"), ("storage", "encrypted")], ids=lambda pair: pair[1])
def test_a_stored_document_at_the_key_of_another_tenant_is_not_believed(
    site: dict[str, str], services: Services
) -> None:
    for tenant in PATIENTS:
        revision(services, tenant)
    storage = services.storage
    [ours] = [info.key for info in storage.scan(f"{NORTH}/metadata/") if info.key.endswith(f"/{BOTH}.json")]
    theirs = b"".join(storage.read(ours.replace(f"{NORTH}/", f"{SOUTH}/", 1)))
    storage.write(ours, theirs)
    with Services(Config.load(overrides=site, variables={})) as again:  # with nothing in its cache
        assert patients(again, NORTH, BOTH) == {PATIENTS[NORTH]}
