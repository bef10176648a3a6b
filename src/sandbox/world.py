"""Everything that the stand-ins remember."""

import time
from pathlib import Path
from typing import Any

from sandbox.account import ensure_account, public_key
from sandbox.cloud import Cloud
from sandbox.faults import Faults
from sandbox.ledger import Ledger
from sandbox.mercadopago_notifier import Notifier
from sandbox.mercadopago_till import Till
from sandbox.rates_table import RatesTable
from sandbox.sheets_grid import Sheets

TOKEN_SECONDS = 3599
# Longer than any client waits.
SLOW_SECONDS = 30.0


class World:
    """One sandbox, at this address. Google's access tokens last `token_seconds`, a slow answer takes `slow_seconds`."""

    def __init__(
        self,
        account_file: Path,
        url: str,
        *,
        token_seconds: int = TOKEN_SECONDS,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self.account: dict[str, Any] = ensure_account(account_file, f"{url}/google/token")
        self.public_key = public_key(self.account)
        self.token_seconds = token_seconds
        self.slow_seconds = slow_seconds
        self.ledger = Ledger()
        self.faults = Faults()
        self.rates = RatesTable()
        self.sheets = Sheets()
        self.cloud = Cloud()
        self.till = Till(f"{url}/mercadopago/checkout/v1/redirect")
        self.notifier = Notifier(self.till)
        # Until when, on the monotonic clock, and for what. They outlive a reset, as they do at Google.
        self.access_tokens: dict[str, tuple[float, frozenset[str]]] = {}
        # Of the shop's webhooks. They outlive a reset too.
        self.hook_secrets: list[bytes] = []
        # How often a token that fails for a while has failed.
        self.failures: dict[str, int] = {}

    def forget_old_tokens(self) -> None:
        now = time.monotonic()
        self.access_tokens = {token: grant for token, grant in self.access_tokens.items() if grant[0] > now}

    def reset(self) -> None:
        """Forget what happened and what should go wrong."""
        self.ledger.reset()
        self.faults.reset()
        self.rates.reset()
        self.sheets.reset()
        self.cloud.reset()
        self.till.reset()
        self.notifier.reset()
        self.failures.clear()
