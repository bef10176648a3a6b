"""Passwords: which are good enough, and their hashes: Argon2id at OWASP's setting, off the loop, few at a time."""

import asyncio
import gzip
import hmac
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, cached_property
from importlib import resources

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.domain.accounts.rules.django_hashes import Work, read_django_hash, spend
from app.domain.accounts.rules.passwords import Owner, password_problems

# A machine of two cores keeps one of them for everything else.
THREADS = 2 if (os.cpu_count() or 1) > 2 else 1
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
NICENESS = 15
REMEMBERED_SECONDS = 60.0
REMEMBERED_PAIRS = 1024
_PREFIX = "$argon2"


@cache
def common_passwords() -> frozenset[str]:
    """Twenty thousand that everybody tries first, in lower case; read once."""
    packed = resources.files("app.domain.accounts.service").joinpath("common-passwords.txt.gz").read_bytes()
    return frozenset(line.strip() for line in gzip.decompress(packed).decode().splitlines())


def _step_back() -> None:
    """Let every other thread go first, this process's loop above all: a login may take longer, other requests not."""
    with suppress(OSError):  # where a thread has no niceness of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class Passwords:
    """Hashes and verifies. The threads bound both the memory and the share of the processor that logins can take."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2", initializer=_step_back)
        # What the dearest hashes from elsewhere cost that this process has met, by scheme.
        self._dearest: dict[bool, Work] = {}
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}

    def problems(self, password: str, owner: Owner) -> list[str]:
        """Why a new password is too weak; an empty list when it is not."""
        return password_problems(password, owner, common_passwords())

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password is the one of `stored`. None, or a hash that no password has, costs the same time."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, password, stored)

    def outdated(self, stored: str) -> bool:
        """Whether a hash came from elsewhere: after the next right password it is replaced by one of ours."""
        return read_django_hash(stored) is not None

    def _verify(self, password: str, stored: str | None) -> bool:
        foreign = read_django_hash(stored) if stored is not None else None
        if foreign is not None:
            kind = bool(foreign.work.iterations)
            self._dearest[kind] = max(foreign.work, self._dearest.get(kind, Work()))
            return foreign.verify(password) or self._fail(foreign.work)
        return self._verify_ours(password, stored) or self._fail(None)

    def _verify_ours(self, password: str, stored: str | None) -> bool:
        usable = stored if stored is not None and stored.startswith(_PREFIX) else None
        try:
            self._hasher.verify(usable or self._stand_in, password)
        except (VerificationError, InvalidHashError):
            return False
        return usable is not None

    def _fail(self, spent: Work | None) -> bool:
        """False, after as much time as the dearest failure takes: none tells whether and how a password is stored."""
        if spent is not None:
            self._verify_ours("", None)
        # As they are now: another thread may meet the first of a scheme meanwhile.
        for kind, work in tuple(self._dearest.items()):
            if spent is None or bool(spent.iterations) != kind:
                spend(work)
            elif kind:
                spend(Work(work.iterations - spent.iterations))
        return False

    @cached_property
    def _stand_in(self) -> str:
        """What a password is compared with when there is no account: the answer takes as long as for a known one."""
        return self._hasher.hash(secrets.token_hex(16))

    def remember(self, password: str, stored: str) -> None:
        """Note that this pair was verified just now; a changed password has another hash and so is not remembered."""
        while len(self._remembered) >= REMEMBERED_PAIRS:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[self._digest(password, stored)] = time.monotonic() + REMEMBERED_SECONDS

    def remembers(self, password: str, stored: str) -> bool:
        """Whether the pair was verified within the last minute; whether the account may enter is another question."""
        digest = self._digest(password, stored)
        until = self._remembered.get(digest)
        if until is not None and until <= time.monotonic():
            del self._remembered[digest]
            return False
        return until is not None

    def _digest(self, password: str, stored: str) -> bytes:
        return hmac.digest(self._key, f"{stored}\0{password}".encode(), "sha256")
