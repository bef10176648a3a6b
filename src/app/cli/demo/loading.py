"""Loads the demo, and takes it away."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.demo import accounts, catalog, devices, orders, prices, promos, stores
from app.cli.demo.people_data import PEOPLE
from app.cli.demo.pictures import draw_missing
from app.cli.demo.stage import Loader, Stage
from app.db.models import Base
from app.domain.accounts.models import User
from app.domain.catalog.models import Category, Product
from app.domain.devices.models import DeviceToken
from app.domain.marketing.models import Coupon
from app.domain.orders.models import Order
from app.domain.promos.models import FlashPromo
from app.domain.stores.models import Store, StoreProduct
from app.settings import Settings

# A domain that wants to show something adds its loader here. Each finds out by itself what is missing, and may use what
# those before it made.
LOADERS: tuple[tuple[str, Loader], ...] = (
    ("accounts", accounts.load),
    ("devices", devices.load),
    ("catalogue", catalog.load),
    ("prices", prices.load),
    ("stores", stores.load),
    ("past orders", orders.load),
    ("promotions", promos.load),
)
COUNTED = {
    "accounts": User,
    "devices": DeviceToken,
    "categories": Category,
    "products": Product,
    "stores": Store,
    "store products": StoreProduct,
    "coupons": Coupon,
    "orders": Order,
    "promotions": FlashPromo,
}
# Any 64-bit number that nobody else takes: of two loads at once the second finds everything there.
LOAD_LOCK = 7_401_839_215_570_177
STEPS = len(catalog.ITEMS) + len(LOADERS)
Tell = Callable[[str], None]


class Loaded(msgspec.Struct, frozen=True):
    """How many rows there are now, by what they are."""

    counts: dict[str, int]


def draw(settings: Settings, tell: Tell) -> None:
    """The pictures, before the transaction: drawing takes longer than a transaction may be idle."""
    products = {item.name: catalog.TOP[item.category] for item in catalog.ITEMS}
    draw_missing(Path(settings.media_root), products, lambda: tell("pictures"))


async def load(session: AsyncSession, settings: Settings, tell: Tell) -> Loaded:
    """Everything that is missing, in the caller's transaction; `tell` is called after each step."""
    # What was always there is no news to those who follow the shop.
    await session.execute(text("SELECT set_config('relampago.quiet', 'on', true)"))
    stage = await open_stage(session, settings)
    for name, loader in LOADERS:
        await loader(stage)
        tell(name)
    return Loaded({name: await _count(session, table) for name, table in COUNTED.items()})


async def open_stage(session: AsyncSession, settings: Settings) -> Stage:
    """A stage for one loader at a time, with the accounts that exist."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOAD_LOCK})
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    stage = Stage(session, settings, now)
    stage.users = await stage.find_users([person.username for person in PEOPLE])
    return stage


async def empty(session: AsyncSession) -> None:
    """Delete every row of every table of ours, and the jobs that nobody is running."""
    for table in reversed(Base.metadata.sorted_tables):
        await session.execute(delete(table))
    await session.execute(text("DELETE FROM procrastinate_jobs WHERE status <> 'doing'"))


async def _count(session: AsyncSession, table: type[Base]) -> int:
    return int((await session.execute(select(func.count()).select_from(table))).scalar_one())
