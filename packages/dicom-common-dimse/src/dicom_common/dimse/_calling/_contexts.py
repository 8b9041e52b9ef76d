"""Which presentation contexts are proposed for what goes over an association (PS3.8 7.1.1.13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from dicom_common.core import Stored
from dicom_common.dicom import TRANSFER_SYNTAXES
from dicom_common.dimse._requesting import Proposal

__all__ = ["MOST_CONTEXTS", "UNCOMPRESSED", "batches", "contexts_for_get", "contexts_of", "in_pieces"]

MOST_CONTEXTS: Final = 128
"""The odd numbers from 1 to 255 identify them (PS3.8 9.3.2.2)."""
_EXPLICIT: Final = "1.2.840.10008.1.2.1"
_IMPLICIT: Final = "1.2.840.10008.1.2"
_MOST_SYNTAXES: Final = 40
"""In a context: DCMTK, and what is built on it, does not answer where there are more than 50."""
UNCOMPRESSED: Final = (_EXPLICIT, _IMPLICIT)
"""The transfer syntaxes of identifiers; one context offers both."""
_COMPRESSED: Final = tuple(
    f"1.2.840.10008.1.2.{suffix}" for suffix in ("4.70", "4.50", "4.90", "4.91", "4.80", "4.51", "5", "4.57", "4.81")
)
"""What is most often kept, and is therefore asked for by contexts of its own where there is room."""

T = TypeVar("T")


def contexts_of(instances: Iterable[Stored]) -> list[Proposal]:
    """Return a context for each SOP class in each transfer syntax, so that everything can go as it is stored."""
    pairs = dict.fromkeys((one.sop_class_uid, one.transfer_syntax_uid) for one in instances)
    return [Proposal(sop_class, (syntax,)) for sop_class, syntax in pairs]


def batches(instances: Iterable[Stored], most: int) -> Iterator[list[Stored]]:
    """Cut instances, in their order, into such batches as one association has enough contexts for.

    Args:
        instances: all of them.
        most: how many a batch has at most.
    """
    batch: list[Stored] = []
    contexts: set[tuple[str, str]] = set()
    for one in instances:
        context = (one.sop_class_uid, one.transfer_syntax_uid)
        if len(batch) == most or (context not in contexts and len(contexts) == MOST_CONTEXTS):
            yield batch
            batch, contexts = [], set()
        batch.append(one)
        contexts.add(context)
    if batch:
        yield batch


def contexts_for_get(model: str, sop_classes: Sequence[str]) -> list[Proposal]:
    """Return the contexts of an association for C-GET: that of the model, and those for the sub-operations.

    Each SOP class has several contexts as far as there is room, of one transfer syntax each: so the peer can send in
    the one that it has stored. All other syntaxes share the last ones, of each of which
    the peer chooses one.

    Args:
        model: the SOP Class UID of the information model.
        sop_classes: those of what will come, at most 127.
    """
    contexts = [Proposal(model, UNCOMPRESSED)]
    room = (MOST_CONTEXTS - 1) // max(1, len(sop_classes))
    alone = (_EXPLICIT, *_COMPRESSED, _IMPLICIT)[: max(0, room - 2)]
    # Where there is no room for more, uncompressed comes first: every peer has that.
    others = sorted(
        (one for one in TRANSFER_SYNTAXES.values() if one.uid not in alone and not one.private),
        key=lambda one: (one.uid not in UNCOMPRESSED, one.retired),
    )
    shared = list(in_pieces((one.uid for one in others), _MOST_SYNTAXES))[: max(1, room - len(alone))]
    for sop_class in sop_classes:
        contexts += [Proposal(sop_class, (syntax,)) for syntax in alone]
        contexts += [Proposal(sop_class, tuple(syntaxes)) for syntaxes in shared]
    return contexts


def in_pieces(values: Iterable[T], most: int) -> Iterator[list[T]]:
    """Cut values into lists of at most `most`."""
    left = iter(values)
    while piece := list(islice(left, most)):
        yield piece
