"""Which representation a client gets: Accept (RFC 9110 12.5.1) with the parameters of DICOMweb (PS3.18 8.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.requests import Request

from dicom_common.web._errors import HttpError
from dicom_common.web._parameters import query_pairs

__all__ = ["Accepted", "MediaRange", "Offer", "accepted_by", "parse_accept"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# `type=application/dicom` without quotation marks is no token, and common.
_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z/-]+")
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_QUOTED = r'"(?:[^"\\]|\\.)*"?'
_BETWEEN_COMMAS = re.compile(rf'(?:[^,"]|{_QUOTED})+')
_BETWEEN_SEMICOLONS = re.compile(rf'(?:[^;"]|{_QUOTED})+')
_MAX_ACCEPT = 8192
_RELATED = ("multipart", "related")
_ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A representation that the server can give."""

    media_type: str
    """In lower case; that of the parts, where there are any."""
    multipart: bool = False
    """Whether it is `multipart/related` with parts of that type."""
    transfer_syntax: str = ""
    """Its UID; "" where the media type has none."""
    default: bool = True
    """Whether it is what a client gets that names no transfer syntax (PS3.18 8.7.3)."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One member of an Accept header: for `multipart/related` the type of the parts is a range as well."""

    type: str
    subtype: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    quality: float = 1.0

    @property
    def transfer_syntax(self) -> str:
        """The parameter `transfer-syntax`; "" where it is absent."""
        return self.parameters.get("transfer-syntax", "")

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for more than one media type."""
        return _ANY in (self.type, self.subtype) or _ANY in self.parameters.get("type", "")

    def fits(self, offer: Offer) -> tuple[int, int, int] | None:
        """Tell how exactly the range names an offer: greater is more exact; None: it does not mean it."""
        asked = self.transfer_syntax
        if asked not in ("", _ANY, offer.transfer_syntax) and offer.transfer_syntax:
            return None
        if not asked and not offer.default and not self.is_wildcard:
            return None
        outer = (*_RELATED,) if offer.multipart else tuple(offer.media_type.partition("/")[::2])
        exact = _exactness((self.type, self.subtype), outer)
        inner = 2
        if offer.multipart and exact == 2:
            inner = _exactness(_split(self.parameters.get("type", "*/*")), _split(offer.media_type))
        if exact < 0 or inner < 0:
            return None
        return exact, inner, 0 if not asked else 1 if asked == _ANY else 2


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client takes.

    Args:
        ranges: of the header, or of the query parameter.
        falls_back: whether a client that takes nothing of what is offered gets the default (PS3.18 8.3.3.1).
    """

    ranges: tuple[MediaRange, ...]
    falls_back: bool = False

    def choose(self, offers: Sequence[Offer]) -> Offer | None:
        """Return the offer that the client likes best, of equal ones the first; None: it takes none of them.

        Args:
            offers: what the server can give, its own preference first.
        """
        best: tuple[float, bool, int] | None = None
        for place, offer in enumerate(offers):
            named = [(exactness, one) for one in self.ranges if (exactness := one.fits(offer)) is not None]
            if not named:
                continue
            chosen = max(named, key=lambda one: one[0])[1]
            # Who does not speak of transfer syntaxes, with a wildcard, gets the default one before all others.
            rank = (chosen.quality, bool(chosen.transfer_syntax) or offer.default, -place)
            if chosen.quality and (best is None or rank > best):
                best = rank
        if best is None:
            return next((one for one in offers if one.default), None) if self.falls_back else None
        return offers[-best[2]]

    def require(self, offers: Sequence[Offer]) -> Offer:
        """Return what `choose` does.

        Raises:
            HttpError: 406, it takes none of them (PS3.18 8.7.8.1).
        """
        chosen = self.choose(offers)
        if chosen is None:
            raise not_acceptable(offers)
        return chosen


def not_acceptable(offers: Iterable[Offer]) -> HttpError:
    """Return the answer to a client that takes nothing of what is offered: what it could have had."""
    types = dict.fromkeys(
        (f'multipart/related; type="{one.media_type}"' if one.multipart else one.media_type)
        + (f"; transfer-syntax={one.transfer_syntax}" if one.transfer_syntax else "")
        for one in offers
    )
    has = f"This resource is available as {', '.join(types)}." if types else "The server cannot convert this object."
    return HttpError(406, f"{has} Name an available media type in Accept.")


def accepted_by(request: Request, pairs: Sequence[tuple[str, str]] | None = None) -> Accepted:
    """Return what the client of a request takes: by the query parameter `accept`, or else by the header.

    No header, and an empty one, take everything.

    Args:
        request: the request.
        pairs: its `query_pairs`, where the caller has them.

    Raises:
        HttpError: 400, the query parameter is repeated, has a wildcard or no media type, or mixes DICOM's with others
            (PS3.18 8.3.3.1); or one of the two is longer than 8 KiB.
    """
    asked = [value for name, value in (query_pairs(request) if pairs is None else pairs) if name == "accept"]
    if asked:
        if len(asked) > 1:
            raise HttpError(400, "The parameter accept is repeated: list all media types in one, joined by commas.")
        ranges = parse_accept(asked[0])
        if not ranges or any(one.is_wildcard for one in ranges):
            raise HttpError(400, "The parameter accept takes media types, without wildcards (PS3.18 8.3.3.1).")
        if len({_is_dicom(one) for one in ranges}) > 1:
            raise HttpError(400, "The parameter accept mixes DICOM media types with others (PS3.18 8.3.3.1).")
        return Accepted(ranges, falls_back=True)
    header = ", ".join(request.headers.getlist("accept"))
    return Accepted(parse_accept(header) if header.strip() else (MediaRange(_ANY, _ANY),))


@lru_cache(maxsize=64)
def parse_accept(text: str) -> tuple[MediaRange, ...]:
    """Return the media ranges of an Accept header; an invalid member accepts nothing, and is left out.

    Raises:
        HttpError: 400, it is longer than 8 KiB, or a parameter of a member is repeated: what it asks for is unclear.
    """
    if len(text) > _MAX_ACCEPT:
        raise HttpError(400, f"Accept is longer than {_MAX_ACCEPT} characters.")
    members = (_BETWEEN_SEMICOLONS.findall(member) for member in _BETWEEN_COMMAS.findall(text))
    return tuple(made for parts in members if (made := _range([part.strip() for part in parts])) is not None)


def _range(parts: Sequence[str]) -> MediaRange | None:
    main, _, sub = (parts[0] if parts else "").lower().partition("/")
    if not _TOKEN.fullmatch(main) or not _TOKEN.fullmatch(sub) or (main == _ANY and sub != _ANY):
        return None
    parameters: dict[str, str] = {}
    for part in parts[1:]:
        name, equals, value = (one.strip() for one in part.partition("="))
        if not part:
            continue
        name, plain = name.lower(), _unquoted(value)
        if name in parameters:
            raise HttpError(400, "A media type in Accept has a repeated parameter: give each once.")
        if not equals or not _TOKEN.fullmatch(name) or plain is None:
            return None
        parameters[name] = plain.lower() if name == "type" else plain
    quality = parameters.pop("q", "1")
    if not _QUALITY.fullmatch(quality):
        return None
    return MediaRange(main, sub, parameters, float(quality))


def _unquoted(value: str) -> str | None:
    if re.fullmatch(_QUOTED, value) and len(value) > 1 and value.endswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1]).strip()
    return value if _VALUE.fullmatch(value) else None


def _split(media_type: str) -> tuple[str, str]:
    main, _, sub = media_type.partition("/")
    return main.strip(), sub.partition(";")[0].strip()


def _exactness(wanted: tuple[str, str], has: tuple[str, ...]) -> int:
    """Tell how exactly a range names a media type: 2 whole, 1 `image/*`, 0 `*/*`; below 0: it does not."""
    if wanted == (_ANY, _ANY):
        return 0
    if wanted[0] != has[0]:
        return -1
    return 2 if wanted[1] == has[1] else 1 if wanted[1] == _ANY else -1


def _is_dicom(one: MediaRange) -> bool:
    named = one.parameters.get("type", "") if (one.type, one.subtype) == _RELATED else f"{one.type}/{one.subtype}"
    return named.startswith("application/dicom")
