"""Password hashes as Django writes them, for accounts that came from there; read, bounded, verified. Pure."""

import base64
import binascii
import hashlib
import hmac
import re

import msgspec
from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

# Above what Django asks for today by a factor of two and more; whatever asks for more than these is no hash to us.
MOST_ITERATIONS = 2_500_000
MOST_MEMORY_KIB = 256 * 1024
MOST_PASSES = 8
MOST_LANES = 16
_PBKDF2 = re.compile(r"pbkdf2_sha256\$([1-9][0-9]{0,7})\$([^$]{1,128})\$([A-Za-z0-9+/]{43}=)", re.ASCII)
_ARGON2 = re.compile(r"argon2(\$argon2(?:id|i|d)\$v=19\$[^\s]{10,400})", re.ASCII)


class Work(msgspec.Struct, frozen=True, order=True):
    """What verifying a hash costs: iterations of PBKDF2, or memory (KiB), passes and lanes of Argon2."""

    iterations: int = 0
    memory: int = 0
    passes: int = 0
    lanes: int = 0


class DjangoHash(msgspec.Struct, frozen=True):
    """A hash that can be verified within the bounds."""

    work: Work
    salt: bytes
    digest: bytes
    argon2: str

    def verify(self, password: str) -> bool:
        if self.argon2:
            try:
                return PasswordHasher().verify(self.argon2, password)
            except Argon2Error:
                return False
        return hmac.compare_digest(_pbkdf2(password, self.salt, self.work.iterations), self.digest)


def read_django_hash(stored: str) -> DjangoHash | None:
    """None for what is none of Django's, is of a scheme that is not verified here, or costs more than may be."""
    if match := _PBKDF2.fullmatch(stored):
        iterations, salt, digest = match.groups()
        if int(iterations) > MOST_ITERATIONS:
            return None
        return DjangoHash(Work(int(iterations)), salt.encode(), _decoded(digest), "")
    if match := _ARGON2.fullmatch(stored):
        asked = _parameters(match[1])
        if asked is None or not _bounded(asked):
            return None
        return DjangoHash(Work(0, asked.memory_cost, asked.time_cost, asked.parallelism), b"", b"", match[1])
    return None


def spend(work: Work) -> None:
    """Take the time that verifying a hash of this cost takes."""
    if work.iterations:
        _pbkdf2("", b"a salt of its own", work.iterations)
    elif work.memory:
        PasswordHasher(time_cost=work.passes, memory_cost=work.memory, parallelism=work.lanes).hash("")


def _pbkdf2(password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _parameters(encoded: str) -> Parameters | None:
    try:
        return extract_parameters(encoded)
    except (InvalidHashError, ValueError):
        return None


def _bounded(asked: Parameters) -> bool:
    costs = asked.memory_cost, asked.time_cost, asked.parallelism
    return all(0 < cost <= most for cost, most in zip(costs, (MOST_MEMORY_KIB, MOST_PASSES, MOST_LANES), strict=True))
