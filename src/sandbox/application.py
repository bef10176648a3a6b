"""The sandbox's application: its routes around one world."""

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from sandbox import (
    cloudinary,
    control,
    dollar_rates,
    mercadopago,
    mercadopago_checkout,
    mercadopago_control,
    page,
    sheets,
    webhooks,
)
from sandbox.edge import Edge
from sandbox.fcm import send_message
from sandbox.google import give_token
from sandbox.guards import from_this_machine
from sandbox.world import World

HANDLERS: tuple[ControllerRouterHandler, ...] = (
    give_token,
    send_message,
    control.list_pushes,
    control.list_mails,
    control.list_mails_whole,
    control.list_requests,
    control.list_faults,
    control.add_fault,
    control.clear_faults,
    control.reset,
    page.show,
    page.style,
    page.script,
    page.icon,
    page.feed,
    page.mail,
    *dollar_rates.HANDLERS,
    *sheets.HANDLERS,
    *cloudinary.HANDLERS,
    page.checkout_style,
    *mercadopago.HANDLERS,
    *mercadopago_checkout.HANDLERS,
    *mercadopago_control.HANDLERS,
    *webhooks.HANDLERS,
)


def create_app(world: World) -> Edge:
    app = Litestar(
        route_handlers=list(HANDLERS),
        dependencies={"world": Provide(lambda: world, sync_to_thread=False)},
        guards=[from_this_machine],
        openapi_config=None,
        logging_config=None,
    )
    return Edge(app, world)
