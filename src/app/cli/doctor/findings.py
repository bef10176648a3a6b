"""What the doctor says of one thing: how it is, what was seen, and what to do about it."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """`said` is what was seen; `advice` is what to do, empty when nothing is to be done."""

    name: str
    verdict: Verdict
    said: str
    advice: str = ""


def ok(name: str, said: str) -> Finding:
    return Finding(name, "ok", said)


def warn(name: str, said: str, advice: str) -> Finding:
    """The shop runs, and somebody should look at it."""
    return Finding(name, "warn", said, advice)


def fail(name: str, said: str, advice: str) -> Finding:
    """Something that the shop needs does not work."""
    return Finding(name, "fail", said, advice)


def graver(name: str, said: str, advice: str, *, production: bool) -> Finding:
    """What a shop with buyers cannot do without, and a developer's machine can."""
    return (fail if production else warn)(name, said, advice)
