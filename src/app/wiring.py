"""What the application is made of: the only place where things are wired. `app.server` starts it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app import registry
from app.cli.plugin import CommandLine
from app.clients.dollar_rates import DollarRateClient
from app.clients.fcm import FcmClient
from app.clients.google_sheets import SheetsClient
from app.clients.mercadopago import MercadoPagoClient
from app.clients.places import PlaceBook
from app.db.engine import create_engine, session_maker
from app.db.kept import Kept
from app.db.reads import Reads
from app.db.standby import Standby
from app.db.transaction import TransactionMiddleware, provide_session, roll_back
from app.domain.accounts.controllers.doors import DoorController
from app.domain.accounts.controllers.profile import ProfileController
from app.domain.accounts.controllers.registration import RegistrationController
from app.domain.accounts.service.authenticator import Authenticator
from app.domain.accounts.service.passwords import Passwords
from app.domain.activity.controllers import ActivityController
from app.domain.analytics.controllers import StatisticsController
from app.domain.carts.controllers.staff import StaffCartController
from app.domain.carts.controllers.visitors import VisitorCartController
from app.domain.carts.service.linking import CartLinks
from app.domain.carts.service.personal_data import CartData
from app.domain.catalog.controllers import CategoryController, ReviewController
from app.domain.catalog.service.pictures import PictureStore
from app.domain.cron.controllers import CronController
from app.domain.customers.controllers.customers import CustomerController
from app.domain.customers.controllers.own_data import OwnDataController
from app.domain.devices.controllers import DeviceController
from app.domain.email.controllers import EmailController, UnsubscribeController
from app.domain.email.service.personal_data import MailData
from app.domain.events.controllers import EventController
from app.domain.marketing.controllers.bulk import BulkPromotionController
from app.domain.marketing.controllers.coupons import CouponController
from app.domain.marketing.controllers.offers import OfferController
from app.domain.marketing.controllers.scheduled import ScheduledDiscountController
from app.domain.notifications.controllers import NotificationController
from app.domain.notifications.service.personal_data import PushData
from app.domain.notifications.service.sending import PushSender
from app.domain.orders.controllers.abandoned import AbandonedOrderController
from app.domain.orders.controllers.carts import CartOrderController
from app.domain.orders.controllers.coupons import OrderCouponController
from app.domain.orders.controllers.lists import OrderListController
from app.domain.orders.controllers.moves import OrderMoveController
from app.domain.orders.controllers.orders import OrderController
from app.domain.orders.service.crowd import OrderCrowd
from app.domain.payments.controllers.distribution_centers import DistributionCenterController
from app.domain.payments.controllers.notifications import NotificationController as PaymentNotificationController
from app.domain.payments.controllers.payments import PaymentController
from app.domain.payments.controllers.return_page import ReturnController
from app.domain.payments.service.desk import PaymentDesk
from app.domain.payments.service.intake import Intake
from app.domain.payments.service.order_money import OrderMoney
from app.domain.payments.service.personal_data import PaymentData
from app.domain.promos.controllers.cart import CartController
from app.domain.promos.controllers.live import LiveController
from app.domain.promos.controllers.promotions import PromoController
from app.domain.promos.service.claims import ClaimEngine
from app.domain.promos.service.holds import HoldDesk
from app.domain.promos.service.live import LiveBoard
from app.domain.rates.controllers import DollarRateController, RateUpdateController
from app.domain.rates.service import RateUpdater
from app.domain.sheets.controllers.products import ProductSyncController
from app.domain.sheets.controllers.sync import SheetController
from app.domain.sheets.service.engine import SheetSync
from app.domain.site.controllers.configuration import ConfigurationController, MaintenanceController
from app.domain.site.controllers.health import HealthController, ProbeController
from app.domain.site.controllers.metrics import MetricsController
from app.domain.site.service.maintenance import Maintenance
from app.domain.storefront.controllers.lists import ProductListController
from app.domain.storefront.controllers.pictures import MediaController
from app.domain.storefront.controllers.prices import PriceController
from app.domain.storefront.controllers.products import ProductController
from app.domain.stores.controllers import StoreController, StoreProductController
from app.domain.visitors.controllers import VisitController, VisitorController
from app.domain.webhooks.controllers import WebhookController
from app.http import answers
from app.http.admission import Sizes
from app.http.cors import KnownOrigins, cors_for
from app.http.decoding import ApiRequest, InputPlugin
from app.http.edge import Edge
from app.http.guards import authorize_without_copies, provide_caller, provide_claim, provide_user
from app.http.idempotency import IdempotencyMiddleware, KeyedRequests
from app.http.leaving import Leaving
from app.http.methods import name_all_methods
from app.http.openapi.pages import DOCS_HANDLERS
from app.http.ready import Answer
from app.http.streams import Places
from app.http.throttling import Throttle, give_back_unproven, show_rate
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.logs import configure_logs
from app.server import MAX_BODY_BYTES, Relampago
from app.settings import Settings
from app.tracing import end_traces, traced

DEPENDENCIES = {
    "session": Provide(provide_session, sync_to_thread=False),
    "user": Provide(provide_user, sync_to_thread=False),
    "caller": Provide(provide_caller, sync_to_thread=False),
    "claim": Provide(provide_claim, sync_to_thread=False),
}
CONTROLLERS: Sequence[ControllerRouterHandler] = (
    *(HealthController, ProbeController, MetricsController, ConfigurationController, MaintenanceController),
    *(DoorController, RegistrationController, ProfileController, CustomerController, OwnDataController),
    *(CategoryController, ReviewController, ProductController, ProductListController, PriceController, MediaController),
    *(StoreController, StoreProductController, PromoController, CartController, LiveController),
    DistributionCenterController,
    *(CouponController, OfferController, BulkPromotionController, ScheduledDiscountController),
    *(OrderController, OrderListController, OrderMoveController, OrderCouponController, AbandonedOrderController),
    *(CartOrderController, VisitorCartController, StaffCartController),
    *(PaymentController, PaymentNotificationController, ReturnController, DollarRateController, RateUpdateController),
    *(DeviceController, NotificationController, EmailController, UnsubscribeController, ActivityController),
    *(StatisticsController, VisitorController, VisitController),
    *(SheetController, ProductSyncController, CronController, EventController, WebhookController),
)


class Routes(Router):
    """All routes of one application, of controllers alone: nobody else has them, and Litestar need not copy them."""

    __slots__ = ()

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Routes":
        return self


def put_together(settings: Settings) -> Relampago:
    """Build the application. Nothing connects before the lifespan starts."""
    configure_logs(settings.log_level)
    registry.load()
    announce(JOBS)
    engine = create_engine(settings)
    app = Relampago(
        route_handlers=[Routes(path="/", route_handlers=[*CONTROLLERS, *DOCS_HANDLERS])],
        dependencies=DEPENDENCIES,
        state=State(_state(settings, engine)),
        middleware=[TransactionMiddleware, IdempotencyMiddleware],
        after_exception=[roll_back, give_back_unproven],
        before_send=[show_rate],
        exception_handlers={Exception: answers.handle},
        plugins=[InputPlugin(), CommandLine()],
        request_class=ApiRequest,
        response_class=Answer,
        request_max_body_size=MAX_BODY_BYTES,
        cors_config=cors_for(settings.cors_allowed_origins),
        openapi_config=None,
        lifespan=[_lifespan],
        logging_config=None,
        debug=False,
    )
    authorize_without_copies(app)
    name_all_methods(app)
    app.edge = _edge(app, settings)
    return app


def _edge(app: Relampago, settings: Settings) -> Edge:
    inner = traced(KnownOrigins.around(super(Relampago, app).__call__, app.cors_config), settings)
    return Edge(
        inner,
        production=settings.production,
        leaving=app.state.leaving,
        cors=app.cors_config,
        sizes=Sizes.beside(settings.db_pool_size),
    )


def _state(settings: Settings, engine: AsyncEngine) -> dict[str, Any]:
    """What handlers, guards and services find in the application's state."""
    passwords, sessions = Passwords(), session_maker(engine)
    standby = Standby(settings) if settings.database_read_url else None
    reads = Reads(settings.way, standby=standby)
    maintenance = Maintenance(settings)
    board = LiveBoard(reads, Places(in_all=settings.live_listeners, each=settings.live_per_address), maintenance.watch)
    return {
        "settings": settings,
        "engine": engine,
        "leaving": Leaving(),
        "sessions": sessions,
        "passwords": passwords,
        "throttle": Throttle(settings),
        "standby": standby,
        "reads": reads,
        "kept": Kept(reads),
        "keyed_requests": KeyedRequests(settings.direct_dsn),
        "maintenance": maintenance,
        "authenticator": Authenticator(settings, passwords),
        "order_money": OrderMoney(),
        "order_crowd": OrderCrowd(sessions, settings),
        "cart_linker": CartLinks(settings),
        "pictures": PictureStore(settings, sessions),
        "places": PlaceBook(settings.geoip_database),
        "personal_data": (CartData(), MailData(), PaymentData(), PushData()),
        **_providers(settings, sessions),
        "hold_desk": HoldDesk(ClaimEngine(settings.way, hold_seconds=settings.hold_seconds), board.touch),
        "live_board": board,
    }


def _providers(settings: Settings, sessions: async_sessionmaker[AsyncSession]) -> dict[str, Any]:
    """One client for each provider, and what takes in what one of them tells."""
    return {
        "push_sender": PushSender(FcmClient.from_settings(settings)),
        "sheet_sync": SheetSync(sessions, SheetsClient.from_settings(settings)),
        "rate_updater": RateUpdater(sessions, DollarRateClient.from_settings(settings)),
        "payment_desk": PaymentDesk(sessions, MercadoPagoClient.from_settings(settings), settings),
        "payment_intake": Intake(settings.way),
    }


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncGenerator[None, None]:
    app.state.leaving.tell(app.state.live_board.begin_to_close)
    app.state.leaving.watch()
    await app.state.maintenance.watch.start()
    try:
        yield
    finally:
        await let_go(app)


async def let_go(app: Litestar) -> None:
    """Finish what is under way, then end every connection and task of an application, also of one never started."""
    await app.state.live_board.close()
    await app.state.maintenance.watch.close()
    await app.state.push_sender.aclose()
    await app.state.pictures.aclose()
    await app.state.rate_updater.aclose()
    await app.state.payment_desk.client.aclose()
    await app.state.sheet_sync.aclose()
    await app.state.hold_desk.engine.close()
    for name in ("payment_intake", "keyed_requests", "authenticator", "throttle", "reads"):
        await app.state[name].close()
    await app.state.engine.dispose()
    await end_traces(cast("Relampago", app).edge.inner)
