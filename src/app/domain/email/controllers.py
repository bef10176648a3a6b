"""Whether mails can be sent, a mail to try it, and the end of marketing mails by one click."""

from litestar import Controller, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.errors import ProviderError
from app.clients.smtp import SmtpClient, is_configured, require_mail
from app.domain.accounts.controllers.refusals import in_one_line
from app.domain.email.rules import unsubscribing
from app.domain.email.rules.letters import trial_letter
from app.domain.email.schemas import MailConfig, TrialAnswer, TrialInput
from app.domain.email.service.mails import MailService, message_of, new_message_id
from app.domain.email.service.subscriptions import SubscriptionService
from app.errors import AppError, Invalid
from app.http.guards import door, staff
from app.http.openapi.hints import ERRORS
from app.http.plain_page import plain_page
from app.http.throttling import EXEMPT, THROTTLE
from app.settings import Settings

# A person waits for the answer.
TRIAL_SECONDS = {"answer_seconds": 8.0, "total_seconds": 12.0}
ASK = (
    "<p>No vamos a escribirte más por carritos sin terminar. "
    "Los mensajes sobre tu cuenta y tus pedidos siguen llegando.</p>\n"
    '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
    "<button>Darme de baja</button></form>"
)
DONE = "<p>No te vamos a mandar más recordatorios.</p>"


class MailFailed(AppError):
    """The mail server did not take the mail; the message is its own text, shortened."""

    status = 500
    key = "error"


class EmailController(Controller):
    """`/api/email/config-check/` and `/api/email/test/`."""

    path = "/api/email"
    tags = ("email",)

    @get("/config-check/", guards=[staff], operation_id="email_config_check")
    async def config_check(self, state: State) -> MailConfig:
        """What is set, without its secrets."""
        return _config(state.settings)

    @post(
        "/test/",
        guards=[staff],
        operation_id="email_test",
        status_code=200,
        opt={ERRORS: (500, 503)},
        exception_handlers={Invalid: in_one_line},
    )
    async def test(self, data: TrialInput, session: NamedDependency[AsyncSession], state: State) -> TrialAnswer:
        """Sends a mail at once. One that succeeds also ends a halt after refused credentials."""
        require_mail(state.settings)
        await session.close()  # no connection to the database is held while the mail server is waited for
        await _send_trial(state.settings, data.email)
        await MailService(session, state.settings).go_on()
        return TrialAnswer(f"Email de prueba enviado a {data.email}")


class UnsubscribeController(Controller):
    """What `List-Unsubscribe` of marketing mails names (RFC 8058). Mail providers post to it, and persons."""

    path = unsubscribing.PATH
    include_in_schema = False
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - Litestar reads it from the class

    @get("/{token:str}/", guards=[door])
    async def ask(self, token: str, session: NamedDependency[AsyncSession], state: State) -> Response[str]:
        """A page that asks. It changes nothing: programs that look for viruses open every link."""
        await SubscriptionService(session, state.settings).mail_of(token)
        return plain_page("¿No querés más recordatorios?", ASK, form=True)

    @post("/{token:str}/", guards=[door], status_code=200)
    async def end(self, token: str, session: NamedDependency[AsyncSession], state: State) -> Response[str]:
        await SubscriptionService(session, state.settings).end(token)
        return plain_page("Listo", DONE)


def _config(settings: Settings) -> MailConfig:
    configured = is_configured(settings)
    return MailConfig(
        configured=configured,
        backend="smtp",
        host=settings.smtp_host if configured else None,
        port=settings.smtp_port if configured else None,
        use_tls=configured and settings.smtp_tls_mode != "none",
        from_email=settings.mail_from,
    )


async def _send_trial(settings: Settings, address: str) -> None:
    """Raises MailFailed."""
    message = message_of(trial_letter(), settings, to=address, message_id=new_message_id(settings))
    try:
        await SmtpClient.from_settings(settings, **TRIAL_SECONDS).send(message)
    except ProviderError as error:
        raise MailFailed(error.message) from error
