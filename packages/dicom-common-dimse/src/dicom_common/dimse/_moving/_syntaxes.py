"""In which transfer syntax an instance goes out: as it is stored, or uncompressed where nothing else is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from dicom_common.codecs import Codecs
from dicom_common.core import Stored
from dicom_common.dicom import transfer_syntax
from dicom_common.dimse._moving._data_sets import EXPLICIT, IMPLICIT
from dicom_common.dimse._requesting import Proposal

__all__ = ["choose", "proposals_for"]

T = TypeVar("T")
_MOST_CONTEXTS = 128


def choose(stored: Stored, accepted: Callable[[str, str], T | None], codecs: Codecs) -> tuple[str, T] | None:
    """Choose the transfer syntax of an instance, and its presentation context; None if the peer accepted none.

    Args:
        stored: the instance.
        accepted: gives the context for a SOP class and a transfer syntax, if there is one.
        codecs: what converts.
    """
    uid = stored.transfer_syntax_uid
    context = accepted(stored.sop_class_uid, uid)
    if context is not None:
        return uid, context
    if not _converts(uid, codecs):
        return None
    for target in (EXPLICIT, IMPLICIT):
        context = accepted(stored.sop_class_uid, target)
        if context is not None:
            return target, context
    return None


def _converts(uid: str, codecs: Codecs) -> bool:
    syntax = transfer_syntax(uid)
    if syntax is None or syntax.video or syntax.referenced:
        return False
    return not syntax.encapsulated or codecs.can_decode(uid)


def proposals_for(instances: Iterable[Stored]) -> list[list[Proposal]]:
    """Return the presentation contexts to propose, at most 128 for each association (PS3.8 9.3.2.2).

    Each SOP class has a context for every transfer syntax that its instances are stored in, and one each for explicit
    and implicit VR little endian: a context has one transfer syntax, so that the answer tells of each.
    """
    by_class: dict[str, dict[str, None]] = {}
    for one in instances:
        by_class.setdefault(one.sop_class_uid, {}).setdefault(one.transfer_syntax_uid)
    groups: list[list[Proposal]] = [[]]
    for sop_class, stored_in in by_class.items():
        needed = [Proposal(sop_class, (uid,)) for uid in dict.fromkeys((*stored_in, EXPLICIT, IMPLICIT))]
        if len(groups[-1]) + len(needed) > _MOST_CONTEXTS and groups[-1]:
            groups.append([])
        groups[-1] += needed[:_MOST_CONTEXTS]
    return groups
