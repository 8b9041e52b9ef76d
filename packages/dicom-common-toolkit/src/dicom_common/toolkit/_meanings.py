"""What the errors of an SDK mean: one table for each plugin, of which the first entry that fits is taken."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dicom_common.core import BackendError

__all__ = ["Meaning", "Meanings"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """One entry of a table: which errors it is about, and what is raised in their place.

    It fits an error that fulfils every condition that is given; without any it fits all, as the last entry should.

    Args:
        kind: what is raised.
        sentence: its message: what is wrong, which setting or server to look at, and what to do. Names in braces are
            filled in by `Meanings`.
        codes: numbers or names, of which the error has one.
        classes: exception classes, of which the error is an instance.
        words: of which the error's text holds one.
    """

    kind: type[BackendError]
    sentence: str
    codes: Collection[object] = ()
    classes: tuple[type[BaseException], ...] = ()
    words: Sequence[str] = ()

    def fits(self, error: BaseException | None, codes: Sequence[object], text: str) -> bool:
        """Tell whether it is about an error."""
        return (
            (not self.codes or any(code in self.codes for code in codes))
            and (not self.classes or isinstance(error, self.classes))
            and (not self.words or any(word in text for word in self.words))
        )


class Meanings:
    """A table of meanings with the names of one configuration.

    Args:
        table: the entries, the surest first; the last one fits every error.
        names: what the sentences call things by, such as `host`. No value of a row and no secret belongs here.
    """

    def __init__(self, table: Sequence[Meaning], names: Mapping[str, object]) -> None:
        self._table, self._names = table, names

    def find(self, error: BaseException | None, *codes: object, text: str | None = None) -> Meaning:
        """Return the first entry that fits an error.

        Args:
            error: what the SDK raised; None where it only answered.
            codes: what identifies the error: a number, a name, a status.
            text: its text, where that is not what `str` gives.
        """
        words = str(error) if text is None else text
        return next(meaning for meaning in self._table if meaning.fits(error, codes, words))

    def error(
        self, error: BaseException | None, *codes: object, text: str | None = None, **names: object
    ) -> BackendError:
        """Make the error that one means, to be raised `from` it. `names` are added to those of the table."""
        meaning = self.find(error, *codes, text=text)
        sentence = meaning.sentence.format(**self._names, **names)
        return meaning.kind(sentence[0].upper() + sentence[1:])
