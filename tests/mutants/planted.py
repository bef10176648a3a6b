"""Bugs as people make them, each with the tests that have to notice it.

A bug is a replacement in a file: what is replaced has to be there as often as it says, or the list is out of date and
that is an error. Those of the guarded statements of holds are beside the races that lose under them: see
tests/races/mutants.py.
"""

import msgspec

PAIRS = "tests/races/test_pairs_of_"
SPENDABLE = """\
                RefreshToken.rotated_at.is_(None),
                RefreshToken.revoked_at.is_(None),
            )
            .values(rotated_at=CLOCK)
"""
SPENT_OR_NOT = "            )\n            .values(rotated_at=CLOCK)\n"
COUPON_LOCK = "    SELECT * INTO c FROM coupon WHERE id = p_coupon FOR NO KEY UPDATE;"


class Planted(msgspec.Struct, frozen=True):
    """`seen_by` are tests by their pytest ids; each has to fail."""

    file: str
    old: str
    new: str
    seen_by: tuple[str, ...]
    # In how many orders of statements: a sample of them shows most bugs, not all.
    rounds: str = "quick"
    # A second file or place that has to change with it: (file, old, new).
    besides: tuple[tuple[str, str, str], ...] = ()

    @property
    def changes(self) -> tuple[tuple[str, str, str], ...]:
        return (self.file, self.old, self.new), *self.besides


PLANTED: dict[str, Planted] = {
    "a commit that fails is answered as a success": Planted(
        "src/app/db/transaction.py",
        "                    refused = True\n                    await answer_late(error, scope, receive, send)",
        "                    del error",
        ("tests/http/test_transactions.py::test_a_failed_commit_is_no_success",),
    ),
    "the sweep takes holds that are still good": Planted(
        "alembic/sql/inventory_1.sql",
        "r WHERE r.expires_at <= (SELECT clock_timestamp())\n         ORDER BY r.id LIMIT p_limit",
        "r\n         ORDER BY r.id LIMIT p_limit",
        (PAIRS + "holds.py::test_reserve_and_expire[over before]",),
    ),
    "a hold is bought after its time": Planted(
        "src/app/domain/inventory/queries.py",
        "         WHERE token = :token AND user_id = :user AND expires_at > clock_timestamp()\n",
        "         WHERE token = :token AND user_id = :user\n",
        (PAIRS + "holds.py::test_confirm_and_expire",),
    ),
    "a notification's signature is not looked at": Planted(
        "src/app/domain/payments/controllers/notifications.py",
        "    verify(secret, signature, Signed(data_id, request_id), clock.seconds())\n",
        "",
        ("tests/payments/test_notifications.py::test_ten_thousand_forgeries",),
    ),
    "a job may start before what was told of its payment is there": Planted(
        "alembic/sql/payments_1.sql",
        '             ORDER BY j.queueing_lock COLLATE "C"\n               FOR SHARE)\n',
        '             ORDER BY j.queueing_lock COLLATE "C")\n',
        ("tests/payments/test_intake.py::test_a_job_that_waits_starts_after_what_was_told",),
    ),
    "news of a payment are applied without its lock": Planted(
        "src/app/domain/payments/service/settlement.py",
        "select(Payment).where(Payment.reference == key).with_for_update()",
        "select(Payment).where(Payment.reference == key)",
        (PAIRS + "money.py::test_webhook_and_webhook", PAIRS + "money.py::test_two_payments_of_one_order"),
    ),
    "a refund is counted without its payment's lock": Planted(
        "src/app/domain/payments/service/refunds.py",
        "        found = select(Payment).where(which).with_for_update()\n",
        "        found = select(Payment).where(which)\n",
        (PAIRS + "money.py::test_refund_and_refund",),
        rounds="full",
    ),
    "each try of a refund has a key of its own": Planted(
        "src/app/clients/mercadopago.py",
        'headers={"X-Idempotency-Key": key})',
        'headers={"X-Idempotency-Key": f"{key[:-8]}{_chance.randrange(10**7, 10**8)}"})',
        ("tests/payments/test_refunds.py::test_an_answer_that_is_lost",),
    ),
    "a coupon's uses are read and then written": Planted(
        "alembic/sql/marketing_1.sql",
        COUPON_LOCK,
        COUPON_LOCK.replace(" FOR NO KEY UPDATE", ""),
        (PAIRS + "orders.py::test_the_last_use_of_a_coupon_and_two_orders",),
    ),
    "a cancelled order keeps its coupon's use": Planted(
        "src/app/domain/orders/service/life.py",
        "            await CouponService(self.session).give_back(*ids)\n",
        "            pass\n",
        ("tests/orders/test_coupons.py::test_it_comes_back_with_the_order_and_once",),
    ),
    "an order moves from wherever it is": Planted(
        "src/app/domain/orders/queries/life.py",
        "     WHERE id = :id AND status = ANY (:sources)\n",
        "     WHERE id = :id AND (status = ANY (:sources) OR true)\n",
        ("tests/orders/test_life.py::test_cancelled_many_times_at_once_gives_back_once",),
    ),
    "what staff write of the stock wins over buyers that they did not see": Planted(
        "src/app/domain/catalog/service/products.py",
        "        if seen is not None and difference != units - seen.base:\n            raise PreconditionFailed\n",
        "",
        (PAIRS + "orders.py::test_an_order_and_an_edit_of_what_was_seen",),
    ),
    "a job's run is ended by whoever had it before": Planted(
        "src/app/jobs/fence.py",
        "WHERE id = %(job_id)s AND worker_id = %(worker_id)s AND attempts = %(attempts)s AND status = 'doing'\n",
        "WHERE id = %(job_id)s\n",
        ("tests/jobs/test_fence.py::test_a_run_that_was_taken_over_changes_nothing",),
    ),
    "a token outlives the end of its session": Planted(
        "src/app/domain/accounts/service/authenticator.py",
        "        if account.version != token.version:\n            raise AccessTokenRefused(tokens.INVALID)\n",
        "",
        ("tests/accounts/test_authenticator.py::test_a_raised_version_ends_the_token_and_not_the_password",),
    ),
    "a used refresh token ends itself, and its family lives": Planted(
        "src/app/domain/accounts/service/token_pairs.py",
        "        if too_late and await self._revoke(RefreshToken.family == family):\n",
        "        if too_late and await self._revoke(RefreshToken.jti == jti):\n",
        (PAIRS + "orders.py::test_refresh_and_refresh[reuse]",),
    ),
    "a refresh token is spent as often as it is sent": Planted(
        "src/app/domain/accounts/service/token_pairs.py",
        SPENDABLE,
        SPENDABLE.replace("                RefreshToken.rotated_at.is_(None),\n", ""),
        (
            PAIRS + "orders.py::test_refresh_and_refresh[within grace]",
            "tests/accounts/test_refresh.py::test_of_50_parallel_refreshes_one_gets_the_pair",
        ),
    ),
    # With a reader that takes padding, as most do: one character more is another text.
    "a spent refresh token is known by its text": Planted(
        "src/app/domain/accounts/service/token_pairs.py",
        "        family = await self._spend(jti, token.user_id)\n",
        """\
        family = None if text in _SPENT else await self._spend(jti, token.user_id)
        _SPENT.add(text)
""",
        ("tests/accounts/test_refresh.py::test_a_spent_token_is_spent_in_every_spelling",),
        besides=(
            (
                "src/app/domain/accounts/service/token_pairs.py",
                "CLOCK = func.clock_timestamp()\n",
                "CLOCK = func.clock_timestamp()\n_SPENT: set[str] = set()\n",
            ),
            ("src/app/domain/accounts/service/token_pairs.py", SPENDABLE, SPENT_OR_NOT),
            (
                "src/app/domain/accounts/service/token_pairs.py",
                "family=family, parent=jti)",
                "family=family, parent=None)",
            ),
            ("src/app/domain/accounts/tokens.py", '{_PART}", re.ASCII)', '{_PART}=*", re.ASCII)'),
        ),
    ),
    "a promotion is announced as often as it is asked for": Planted(
        "alembic/versions/0033_day_of_log.py",
        "TABLE, list(after))",
        'TABLE, [*after, "id"])',
        ("tests/promos/test_audience.py::test_twice_is_once_and_at_once_is_once",),
        besides=(
            (
                "alembic/versions/0044_days_log_by_month.py",
                "ON promo_notification (promo_id, sent_date, user_id)",
                "ON promo_notification (promo_id, sent_date, user_id, id)",
            ),
        ),
    ),
    "a login takes over a cart that is somebody else's": Planted(
        "src/app/domain/carts/service/linking.py",
        "        if cart is None or cart.user_id not in (None, self.user_id) or not _is_open(cart):\n",
        "        if cart is None or not _is_open(cart):\n",
        (
            "tests/carts/test_linking.py::test_somebody_elses_cart_is_never_adopted",
            "tests/races/test_interleavings.py::test_two_users_and_one_cart",
        ),
    ),
    "a client says itself where it comes from": Planted(
        "src/app/http/addresses.py",
        "    if not proxies:\n        return None\n",
        "    proxies = proxies or 1\n",
        ("tests/http/test_throttling_addresses.py::test_what_a_client_says_of_itself_is_no_new_client",),
    ),
    "a request's key is everybody's": Planted(
        "src/app/http/idempotency.py",
        '"\\0".join((caller, request.method, *place, key))',
        '"\\0".join((request.method, *place, key))',
        ("tests/http/test_idempotency.py::test_a_key_belongs_to_its_caller_and_its_address",),
    ),
    "a request's key is free while it runs": Planted(
        "src/app/http/idempotency.py",
        "        if ticket.lock in self._running:\n            raise StillRunning\n",
        "",
        (
            "tests/http/test_idempotency.py::test_many_at_once_are_one",
            # An order's two keys collide as they are stored, and nothing comes of it.
            "tests/chaos/test_keys.py::test_fifty_at_once_are_one[cancel]",
        ),
        besides=(
            ("src/app/http/idempotency.py", '        if not row["mine"]:\n', '        if row["mine"] is None:\n'),
        ),
    ),
    "text that no column can hold is let in": Planted(
        "src/app/http/fields.py",
        "        text = text.strip()\n    refuse_unstorable(text)\n",
        "        text = text.strip()\n",
        ("tests/security/test_hostile.py::test_hostile_payloads[site]",),
        rounds="full",
    ),
    "whoever is signed in passes for staff": Planted(
        "src/app/http/guards.py",
        "    if not principal.is_admin:\n        raise Forbidden\n",
        "",
        ("tests/security/test_routes.py::test_who_is_let_in",),
    ),
    "a route of staff's is anyone's": Planted(
        "src/app/domain/site/controllers/configuration.py",
        '@put("/site-config/", guards=[staff]',
        '@put("/site-config/", guards=[anyone]',
        ("tests/contract/test_contract.py::test_access[site_config_update]",),
    ),
    "the worker's log is as its libraries write it": Planted(
        "src/app/jobs/worker.py",
        "    configure_logs(settings.log_level)\n",
        "",
        ("tests/security/test_canaries.py::test_no_secret_is_told",),
        # The command line sets it up too, for what commands say.
        besides=(("src/app/cli/plugin.py", "        _log_beside_the_output()\n", ""),),
    ),
    "an error is answered, and what was done stays": Planted(
        "src/app/db/transaction.py",
        "    if (session := state.pop(_KEY, None)) is not None:\n        await session.close()\n\n\nclass",
        "    del state\n\n\nclass",
        ("tests/http/test_transactions.py::test_a_raised_error_undoes_what_was_written",),
    ),
}
