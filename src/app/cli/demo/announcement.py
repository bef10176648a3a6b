"""The short text that ends `make up`."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.demo import promos
from app.cli.demo.loading import open_stage
from app.cli.demo.people_data import NEWCOMER, PEOPLE
from app.cli.demo.stage import Stage
from app.domain.promos.schemas import ActivePromo
from app.settings import Settings


async def announcement(session: AsyncSession, settings: Settings, address: str) -> str:
    """Addresses, accounts and one `curl` that holds a unit. Makes the promotions of another day first, if need be."""
    parts = [
        f"API        {address}/api/products/",
        f"Docs       {address}/api/docs/  {address}/api/redoc/",
        f"Sandbox    http://127.0.0.1:{settings.sandbox_port}/  (pushes and mails as they arrive)",
    ]
    stage = await open_stage(session, settings)
    if all(person.username in stage.users for person in PEOPLE):
        await promos.load(stage)
        parts += ["", "Accounts   name / password", *_accounts(), "", *await _invitation(stage, address)]
    return "\n".join(parts)


def _accounts() -> list[str]:
    return [f"  {person.username:<8} {person.password:<18} {person.role}" for person in PEOPLE]


async def _invitation(stage: Stage, address: str) -> list[str]:
    person = next(person for person in PEOPLE if person.username == NEWCOMER)
    promo = await promos.holdable(stage)
    if promo is None:
        return [f"Every demo promotion is used up for {person.username}; `relampago demo reset` begins anew."]
    body = f"""-H 'Content-Type: application/json' -d '{{"promo_id": {promo.id}}}'"""
    return [
        f"Hold a unit of {_named(promo, stage)}:",
        f"  curl -s -X POST {address}/cart/reserve -u {person.username}:{person.password} {body}",
    ]


def _named(promo: ActivePromo, stage: Stage) -> str:
    until = promo.ends_at.astimezone(stage.settings.zone)
    return f"{promo.product_name} at {promo.promo_price} instead of {promo.base_price}, until {until:%d/%m %H:%M}"
