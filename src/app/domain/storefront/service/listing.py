"""Lists of products, read without a transaction and as text: nothing between the database and the wire."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from app.db.kept import Kept, Made
from app.db.reads import Reads
from app.domain.storefront.queries import listing, nearby
from app.domain.storefront.queries.narrowing import Shape
from app.domain.storefront.schemas.products import ProductFilters
from app.domain.storefront.service.products import MEDIA_PATH
from app.errors import NotFound
from app.http.pagination import PageRequest
from app.http.principal import Principal
from app.settings import Settings

# What the database leaves for the units of a pool. In the text of a name its quotes would be escaped.
_BLANK = re.compile(rb'(?<="stock":)"@([0-9]+)@"|(?<="stock" : )"@([0-9]+)@"')


class Found(msgspec.Struct, frozen=True):
    """A page of a list: how many there are in all, the products and perhaps the facets as JSON."""

    total: int
    results: bytes
    facets: bytes | None


class ListingService:
    """For one caller: staff see what is not available too."""

    def __init__(self, reads: Reads, kept: Kept, settings: Settings, caller: Principal | None) -> None:
        self.reads = reads
        self.kept = kept
        self.everything = caller is not None and caller.is_admin
        self.media = f"{settings.public_url}{MEDIA_PATH}"
        self.zone = settings.time_zone
        self.low_stock = settings.low_stock_limit

    async def page(self, filters: ProductFilters, asked: PageRequest) -> Found:
        """Products that pass the filters: the best match of a search first, else the newest, or as asked for.

        One statement; one more for the last page of whatever length.
        """
        shape, values = self._shape(filters), self._values(filters)
        number = asked.number
        if asked.last:
            statement = listing.count(shape)
            total = await self.reads.fetch(statement.sql, statement.arguments(values), _only_value)
            number, _ = asked.place(total)
        statement = listing.page(shape, asked.size)
        values["offset"] = min((number - 1) * asked.size, 2**62)
        return await self.reads.fetch(statement.sql, statement.arguments(values), _found)

    async def related(self, product_id: int) -> bytes:
        """At most eight products that are near to one. Raises NotFound, also for one that the caller may not see."""
        statement = nearby.related(everything=self.everything)
        arguments = statement.arguments({"id": product_id, "media": self.media, "zone": self.zone})
        known, results = await self.reads.fetch(statement.sql, arguments, _known)
        if not known:
            raise NotFound
        return results

    async def everything_on_sale(self) -> bytes:
        """All products on sale, kept for a while; their stock is read for every answer."""
        name = f"on_sale {self.everything}"
        pieces, pools = await self.kept.get(name, self._read_on_sale)
        if not pools:
            return pieces[0]
        statement = nearby.units()
        units = await self.reads.fetch(statement.sql, (tuple(sorted(set(pools))),), _units)
        parts = [pieces[0]]
        for pool, piece in zip(pools, pieces[1:], strict=True):
            parts += (units.get(pool, b"0"), piece)
        return b"".join(parts)

    async def _read_on_sale(self) -> Made[tuple[Sequence[bytes], Sequence[int]]]:
        statement = nearby.on_sale(everything=self.everything)
        results, until = await self.reads.fetch(
            statement.sql, statement.arguments({"media": self.media, "zone": self.zone}), _results
        )
        pieces, pools, end = [], [], 0
        for blank in _BLANK.finditer(results):
            pieces.append(results[end : blank.start()])
            pools.append(int(blank[1] or blank[2]))
            end = blank.end()
        pieces.append(results[end:])
        return Made((tuple(pieces), tuple(pools)), until)

    def _shape(self, filters: ProductFilters) -> Shape:
        return Shape(
            everything=self.everything,
            is_available=filters.is_available if self.everything else None,
            category=filters.category_name is not None,
            search=filters.search is not None,
            brand=filters.brand is not None,
            min_price=filters.min_price is not None,
            max_price=filters.max_price is not None,
            stock_filter=filters.stock_filter,
            price_filter=filters.price_filter,
            on_sale=filters.on_sale,
            discounted=filters.discounted,
            ordering=filters.ordering,
            facets=filters.facets,
        )

    def _values(self, filters: ProductFilters) -> dict[str, Any]:
        return {
            "category_name": filters.category_name,
            "search": filters.search,
            "brand": filters.brand,
            "min_price": filters.min_price,
            "max_price": filters.max_price,
            "low_stock": self.low_stock,
            "media": self.media,
            "zone": self.zone,
        }


def _only_value(rows: list[asyncpg.Record]) -> int:
    return int(rows[0][0])


def _found(rows: list[asyncpg.Record]) -> Found:
    total, results, facets = rows[0]
    return Found(total, results.encode(), None if facets is None else facets.encode())


def _known(rows: list[asyncpg.Record]) -> tuple[bool, bytes]:
    return rows[0]["known"], rows[0]["results"].encode()


def _results(rows: list[asyncpg.Record]) -> tuple[bytes, dt.datetime]:
    return rows[0]["results"].encode(), rows[0]["until"]


def _units(rows: list[asyncpg.Record]) -> dict[int, bytes]:
    return {pool: b"%d" % units for pool, units in rows}
