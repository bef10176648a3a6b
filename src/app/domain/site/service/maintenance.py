"""Whether the shop is closed, known to each process without asking; who may enter nevertheless."""

import asyncio

import asyncpg
import msgspec

from app.db import clock
from app.db.watching import Watch
from app.domain.site.rules import UnderMaintenance, fingerprint_of, is_open, leads_past
from app.settings import Settings

CHANNEL = "site_config"
READ = """
    SELECT maintenance_mode, maintenance_message, bypass_password_hash,
           extract(epoch FROM clock_timestamp())::float8 AS seconds
      FROM (VALUES (1)) AS always LEFT JOIN site_config ON true
"""
# Other processes hear of a change within a few milliseconds of its commit. Who made it gets the answer after that, so
# that the next call, whichever process it reaches, finds it done.
HEARD_SECONDS = 0.05


class Standing(msgspec.Struct, frozen=True):
    """What every request is judged by."""

    closed: bool = False
    message: str = ""
    fingerprint: str = ""


class Maintenance:
    """One for each process."""

    def __init__(self, settings: Settings) -> None:
        self.secrets = [secret for secret in (settings.secret_key, settings.secret_key_previous) if secret]
        self.watch = Watch(settings.direct_dsn, channel=CHANNEL, statement=READ, read=_standing, unknown=Standing())

    @property
    def closed(self) -> bool:
        return self.watch.value.closed

    def admit(self, path: str, bypass: str | None, *, is_admin: bool) -> None:
        """Raises UnderMaintenance unless the shop is open, the path is, or the caller may enter."""
        standing = self.watch.value
        if not standing.closed or is_admin or is_open(path):
            return
        if bypass is None or not leads_past(self.secrets, standing.fingerprint, bypass, now=int(clock.seconds())):
            raise UnderMaintenance(standing.message)

    async def spread(self) -> None:
        """After a commit: this process has read the change, the others have heard of it."""
        await asyncio.gather(self.watch.look(), asyncio.sleep(HEARD_SECONDS))


def _standing(row: asyncpg.Record | None) -> Standing:
    """The row is also how this process learns the database's time."""
    if row is None:
        return Standing()
    closed, message, password_hash, seconds = row
    clock.learn(seconds)
    return Standing() if closed is None else Standing(closed, message, fingerprint_of(password_hash))
