"""Reading the trail again: which record was changed, removed, inserted or moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dicom_common.audit._chain import GENESIS, Keys, Record, parse
from dicom_common.audit._folder import TrailFolder
from dicom_common.audit._statements import Pruned, heals, pruned_in

__all__ = ["Flaw", "FlawKind", "Line", "Verification", "read_lines", "verify"]


class FlawKind(StrEnum):
    """What is wrong at a place of the trail."""

    CHANGED = "changed"
    """A record is there, and is not as it was written."""
    REMOVED = "removed"
    INSERTED = "inserted"
    """A line is there that the trail never had, or has at another place too."""
    REORDERED = "reordered"
    RELINKED = "relinked"
    """A record is whole and does not follow the one before: one of the two was written anew."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One thing that is wrong, and where it shows."""

    kind: FlawKind
    file: str
    line: int
    """Of the file, from 1; 0: behind its end."""
    seq: int | None
    """The number of the record, or of the first one that is missing; None: unknown."""
    detail: str


@dataclass
class Verification:
    """What a walk over the trail found."""

    records: int = 0
    """Those that are as they were written."""
    last_seq: int = 0
    last_hash: str = GENESIS
    flaws: list[Flaw] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no flaw: a record that was never finished, since its process was killed."""

    @property
    def head(self) -> str:
        """The end of the trail, as text: keep it elsewhere, and nothing can be cut off unseen."""
        return f"{self.last_seq}:{self.last_hash}"


@dataclass(frozen=True)
class Line:
    """A line of a file, with its newline where it has one."""

    file: str
    number: int
    data: bytes


def read_lines(folder: TrailFolder) -> Iterator[Line]:
    """Iterate over the lines of all files, in order.

    Raises:
        OSError: a file cannot be read.
    """
    for name in folder.files():
        with (folder.path / name).open("rb") as stream:
            for number, data in enumerate(stream, 1):
                yield Line(name, number, data)


def verify(folder: TrailFolder, keys: Keys, heads: Mapping[int, str] | None = None) -> Verification:
    """Walk over the trail and find everything that is wrong. It may be appended to meanwhile.

    Args:
        folder: where it is.
        keys: what its records are chained with.
        heads: hashes of records by their numbers, from elsewhere: from published events, or an earlier verification.

    Raises:
        OSError: a file cannot be read.
    """
    noted = folder.read_head()  # first: the trail may grow while it is read
    heads = heads or {}
    walk = _Walk(keys, frozenset((*heads, noted.seq)) if noted else frozenset(heads))
    for line in read_lines(folder):
        walk.take(line)
    walk.finish(noted.seq if noted else None)
    if noted is not None and noted.seq:
        walk.compare(noted.seq, noted.hash, "the note of the trail's end")
    for seq, hash_ in heads.items():
        walk.compare(seq, hash_, "the head that was given")
    return walk.result


@dataclass(frozen=True)
class _Bad:
    """A line that is no good record, until it is known whether it took the place of one."""

    line: Line
    detail: str


class _Walk:
    """A walk over the lines. A flaw is reported once, where it occurs; later records are judged on their own."""

    def __init__(self, keys: Keys, wanted: frozenset[int]) -> None:
        self.result = Verification()
        self._keys = keys
        self._wanted = wanted
        """Numbers of records whose hashes will be asked for."""
        self._jump: tuple[Record, Line] | None = None
        """A record with a later number than the one that is due: the next one tells whether it or they are astray."""
        self._bad: list[_Bad] = []
        self._gaps: dict[int, tuple[int, Line]] = {}
        """Numbers that are missing: the first one of each gap, the last one, and the line where it shows."""
        self._misplaced: list[tuple[Record, Line]] = []
        self._at = Line("", 0, b"")
        self._hashes: dict[int, str] = {}
        self._pruned: list[tuple[Pruned, bool]] = []
        """What records tell of prunes, and whether such a record follows the one before it."""
        self._ends: dict[int, str] = {}
        """The hash of the last good record of each file, by its number: a prune ends with one."""
        self._first: Record | None = None
        self._file = ""
        """The file of the last good record."""

    def take(self, line: Line) -> None:
        """Judge one more line."""
        self._at = line
        record = parse(line.data.removesuffix(b"\n"))
        if record is None:
            self._settle_jump(None)
            self._bad.append(_Bad(line, "it is no record"))
        elif why := self._keys.flaw(record):
            self._settle_jump(None)
            self._bad.append(_Bad(line, why))
        else:
            self._settle_jump(record)
            if record.seq <= self.result.last_seq:
                self._misplaced.append((record, line))
            elif record.seq > self.result.last_seq + 1 and not self._bad:
                self._jump = (record, line)
            else:
                self._follow(record, line)

    def finish(self, known_end: int | None) -> None:
        """Judge what could not be judged before the end was seen.

        Args:
            known_end: the number of the last record, as far as a note tells; later ones may be there, and good.
        """
        self._settle_jump(None)
        result, bad = self.result, self._bad
        if bad and not bad[-1].line.data.endswith(b"\n"):
            torn = bad.pop()
            result.notes.append(
                f"{torn.line.file} ends in a record that is not finished: it is being written, or its process was"
                " killed before anybody was told that it is there"
            )
        for one in bad:
            if known_end is not None and result.last_seq >= known_end:
                self._tell(FlawKind.INSERTED, one.line, None, one.detail)
            else:
                result.last_seq += 1
                self._tell(FlawKind.CHANGED, one.line, result.last_seq, one.detail)
        self._match_gaps()
        result.flaws.sort(key=lambda flaw: (flaw.file, flaw.line))

    def _settle_jump(self, record: Record | None) -> None:
        """Decide about a record that came too early: the one that was due follows it, or is gone."""
        jump, self._jump = self._jump, None
        if jump is None:
            return
        if record is not None and record.seq == self.result.last_seq + 1:
            self._misplaced.append(jump)
        else:
            self._follow(*jump)

    def compare(self, seq: int, hash_: str, what: str) -> None:
        """Compare the trail with a hash that is known from elsewhere."""
        result = self.result
        if seq > result.last_seq:
            missing = _numbers(result.last_seq + 1, seq)
            place = Line(self._at.file, 0, b"")
            self._tell(FlawKind.REMOVED, place, result.last_seq + 1, f"{missing} at the end, which {what} knows")
        elif seq in self._hashes and self._hashes[seq] != hash_:
            place = Line(self._at.file, 0, b"")
            self._tell(FlawKind.RELINKED, place, seq, f"{what} has another hash for it: it was written anew")

    def _follow(self, record: Record, line: Line) -> None:
        """Take a good record with a number that is still to come, and judge the lines since the last good one."""
        result, bad = self.result, self._without_healed(record)
        missing = record.seq - result.last_seq - 1
        if len(bad) <= missing:
            for number, one in enumerate(bad, result.last_seq + 1):
                self._tell(FlawKind.CHANGED, one.line, number, one.detail)
            if len(bad) < missing:
                self._gaps[result.last_seq + len(bad) + 1] = (record.seq - 1, line)
        else:
            kind = FlawKind.CHANGED if missing else FlawKind.INSERTED
            for one in bad:
                self._tell(kind, one.line, None, one.detail)
        follows = record.prev == result.last_hash
        # Behind a gap or a changed record there is nothing to compare with, and nothing more to tell.
        if not missing and not follows:
            self._tell(FlawKind.RELINKED, line, record.seq, "it does not follow the record before: one of both is new")
        if line.file != self._file:
            self._file, self._ends[result.last_seq] = line.file, result.last_hash
        result.last_seq, result.last_hash = record.seq, record.hash
        result.records += 1
        self._first = self._first or record
        if (told := pruned_in(record)) is not None:
            self._pruned.append((told, follows))
        if record.seq in self._wanted:
            self._hashes[record.seq] = record.hash
        self._bad = []

    def _without_healed(self, record: Record) -> list[_Bad]:
        """Return the bad lines but the one that this record tells of: a process was killed while it wrote it."""
        bad = self._bad
        if bad and heals(record, (torn := bad[-1].line).data.removesuffix(b"\n")):
            self.result.notes.append(f"{torn.file}:{torn.number} was never finished, as record {record.seq} tells")
            return bad[:-1]
        return bad

    def _match_gaps(self) -> None:
        """Tell which missing records are somewhere else, and which are gone."""
        result = self.result
        latest = max((record for record, _ in self._misplaced), key=lambda record: record.seq, default=None)
        if latest is not None and latest.seq > result.last_seq:  # the last record stands too early
            self._gaps[result.last_seq + 1] = (latest.seq, self._at)
            result.last_seq, result.last_hash = latest.seq, latest.hash
        self._excuse_pruned()
        moved = set()
        for record, line in self._misplaced:
            inside = any(first <= record.seq <= last for first, (last, _) in self._gaps.items())
            if inside and record.seq not in moved:
                moved.add(record.seq)
                self._tell(FlawKind.REORDERED, line, record.seq, "it is whole, and stands where it does not belong")
            else:
                self._tell(FlawKind.INSERTED, line, record.seq, "a copy of a record that is there already")
        result.records += len(moved)
        for first, (last, line) in self._gaps.items():
            for a, b in _without(first, last, moved):
                self._tell(FlawKind.REMOVED, line, a, f"{_numbers(a, b)} before this line")

    def _excuse_pruned(self) -> None:
        """Take away what is missing at the beginning because it was deleted on purpose, as the trail tells itself."""
        told = sorted(self._pruned, key=lambda one: one[0].through, reverse=True)
        believed = (pruned.through for pruned, follows in told if self._is_believed(pruned, follows=follows))
        if 1 not in self._gaps or not (through := next(believed, 0)):
            return
        last, line = self._gaps.pop(1)
        self.result.notes.append(f"records 1 to {min(last, through)} were deleted by `audit prune`")
        if last > through:
            self._gaps[through + 1] = (last, line)

    def _is_believed(self, pruned: Pruned, *, follows: bool) -> bool:
        """Tell whether the hash that a record of a prune names is that of the record up to which it was."""
        if self._first is None or self._first.seq > pruned.through + 1:
            return follows  # that record is gone, and more behind it, which shows; the chain alone vouches for this one
        if self._first.seq == pruned.through + 1:
            return self._first.prev == pruned.hash
        return self._ends.get(pruned.through) == pruned.hash  # it was interrupted, and its last file is there

    def _tell(self, kind: FlawKind, line: Line, seq: int | None, detail: str) -> None:
        self.result.flaws.append(Flaw(kind=kind, file=line.file, line=line.number, seq=seq, detail=detail))


def _without(first: int, last: int, moved: set[int]) -> Iterator[tuple[int, int]]:
    """Iterate over what is left of a range without some numbers, as ranges."""
    begin = first
    for number in sorted(number for number in moved if first <= number <= last):
        if begin < number:
            yield begin, number - 1
        begin = number + 1
    if begin <= last:
        yield begin, last


def _numbers(first: int, last: int) -> str:
    return f"record {first} is missing" if first == last else f"records {first} to {last} are missing"
