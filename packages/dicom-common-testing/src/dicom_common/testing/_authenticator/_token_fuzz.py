"""Malformed tokens, as many as one likes: none of them is one that may be accepted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from dicom_common.testing._authenticator._token_keys import base64url
from dicom_common.testing._authenticator._token_scene import Scene

__all__ = ["malformed"]

LONGEST = 8192
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def malformed(scene: Scene, chance: random.Random, number: int) -> Iterator[str]:
    """Give so many tokens, each a good one that was damaged, or nothing like one."""
    good = [scene.token(), scene.token(scene.ec)]
    for _ in range(number):
        token = chance.choice(_KINDS)(chance.choice(good), chance)
        if token not in good:
            yield token


def _flip_bits(token: str, chance: random.Random) -> str:
    data = bytearray(token.encode())
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(7)
    return data.decode()


def _other_character(token: str, chance: random.Random) -> str:
    place = chance.randrange(len(token))
    return token[:place] + chance.choice(ALPHABET) + token[place + 1 :]


def _random_text(token: str, chance: random.Random) -> str:
    return "".join(chr(chance.randrange(0x300)) for _ in range(chance.randrange(len(token))))


def _random_segments(_: str, chance: random.Random) -> str:
    return ".".join(base64url(chance.randbytes(chance.randrange(200))) for _ in range(chance.choice((1, 2, 3, 4, 5))))


def _segments(token: str, chance: random.Random) -> str:
    parts = token.split(".")
    return ".".join(chance.choice(parts) for _ in range(chance.choice((1, 2, 4, 5))))


def _cut(token: str, chance: random.Random) -> str:
    return token[: chance.randrange(len(token))]


def _doubled(token: str, chance: random.Random) -> str:
    return token + token[-chance.randrange(1, len(token)) :]


def _surrogates(token: str, chance: random.Random) -> str:
    place = chance.randrange(len(token))
    return f"{token[:place]}\udcff{token[place:]}"


def _nested(token: str, chance: random.Random) -> str:
    head, body, signature = token.split(".")
    bomb = chance.choice((b"[", b'{"a":', b'[{"a":[', b'{"a":1,')) * chance.randrange(1, 700)
    bomb_text = base64url(bomb)
    return f"{bomb_text}.{body}.{signature}" if chance.random() < 0.5 else f"{head}.{bomb_text}.{signature}"


def _json_bomb(token: str, chance: random.Random) -> str:
    head, _, signature = token.split(".")
    digits = b'{"iss":%s}' % (b"9" * chance.randrange(1, 5000))
    numbers = b'{"aud":[%s0]}' % (b"1e5," * chance.randrange(1, 1000))
    text = b'{"sub":"%s"}' % (b"\\u0000" * chance.randrange(1, 800))
    return f"{head}.{base64url(chance.choice((digits, numbers, text)))}.{signature}"


def _too_long(token: str, chance: random.Random) -> str:
    return token + "A" * chance.randrange(LONGEST, 4 * LONGEST)


_KINDS: tuple[Callable[[str, random.Random], str], ...] = (
    _flip_bits,
    _flip_bits,
    _other_character,
    _random_text,
    _random_segments,
    _segments,
    _cut,
    _doubled,
    _surrogates,
    _nested,
    _json_bomb,
    _too_long,
)
