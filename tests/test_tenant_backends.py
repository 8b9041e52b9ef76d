"""Two tenants in one backend of every kind: what one does and asks has nothing to do with the other."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from _workspace import packages
from hypothesis import HealthCheck, given, settings, strategies as st
from tenant_sites import SITES, TWO_TENANTS, backends_of, opened, site_of

from dicom_common import core
from dicom_common.core import (
    BackendError,
    BriefSearches,
    Condition,
    Database,
    DicomCommonError,
    Entry,
    Event,
    Instance,
    Interval,
    Level,
    Like,
    Logs,
    Match,
    NotFoundError,
    OneOf,
    Query,
    ReceivedObject,
    RefusedError,
    RequestAttributes,
    Storage,
    WebAccess,
    validate_tenant,
)
from dicom_common.host import KINDS, Services
from dicom_common.pipeline import Layout
from dicom_common.testing import make_access, make_entry, make_instance, make_received

HOLDING_NOTHING = ("auth", "keyring")
"""Kinds of backend in which no data of a tenant lies."""
NUMBERS = itertools.count(1)
HOSTILE = [
    "",
    "%",
    "_",
    "*",
    "' OR '1'='1",
    "{a}%",
    "{a}_",
    "{a} ",
    " {a}",
    "{A}",
    "{a}\n",
    "{a}\0",
    "{a}/",
    "{a}/../{b}",
    "../{b}",
    "{b}/",
    "{b} ",
    "{B}",
    "{b}\0",
    "{b}%",
    "\u200b{b}",
    "{b}\u0301",
]
"""What is no tenant, of the names of two that are: nothing may be had in its name."""


def few(count: int) -> Callable[[Any], Any]:
    """Run so many examples. One installation serves them all: each has tenants that no other has."""
    return settings(
        max_examples=count, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
    )


def examples(backend: tuple[str, str], embedded: int) -> int:
    return 6 if SITES[backend][0] else embedded


@pytest.fixture
def site(backend: tuple[str, str], request: pytest.FixtureRequest, data: Path) -> Iterator[Services]:
    yield from opened(site_of(backend, request, data))


def of_this_example(tenants: tuple[str, str]) -> tuple[str, str]:
    number = next(NUMBERS)
    return f"{number}-{tenants[0]}", f"{number}-{tenants[1]}"


def hostile(tenants: tuple[str, str]) -> list[str]:
    a, b = tenants
    return [text.format(a=a, b=b, A=a.upper(), B=b.upper()) for text in HOSTILE]


def test_every_backend_of_the_repository_is_asked() -> None:
    holding = {kind for kind, _ in SITES}
    assert {*holding, *HOLDING_NOTHING} == set(KINDS)
    offered = {
        (group.removeprefix("dicom_common."), name)
        for package in packages()
        for group, entries in package.pyproject["project"].get("entry-points", {}).items()
        for name in entries
    }
    assert set(SITES) == {(kind, name) for kind, name in offered if kind in holding}


# The index


@dataclass(frozen=True)
class Asked:
    """What is asked for: UIDs that either tenant, both, or none has."""

    studies: Sequence[str]
    series: Sequence[str]
    sops: Sequence[str]


def _queries(tenant: str, asked: Asked) -> Iterator[Query]:
    """Ask at every level, and by attributes of other levels: each way has a statement of its own."""
    uids = {"StudyInstanceUID": asked.studies, "SeriesInstanceUID": asked.series, "SOPInstanceUID": asked.sops}
    day = (date(2026, 1, 1),)
    conditions: list[Condition] = [
        *(OneOf(keyword, tuple(values)) for keyword, values in uids.items()),
        *(Like(keyword, "*P*") for keyword in ("PatientName", "PatientID")),
        *(OneOf(keyword, ("CT",)) for keyword in ("Modality", "ModalitiesInStudy")),
        OneOf("RequestAttributesSequence.ScheduledProcedureStepID", ("STEP",)),
        Interval(("StudyDate",), day, day),
    ]
    yield from (Query(tenant=tenant, level=level) for level in Level)
    for level in (Level.PATIENT, Level.INSTANCE):
        yield from (Query(tenant=tenant, level=level, conditions=(one,)) for one in conditions)


def _paths(asked: Asked) -> Iterator[tuple[str, str | None, str | None]]:
    for study in asked.studies:
        yield study, None, None
    for series in asked.series:
        yield series.rpartition(".")[0], series, None
    for sop in asked.sops:
        yield sop[: -len(".1.1")], sop[: -len(".1")], sop


def _briefly(db: Any, query: Query) -> list[Match]:
    """Search briefly where the database can, and where it knows that this search is brief."""
    query = replace(query, limit=10)
    expected = list(db.find(query))
    found = db.find_briefly(query) if isinstance(db, BriefSearches) else None
    return expected if found is None else found


_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
READS: dict[str, Callable[[Any, str, Asked], Any]] = {
    "find": lambda db, tenant, asked: [list(db.find(query)) for query in _queries(tenant, asked)],
    "find_briefly": lambda db, tenant, asked: [_briefly(db, query) for query in _queries(tenant, asked)],
    "count": lambda db, tenant, asked: [db.count(query) for query in _queries(tenant, asked)],
    "stored": lambda db, tenant, asked: db.stored(tenant, asked.sops),
    "instances": lambda db, tenant, asked: [list(db.instances(tenant, *path)) for path in _paths(asked)],
    "metadata": lambda db, tenant, asked: [list(db.metadata(tenant, *path)) for path in _paths(asked)],
    "metadata_of": lambda db, tenant, asked: [
        db.metadata_of(tenant, level, [dict(zip(_UIDS[: level.value], path, strict=False))])
        for path in _paths(asked)
        for level in (Level.STUDY, Level.SERIES, Level.INSTANCE)
        if all(path[: level.value])
    ],
    "frames": lambda db, tenant, asked: [db.frames(tenant, *path) for path in _paths(asked) if all(path)],
    "revisions": lambda db, tenant, asked: [list(db.revisions(tenant, study)) for study in asked.studies],
    "read_log": lambda db, tenant, asked: [
        db.read_log(kind, tenant, newest_first=order, **more)
        for kind, more in [
            (WebAccess, {}),
            (ReceivedObject, {}),
            *((ReceivedObject, {"study_uid": study}) for study in asked.studies),
        ]
        for order in (False, True)
    ],
}
"""Every method of an index that answers a tenant's question."""
TRIED_ELSEWHERE = {
    **dict.fromkeys(["remove"], "below, by all paths of the other tenant"),
    **dict.fromkeys(["tenant_keys", "rotate_keys", "destroy_keys"], "by the commands on keys"),
    **dict.fromkeys(["active", "wrap", "unwrap"], "by the contract of keyrings"),
}
"""Methods that are given a tenant and answer no question about its data."""


def test_every_method_of_the_core_that_is_given_a_tenant_is_tried() -> None:
    protocols = [each for name in core.__all__ if getattr(each := getattr(core, name), "_is_protocol", False)]
    given_one = {
        name
        for protocol in protocols
        for name, method in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
        and ("tenant" in inspect.signature(method).parameters or Query in get_type_hints(method).values())
    }
    assert given_one == {*READS, *TRIED_ELSEWHERE}


SOME = st.lists(
    st.builds(
        make_instance,
        st.integers(1, 2),
        study=st.integers(1, 2),
        series=st.integers(1, 2),
        revision=st.integers(0, 1),
        patient_id=st.sampled_from(["P", "P%", "p"]),
        request_attributes=st.sampled_from([(), (RequestAttributes("STEP", "PROCEDURE"),)]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda instance: instance.sop_uid,
)
ASKED = Asked(
    studies=("1.2.3.1", "1.2.3.2", "1.2.3.9"),
    series=("1.2.3.1.1", "1.2.3.2.2"),
    sops=("1.2.3.1.1.1", "1.2.3.2.1.2", "1.2.3.9.1.1"),
)


def entries(tenant: str, instances: Sequence[Instance]) -> list[Entry]:
    return [make_entry(instance, tenant=tenant) for instance in instances]


def fill(db: Database, tenant: str, instances: Sequence[Instance]) -> None:
    db.add(entries(tenant, instances), events=lambda _: [Event(tenant=tenant, topic="t", key=tenant, body=b"{}")])
    if isinstance(db, Logs):
        db.write_log([make_received(n, tenant=tenant, key=f"{tenant}/{n}.dcm") for n in range(3)])
        db.write_log([make_access(n, tenant=tenant, path=f"/{tenant}/{n}") for n in range(2)])


def everything(db: Database, tenant: str) -> dict[str, Any]:
    return {name: read(db, tenant, ASKED) for name, read in READS.items() if hasattr(db, name)}


@backends_of["db"]
def test_an_index_answers_a_tenant_as_if_the_other_were_not_there(backend: tuple[str, str], site: Services) -> None:
    db = site.db

    @few(examples(backend, 12))
    @given(TWO_TENANTS, SOME, SOME)
    def run(tenants: tuple[str, str], ours: Sequence[Instance], theirs: Sequence[Instance]) -> None:
        a, b = tenants = of_this_example(tenants)
        nothing = everything(db, a)
        fill(db, b, theirs)
        assert everything(db, a) == nothing
        of_b = everything(db, b)
        for study, series, sop in _paths(ASKED):
            assert db.remove(a, study, series, sop) == []
        fill(db, a, ours)
        of_a = everything(db, a)
        assert of_a != nothing
        assert everything(db, b) == of_b
        for name in random.sample(hostile(tenants), 4):
            assert_nothing(db, name, nothing)
        assert everything(db, a) == of_a
        for study in {instance.study_uid for instance in ours}:
            assert {stored.tenant for stored in db.remove(a, study)} == {a}
        assert everything(db, b) == of_b
        assert everything(db, a)["find"] == nothing["find"]
        assert {event.tenant for event in db.pending(10_000, relay="r", lease=60)} >= {a, b}

    run()


def assert_nothing(db: Database, name: str, nothing: dict[str, Any]) -> None:
    """Assert that a name that is no tenant gets what a tenant without anything gets, or is refused."""
    for method, read in READS.items():
        if not hasattr(db, method):
            continue
        try:
            answer = read(db, name, ASKED)
        except (ValueError, DicomCommonError):
            continue
        assert answer == nothing[method], name
    with contextlib.suppress(ValueError, DicomCommonError):
        assert db.remove(name, "1.2.3.1") == []


@backends_of["db"]
def test_a_tenant_cannot_take_the_object_of_the_other_into_its_own_rows(site: Services) -> None:
    db, instance = site.db, make_instance()
    theirs = make_entry(instance, tenant="south")
    db.add([theirs])
    other = make_instance(7, study=7)
    with contextlib.suppress(BackendError):
        db.add([make_entry(other, tenant="north", key=theirs.key)])
    db.remove("north", other.study_uid)
    assert db.owners([theirs.key])[theirs.key].tenant == "south"
    assert theirs.key not in db.discarded(1000)


# The storage


def keys_of(tenant: str, instances: Sequence[Instance]) -> list[str]:
    return [Layout().key(tenant, instance) for instance in instances]


def contents(storage: Storage, prefix: str) -> dict[str, bytes]:
    return {info.key: b"".join(storage.read(info.key)) for info in storage.scan(prefix)}


@backends_of["storage"]
def test_what_is_below_a_tenant_in_a_storage_is_its_own(backend: tuple[str, str], site: Services) -> None:
    storage = site.storage

    @few(examples(backend, 20))
    @given(TWO_TENANTS, SOME, SOME)
    def run(tenants: tuple[str, str], ours: Sequence[Instance], theirs: Sequence[Instance]) -> None:
        a, b = tenants = of_this_example(tenants)
        for tenant, instances in ((a, ours), (b, theirs)):
            for key in keys_of(tenant, instances):
                storage.write(key, f"bytes of {tenant}".encode())
        of_b = dict.fromkeys(keys_of(b, theirs), f"bytes of {b}".encode())
        assert contents(storage, f"{a}/") == dict.fromkeys(keys_of(a, ours), f"bytes of {a}".encode())
        for key in random.sample(ways_to(tenants, next(iter(of_b))), 5):
            assert_out_of_reach(storage, key)
        for key in keys_of(a, ours):
            storage.delete(key)
        assert contents(storage, f"{a}/") == {}
        assert contents(storage, f"{b}/") == of_b

    run()


def ways_to(tenants: tuple[str, str], key: str) -> list[str]:
    """Return keys that begin with a tenant and might lead to the object of the other."""
    a, b = tenants
    rest = key.removeprefix(f"{b}/")
    steps = ["..", "%2e%2e", "..%2f..", "%252e%252e", ".", "", "..\\", "\uff0e\uff0e", "..\0", "%00", "~"]
    return [f"{a}/{step}/{b}/{rest}" for step in steps] + [
        f"{a}\\..\\{key}",
        f"{a}/{rest}?/../{key}",
        f"/{key}",
        f"./{key}",
    ]


def assert_out_of_reach(storage: Storage, key: str) -> None:
    """Assert that a key leads to nothing: it is refused, or there is no such object."""
    for attempt in (storage.stat, lambda key: b"".join(storage.read(key))):
        with pytest.raises((ValueError, NotFoundError, RefusedError)):
            attempt(key)
    with contextlib.suppress(ValueError, RefusedError):
        storage.delete(key)


@pytest.mark.parametrize("name", [text for text in hostile(("north", "south")) if text not in ("north", "south")])
def test_no_layout_makes_a_key_for_what_is_no_tenant(name: str) -> None:
    with pytest.raises(DicomCommonError):
        validate_tenant(name)
    with pytest.raises(DicomCommonError):
        Layout().key(name, make_instance())


@given(TWO_TENANTS, st.builds(make_instance, st.integers(1, 9)))
def test_the_keys_of_two_tenants_are_never_in_each_others_folder(tenants: tuple[str, str], instance: Instance) -> None:
    a, b = tenants
    for unique in (False, True):
        key = Layout().key(a, instance, unique=unique)
        assert key.startswith(f"{a}/")
        assert not key.startswith(f"{b}/")


# The cache


@backends_of["cache"]
def test_a_cache_keeps_the_entries_of_tenants_apart(backend: tuple[str, str], site: Services) -> None:
    cache = site.cache
    parts = st.text("*?[]%_:|{}\\^abAB1.-", min_size=1, max_size=20)

    @few(examples(backend, 50))
    @given(TWO_TENANTS, parts)
    def run(tenants: tuple[str, str], part: str) -> None:
        a, b = of_this_example(tenants)
        ours, theirs = f"{a}:{part}", f"{b}:{part}"
        cache.set(theirs, b"theirs", ttl=60)
        ways = [ours, ours.upper(), f"{a}:*", "*", f"{b}:*", f"{b}*", theirs[:-1], f"{theirs}\\", f"{b}:[!]"]
        for key in ways:
            if key != theirs:
                assert cache.get(key) is None
                assert not cache.delete(key)
        assert cache.add(ours, b"ours", ttl=60)
        assert cache.get(theirs) == b"theirs"
        assert not cache.delete(ours, only_if=b"theirs")
        assert cache.delete(ours)
        assert cache.get(theirs) == b"theirs"

    run()
