"""Reconciliation, rebuilding and copies pass over metadata documents."""

from __future__ import annotations

from documents_site import STUDY, STUDY_KEY, Open, documents_of, text_of
from pipeline_site import Make, Site

from dicom_common.pipeline import CopyOptions, CopyStatus, DocumentBuilder, Reconciliation, copy_objects


def test_reconcile_rebuild_and_copy_pass_over_documents(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1), make(2, series=2))
    services, documents = open_documents()
    list(DocumentBuilder(services).run())
    before = site.objects
    assert list(Reconciliation(site.config(), jobs=1).run()) == []
    assert list(Reconciliation(site.config(), jobs=1, repair=True).run()) == []
    target = Site(site.data.parent / "target")
    copied = list(copy_objects(services.storage, target.services().storage, CopyOptions()))
    assert [one.status for one in copied] == [CopyStatus.COPIED] * 2
    assert documents_of(target) == set()
    right = text_of(documents.study("local", STUDY))
    services.close()
    for file in site.data.glob("index.sqlite*"):
        file.unlink()
    assert {one.action for one in Reconciliation(site.config(), jobs=1, rebuild=True).run()} == {"indexed"}
    assert site.objects == before
    _, documents = open_documents()
    assert text_of(documents.study("local", STUDY)) == right
    assert site.objects[STUDY_KEY] != before[STUDY_KEY]  # made anew: it is not known that the old one was right
    target.close()
