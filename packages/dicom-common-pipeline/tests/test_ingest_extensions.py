"""Extensions: one may refuse an instance, none can harm a store. They are real distributions on the path."""

from __future__ import annotations

import importlib
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_site import Make, Site, extension_source
from queued_site import DEAD, messages, queue, work

from dicom_common.core import PluginError
from dicom_common.pipeline import Ingest, Received

EXTENSIONS = {
    "gate": """
        def dicom_common_accept(tenant, instance, origin):
            return "not for us" if instance.instance_number == 13 else None
        """,
    "failing": """
        def dicom_common_accept(tenant, instance, origin):
            raise ValueError(instance.patient_id)
        """,
    "hanging": """
        def dicom_common_accept(tenant, instance, origin):
            time.sleep(600)
        """,
    "told": """
        def dicom_common_stored(instances):
            calls.append([(stored.sop_uid, stored.key) for stored in instances])
        """,
    "storing_gate": """
        def dicom_common_accept(tenant, instance, origin):
            if instance.instance_number < 10:
                return None if calls[0](instance.instance_number + 10) == "stored" else "the other one was not stored"
        """,
    "storing": """
        def dicom_common_stored(instances):
            for stored in instances:
                number = int(stored.sop_uid.rpartition(".")[2])
                if number < 10:
                    calls.append(calls[0](number + 10))
        """,
    "told_badly": """
        def dicom_common_stored(instances):
            raise RuntimeError
        """,
}


@pytest.fixture
def extensions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, code in EXTENSIONS.items():
        module = f"made_{name}"
        function = code.split("def ")[1].partition("(")[0]
        method = textwrap.dedent(code).replace(f"def {function}(", f"@hookimpl\ndef {function}(self, ")
        source = extension_source(name, method)
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / f"{module}.py").write_text(source)
        metadata = tmp_path / "site" / f"{module}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(f"[dicom_common.extension]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    importlib.invalidate_caches()
    yield
    for name in EXTENSIONS:
        sys.modules.pop(f"made_{name}", None)


@pytest.mark.usefixtures("extensions")
def test_an_extension_refuses_one_instance_and_its_neighbours_go_on(site: Site, make: Make) -> None:
    results = site.store(make(12), make(13), make(14), extensions=["gate"])
    assert [result.status for result in results] == ["stored", "rejected", "stored"]
    assert results[1].reason == "refused"
    assert "not for us" in results[1].message
    assert len(site.objects) == len(site.rows) == 2


@pytest.mark.usefixtures("extensions")
def test_what_a_receiver_acknowledged_is_not_refused_by_a_worker(site: Site, make: Make) -> None:
    [let_in] = queue(site, make(13))
    [refused] = queue(site, make(13, series=2), extensions=["gate"])
    assert (let_in.status, refused.status, refused.reason) == ("queued", "rejected", "refused")
    work(site, extensions=["gate"])
    assert [row.key for row in site.rows] == [let_in.key]
    assert messages(site, DEAD) == []


@pytest.mark.usefixtures("extensions")
def test_a_gate_that_fails_stays_shut_and_tells_nothing_of_the_patient(site: Site, make: Make) -> None:
    [result] = site.store(make(patient="CANARY"), extensions=["failing"])
    assert (result.status, result.reason) == ("rejected", "refused")
    assert "CANARY" not in repr(result)
    assert not site.objects


@pytest.mark.usefixtures("extensions")
def test_a_gate_that_hangs_stays_shut(site: Site, make: Make) -> None:
    [result] = site.store(make(), extensions=["hanging"], extension_time_limit="0.2")
    assert (result.status, result.reason) == ("rejected", "refused")
    assert not site.objects


@pytest.mark.usefixtures("extensions")
def test_what_is_known_already_is_not_asked_about(site: Site, make: Make) -> None:
    site.store(make(13))
    [result] = site.store(make(13), extensions=["gate"])
    assert (result.status, result.reason) == ("duplicate", "same-bytes")


@pytest.mark.usefixtures("extensions")
def test_extensions_are_told_after_the_commit_of_new_and_replaced_instances_only(site: Site, make: Make) -> None:
    named: dict[str, Any] = {"extensions": ["told"], "ingest__duplicates": "replace"}
    first = site.store(make(1), make(2), **named)
    second = site.store(make(1), make(2, payload=b"new!"), b"bad", **named)
    calls = sys.modules["made_told"].calls
    assert calls == [[(result.sop_uid, result.key) for result in first], [(second[1].sop_uid, second[1].key)]]


@pytest.mark.usefixtures("extensions")
def test_an_extension_that_fails_when_it_is_told_changes_no_success(site: Site, make: Make) -> None:
    [result] = site.store(make(), extensions=["told_badly"])
    assert result.status == "stored"
    site.assert_consistent()


def test_an_extension_that_is_not_installed_is_told_at_the_start(site: Site) -> None:
    with site.services(extensions=["absent"]) as services, pytest.raises(PluginError):
        Ingest(services)


@pytest.mark.usefixtures("extensions")
@pytest.mark.parametrize("name", ["storing_gate", "storing"])
@pytest.mark.parametrize("way", ["store", "submit"])
def test_an_extension_may_store_another_instance(site: Site, make: Make, name: str, way: str) -> None:
    services = site.services(extensions=[name], extension_time_limit="20")
    with Ingest(services) as ingest:

        def store(number: int) -> str:
            [result] = ingest.store([Received(source=make(number), name="x")], tenant="local")
            return str(result.status)

        _ = services.extensions  # imports the module
        sys.modules[f"made_{name}"].calls.append(store)
        if way == "store":
            assert store(1) == "stored"
        else:
            assert ingest.submit(Received(source=make(1), name="x"), tenant="local").result(60).status == "stored"
    assert {row.sop_uid for row in site.rows} == {"2.25.1.1.1.1", "2.25.1.1.1.11"}


@pytest.mark.usefixtures("extensions")
def test_a_gate_that_hangs_holds_up_no_other_sender(site: Site, make: Make) -> None:
    with Ingest(site.services(extensions=["storing_gate"], extension_time_limit="60")) as ingest:
        entered, go_on = threading.Event(), threading.Event()

        def hang(_: int) -> str:
            entered.set()
            go_on.wait(60)
            return "stored"

        sys.modules["made_storing_gate"].calls.append(hang)
        slow = threading.Thread(
            target=ingest.store, args=([Received(source=make(1), name="x")],), kwargs={"tenant": "t"}
        )
        slow.start()
        assert entered.wait(60)
        [result] = ingest.store([Received(source=make(20), name="x")], tenant="t")
        assert result.status == "stored"
        assert slow.is_alive()
        go_on.set()
        slow.join()
