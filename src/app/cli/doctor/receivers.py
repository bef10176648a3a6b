"""Receivers of webhooks: whether messages go out to them, and whether they can be reached from here."""

import asyncio
from urllib.parse import urlsplit

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.doctor.findings import Finding, fail, ok, warn
from app.clients.webhooks import WebhookClient
from app.domain.webhooks.rules.addresses import is_public
from app.settings import Settings

REACH_SECONDS = 5.0
OVERDUE_SECONDS = 600.0
MOST = 50
_OVERDUE = text("""
    SELECT COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - GREATEST(d.next_at, w.paused_until))), 0)::float8
      FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id
     WHERE d.state = 'pending' AND GREATEST(d.next_at, w.paused_until) <= clock_timestamp()
""")
_RECEIVERS = text("""
    SELECT id, url, is_active, disabled_reason, failing_since < clock_timestamp() - interval '10 minutes' AS failing
      FROM webhook ORDER BY id
""")


class Receivers:
    """A check; online it opens a connection to each receiver, over which nothing is said."""

    name = "receivers"

    def __init__(self, *, online: bool) -> None:
        self._online = online

    async def __call__(self, session: AsyncSession, settings: Settings) -> Finding:
        late = float(await session.scalar(_OVERDUE) or 0)
        if late > OVERDUE_SECONDS:
            advice = "see whether a worker runs and what `jobs list --name webhooks:deliver` says"
            return fail("receivers", f"a message has been due for {late:.0f} s, and nobody sends it", advice)
        found = (await session.execute(_RECEIVERS)).all()
        active = {row.id: row.url for row in found if row.is_active}
        troubles = [f"{row.id} is disabled ({row.disabled_reason})" for row in found if row.disabled_reason]
        troubles += [f"{row.id} fails" for row in found if row.is_active and row.failing]
        if self._online:
            troubles += await _unreached(dict(list(active.items())[:MOST]), settings)
        if troubles:
            advice = "read its tries (`GET /api/webhooks/{id}/deliveries/`); mend it, then PATCH is_active to true"
            return warn("receivers", ", ".join(troubles), advice)
        return ok("receivers", f"{len(active)}, and nothing for them is overdue")


async def _unreached(urls: dict[int, str], settings: Settings) -> list[str]:
    def allowed(address: object) -> bool:
        return settings.webhook_private or is_public(address)  # type: ignore[arg-type]

    async with WebhookClient(allowed=allowed, seconds=REACH_SECONDS) as client:
        errors = await asyncio.gather(*(client.reach(url) for url in urls.values()))
    # The host alone: what follows it may be what its owner tells callers by.
    return [
        f"{number} at {urlsplit(url).hostname} cannot be reached ({error})"
        for (number, url), error in zip(urls.items(), errors, strict=True)
        if error
    ]
