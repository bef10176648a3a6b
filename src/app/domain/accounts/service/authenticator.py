"""From the Authorization header to a user: what the guards ask."""

from functools import partial

from app.db import clock
from app.db.transaction import request_session
from app.domain.accounts import queries, tokens
from app.domain.accounts.queries import Account
from app.domain.accounts.rules.doors import (
    AccessTokenRefused,
    Basic,
    Bearer,
    UserInactive,
    UserNotFound,
    WrongBasicCredentials,
    read_authorization,
)
from app.domain.accounts.service.credentials import CredentialService
from app.domain.accounts.service.lookup import AccountLookup
from app.domain.accounts.service.passwords import Passwords
from app.domain.accounts.tokens import BadToken, Token
from app.http.addresses import client_address
from app.http.guards import APART, Connection
from app.http.principal import Claim, Principal
from app.settings import Settings


class Authenticator:
    """Bearer and Basic side by side. Nothing about a user is kept between requests: a block holds at the next one."""

    def __init__(self, settings: Settings, passwords: Passwords) -> None:
        self.secrets = tokens.signing_secrets(settings.secret_key, settings.secret_key_previous)
        self.basic = settings.auth_basic_enabled
        self.passwords = passwords
        self.lookup = AccountLookup(settings.way)

    async def close(self) -> None:
        """Let its connection go."""
        await self.lookup.close()

    async def principal(self, connection: Connection) -> Principal | None:
        """The caller, None when anonymous; one statement by id. Raises NotAuthenticated."""
        match self._named(connection):
            case Bearer(text):
                account = await self._bearer(connection, self._token(text))
            case Basic() as sent:
                account = await self._basic(connection, sent)
            case _:
                return None
        address = client_address(connection)
        return Principal(account.id, account.username, account.email, account.is_staff, account.is_superuser, address)

    async def claim(self, connection: Connection) -> Claim | None:
        """What the token claims, verified without the database; Basic is checked in full. Raises NotAuthenticated."""
        match self._named(connection):
            case Bearer(text):
                token = self._token(text)
                return Claim(token.user_id, token.version)
            case Basic() as sent:
                account = await self._basic(connection, sent)
                await request_session(connection).close()
                return Claim(account.id, account.version)
            case _:
                return None

    def _named(self, connection: Connection) -> Bearer | Basic | None:
        values = [value for name, value in connection.scope["headers"] if name == b"authorization"]
        return read_authorization(values, basic=self.basic)

    def _token(self, text: str) -> Token:
        try:
            return tokens.read(self.secrets, text, tokens.ACCESS, now=int(clock.seconds()))
        except BadToken as error:
            raise AccessTokenRefused(str(error)) from error

    async def _bearer(self, connection: Connection, token: Token) -> Account:
        account = await self._account(connection, token.user_id)
        if account is None:
            raise UserNotFound
        if not account.is_active:
            raise UserInactive
        if account.version != token.version:
            raise AccessTokenRefused(tokens.INVALID)
        return account

    async def _account(self, connection: Connection, user_id: int) -> Account | None:
        if connection.scope["route_handler"].opt.get(APART):
            return await self.lookup.get(user_id)
        row = (await request_session(connection).execute(queries.BY_ID, {"user_id": user_id})).one_or_none()
        return None if row is None else Account(*row)

    async def _basic(self, connection: Connection, sent: Basic) -> Account:
        attempts = partial(connection.app.state.throttle.begin_attempt, connection)
        checker = CredentialService(request_session(connection), self.passwords, attempts)
        account = await checker.by_username_each_time(sent.username, sent.password)
        if account is None or not account.is_active:
            raise WrongBasicCredentials
        return account
