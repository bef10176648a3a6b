"""The calls for programs: what arrived and what became of it, faults, and forgetting everything."""

from typing import Any

from litestar import get, post

from sandbox.faults import Fault, Provider
from sandbox.ledger import Mail, Push
from sandbox.world import World

SHOWN_OF_A_MAIL = ("to", "subject", "text", "html", "sent_at")


@get("/pushes.json")
async def list_pushes(world: World, token: str | None = None) -> list[Push]:
    return [push for push in world.ledger.pushes.newest_first() if token is None or push.token == token]


@get("/inbox.json")
async def list_mails(world: World, to: str | None = None) -> list[dict[str, Any]]:
    wanted = to.lower() if to is not None else None
    found = [mail for mail in world.ledger.mails.newest_first() if wanted is None or mail.to.lower() == wanted]
    return [{name: getattr(mail, name) for name in SHOWN_OF_A_MAIL} for mail in found]


@get("/__emu__/mails")
async def list_mails_whole(world: World) -> list[Mail]:
    """With the Message-ID, by which copies are known."""
    return list(world.ledger.mails.newest_first())


@get("/__emu__/requests")
async def list_requests(world: World, provider: Provider | None = None) -> list[dict[str, Any]]:
    arrivals = reversed(world.ledger.requests)
    return [arrival.shown() for arrival in arrivals if provider is None or arrival.provider == provider]


@get("/__emu__/faults")
async def list_faults(world: World) -> list[Fault]:
    return world.faults.waiting()


@post("/__emu__/faults", status_code=200)
async def add_fault(world: World, data: Fault) -> list[Fault]:
    """All the faults that wait now."""
    world.faults.add(data)
    return world.faults.waiting()


@post("/__emu__/faults/clear", status_code=200)
async def clear_faults(world: World) -> list[Fault]:
    """From now on everything works; what happened stays on record."""
    world.faults.reset()
    return world.faults.waiting()


@post("/__emu__/reset", status_code=200)
async def reset(world: World) -> dict[str, str]:
    world.reset()
    return {"status": "reset"}
