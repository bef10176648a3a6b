"""What payments refuse, in the shop's form: `{error, code?}`."""

from typing import Any

import structlog

from app import errors
from app.clients.errors import ProviderError, Unavailable
from app.errors import Conflict, NotAuthenticated, NotFound

log = structlog.get_logger("app.payments")
LONGEST_WAIT = 30


class NoPayment(NotFound):
    """No hay un pago para ese pedido"""

    key = "error"


class NoOrder(NotFound):
    """No existe el pedido"""

    key = "error"


class NotSigned(NotAuthenticated):
    """Firma inválida"""

    key = "error"


class RefundRunning(Conflict):
    """Ya hay un reembolso en curso"""

    key = "error"
    code = "refund_running"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "2"})


class ProviderDown(errors.ProviderDown):
    """MercadoPago no está disponible, probá de nuevo en unos segundos"""


def provider_down(error: ProviderError | None = None, **told: Any) -> ProviderDown:
    """The answer to a caller who waited for the provider in vain. What a person has to mend stands in the log."""
    if error is not None and not (error.retryable or error.outcome_unknown):
        log.error("provider_refused", reason=error.message, code=error.code, status=error.status, **told)
    wait = error.retry_after if isinstance(error, Unavailable) else 2.0
    return ProviderDown(retry_after=max(1, min(round(wait), LONGEST_WAIT)))
