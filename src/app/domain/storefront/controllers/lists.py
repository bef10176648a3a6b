"""Lists of products, for everybody."""

from typing import Any, Literal

import msgspec
from litestar import Controller, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide

from app.domain.storefront.queries.ordering import ORDERINGS
from app.domain.storefront.schemas.products import ProductFilters, ProductList, ProductPage
from app.domain.storefront.service.listing import Found, ListingService
from app.errors import Refused
from app.http.decoding import ApiRequest
from app.http.etags import read_of
from app.http.guards import anyone
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, PageRequest, envelope
from app.http.principal import Principal
from app.http.query import Connection, choice_of, flag_of, number_of, text_of

PAGE_SIZE = 24
PAGE_SIZE_OF_A_CATEGORY = 12
STOCK_FILTERS = ("in_stock", "low_stock", "out_of_stock")
PRICE_FILTERS = ("with_price", "without_price", "on_sale")
FILTERS = {
    "category_name": str,
    "search": str,
    "is_available": bool,
    "stock_filter": Literal[STOCK_FILTERS],
    "price_filter": Literal[PRICE_FILTERS],
    "on_sale": bool,
    "brand": str,
    "min_price": float,
    "max_price": float,
    "ordering": Literal[ORDERINGS],
    "facets": bool,
}
NO_CATEGORY = "category_name is required."

Caller = NamedDependency[Principal | None]
Listing = NamedDependency[ListingService]


def provide_listing(state: State, caller: Caller) -> ListingService:
    return ListingService(state.reads, state.kept, state.settings, caller)


class ProductListController(Controller):
    """Anybody sees what is available, staff see everything."""

    path = "/api/products"
    tags = ("products",)
    dependencies = {"listing": Provide(provide_listing, sync_to_thread=False)}  # noqa: RUF012 - Litestar reads it from the class

    @get("/", guards=[anyone], operation_id="products_list", opt={QUERY: FILTERS, ERRORS: (400,)})
    async def all(self, request: ApiRequest, listing: Listing) -> Response[ProductPage]:
        """24 a page, 12 with `category_name`; a search's best match first, else the newest, or by `ordering`.

        `is_available` is heeded from staff alone. Prices are compared in pesos, after discounts. `facets` adds how many
        of all the products found each brand and each category has.
        """
        filters = filters_of(request, staff_filters=listing.everything)
        size = PAGE_SIZE if filters.category_name is None else PAGE_SIZE_OF_A_CATEGORY
        return await _page(request, listing, filters, size)

    @get("/on-sale/", guards=[anyone], operation_id="products_on_sale")
    async def on_sale(self, request: ApiRequest, listing: Listing) -> Response[Page[ProductList]]:
        """With a percentage of any kind, or a special promotion."""
        return await _page(request, listing, ProductFilters(on_sale=True), PAGE_SIZE)

    @get("/on-sale-fast/", guards=[anyone], operation_id="products_on_sale_fast")
    async def on_sale_fast(self, request: ApiRequest, listing: Listing) -> Response[list[ProductList]]:
        """The same, not paged and kept for five minutes, or until something of it changes; stock is always fresh."""
        return read_of(request, await listing.everything_on_sale())

    @get("/on-sale-simple/", guards=[anyone], operation_id="products_on_sale_simple")
    async def on_sale_simple(self, request: ApiRequest, listing: Listing) -> Response[Page[ProductList]]:
        """With a percentage of the product's own."""
        return await _page(request, listing, ProductFilters(discounted=True), PAGE_SIZE)

    @get(
        "/by-category/",
        guards=[anyone],
        operation_id="products_by_category",
        opt={QUERY: {"category_name": str, "search": str}, ERRORS: (400,)},
    )
    async def by_category(self, request: ApiRequest, listing: Listing) -> Response[Page[ProductList]]:
        """Of a category and of those below it; 12 a page."""
        category, search = text_of(request, "category_name"), text_of(request, "search")
        if category is None:
            raise Refused(NO_CATEGORY)
        filters = ProductFilters(category_name=category, search=search)
        return await _page(request, listing, filters, PAGE_SIZE_OF_A_CATEGORY)

    @get("/{id:int}/related/", guards=[anyone], operation_id="products_related")
    async def related(self, request: ApiRequest, listing: Listing, id: int) -> Response[list[ProductList]]:  # noqa: A002 - the path's name
        """At most eight that are available: of its category and brand, then of its category, then of its brand."""
        return read_of(request, await listing.related(id))


def filters_of(request: Connection, *, staff_filters: bool) -> ProductFilters:
    """The list's filters from the query. Raises Invalid under the parameter's name."""
    return ProductFilters(
        category_name=text_of(request, "category_name"),
        search=text_of(request, "search"),
        is_available=flag_of(request, "is_available") if staff_filters else None,
        stock_filter=choice_of(request, "stock_filter", STOCK_FILTERS),
        price_filter=choice_of(request, "price_filter", PRICE_FILTERS),
        on_sale=flag_of(request, "on_sale"),
        brand=text_of(request, "brand"),
        min_price=number_of(request, "min_price"),
        max_price=number_of(request, "max_price"),
        ordering=choice_of(request, "ordering", ORDERINGS),
        facets=flag_of(request, "facets") or False,
    )


async def _page(request: ApiRequest, listing: ListingService, filters: ProductFilters, size: int) -> Response[Any]:
    asked = PageRequest.of(request, size)
    return read_of(request, _written(request, asked, await listing.page(filters, asked)))


def _written(request: ApiRequest, asked: PageRequest, found: Found) -> bytes:
    number, pages = asked.place(found.total)
    page = envelope(request, found.total, number, pages, msgspec.Raw(found.results))
    if found.facets is None:
        return msgspec.json.encode(page)
    return msgspec.json.encode(msgspec.structs.asdict(page) | {"facets": msgspec.Raw(found.facets)})
