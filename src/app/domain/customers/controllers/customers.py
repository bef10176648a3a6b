"""`/api/auth/customers/`: staff alone."""

from litestar import Controller, delete, get, patch, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.controllers.refusals import in_one_line
from app.domain.customers.schemas import (
    BlockAnswer,
    BlockInput,
    Customer,
    CustomerInput,
    CustomerPatch,
    NewCustomerInput,
    UnblockAnswer,
)
from app.domain.customers.service.customers import CustomerService
from app.domain.orders.schemas.orders import Order
from app.errors import Invalid
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, page_of
from app.http.principal import Principal
from app.http.query import text_of

PAGE_SIZE = 10
BLOCKED = "Cliente bloqueado"
UNBLOCKED = "Cliente desbloqueado"

Customers = NamedDependency[CustomerService]


def provide_customers(
    session: NamedDependency[AsyncSession], state: State, user: NamedDependency[Principal]
) -> CustomerService:
    return CustomerService(session, state.settings, user)


class CustomerController(Controller):
    """Customers are the users who are no staff."""

    path = "/api/auth/customers"
    tags = ("customers",)
    dependencies = {  # noqa: RUF012 - Litestar reads it from the class
        "customers": Provide(provide_customers, sync_to_thread=False)
    }

    @get("/", guards=[staff], operation_id="customers_list", opt={QUERY: {"search": str}})
    async def all(self, request: ApiRequest, customers: Customers) -> Page[Customer]:
        """Newest first, 10 a page. Each word of `search` has to occur in a name, the e-mail or the dni."""
        search = text_of(request, "search")
        return await page_of(
            request,
            PAGE_SIZE,
            count=lambda: customers.count(search),
            rows=lambda limit, offset: customers.page(search, limit, offset),
        )

    @post("/", guards=[staff], operation_id="customers_create")
    async def create(self, customers: Customers, data: NewCustomerInput, state: State) -> Customer:
        return await customers.create(data, state.passwords)

    @get("/{id:int}/", guards=[staff], operation_id="customers_retrieve")
    async def one(self, customers: Customers, id: int) -> Customer:  # noqa: A002 - the path's name
        return await customers.get(id)

    @put("/{id:int}/", guards=[staff], operation_id="customers_update")
    async def replace(self, customers: Customers, id: int, data: CustomerInput) -> Customer:  # noqa: A002
        return await customers.change(id, data)

    @patch("/{id:int}/", guards=[staff], operation_id="customers_partial_update")
    async def change(self, customers: Customers, id: int, data: CustomerPatch) -> Customer:  # noqa: A002
        """Also `segments_override`: a list of segments that replaces the rules, or null."""
        return await customers.change(id, data)

    @delete("/{id:int}/", guards=[staff], operation_id="customers_destroy", opt={ERRORS: (403,)})
    async def remove(self, customers: Customers, state: State, id: int) -> None:  # noqa: A002
        """The orders stay, without a user."""
        await customers.delete(id, state.personal_data)

    @get("/{id:int}/orders/", guards=[staff], operation_id="customers_orders")
    async def orders(self, customers: Customers, id: int) -> list[Order]:  # noqa: A002
        return await customers.orders(id)

    @post(
        "/{id:int}/block/",
        guards=[staff],
        operation_id="customers_block",
        status_code=200,
        opt={ERRORS: (403,)},
        exception_handlers={Invalid: in_one_line},
    )
    async def block(self, customers: Customers, id: int, data: BlockInput) -> BlockAnswer:  # noqa: A002
        """Ends every token of the customer."""
        return BlockAnswer(BLOCKED, is_active=False, admin_notes=await customers.block(id, data.admin_notes))

    @post("/{id:int}/unblock/", guards=[staff], operation_id="customers_unblock", status_code=200, opt={ERRORS: (403,)})
    async def unblock(self, customers: Customers, id: int) -> UnblockAnswer:  # noqa: A002
        """No old token revives."""
        return UnblockAnswer(UNBLOCKED, is_active=await customers.unblock(id))
