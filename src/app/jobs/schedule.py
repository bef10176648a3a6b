"""Every periodic job on one page, and the list of modules with jobs.

Cron fields: minute, hour, day, month, weekday, second; in UTC. A tick that was missed for less than ten minutes is
made up for at the start of a worker; several workers share the ticks.
"""

import datetime as dt
from dataclasses import dataclass

from croniter import croniter  # type: ignore[import-untyped]

from app.jobs import (
    analytics,
    carts,
    catalog,
    email,
    events,
    growth,
    invariants,
    marketing,
    notifications,
    orders,
    payments,
    pictures,
    promos,
    rates,
    sheets,
    upkeep,
    webhooks,
)
from app.jobs.queue import Job

MODULES = (
    analytics,
    carts,
    catalog,
    email,
    events,
    growth,
    invariants,
    marketing,
    notifications,
    orders,
    payments,
    pictures,
    promos,
    rates,
    sheets,
    upkeep,
    webhooks,
)
JOBS: tuple[Job, ...] = tuple(found for module in MODULES for found in vars(module).values() if isinstance(found, Job))


@dataclass(frozen=True)
class Periodic:
    cron: str
    job: Job

    def next_at(self, now: dt.datetime) -> dt.datetime:
        """The first tick after `now`, in UTC."""
        found: dt.datetime = croniter(self.cron, now.astimezone(dt.UTC)).get_next(dt.datetime)
        return found


SCHEDULE = (
    Periodic("* * * * * */15", upkeep.rescue_stalled),
    Periodic("* * * * * */30", upkeep.sweep_expired_holds),
    Periodic("* * * * * */30", promos.notify_active_promos),
    Periodic("* * * * * 5", promos.activate_and_notify_promos),
    Periodic("* * * * * */15", notifications.sweep),
    Periodic("* * * * * */15", notifications.watch_stock),
    Periodic("* * * * * */30", payments.reconcile),
    Periodic("47 * * * *", payments.forget_notifications),
    Periodic("* * * * * 10", upkeep.settle_closed_pools),
    Periodic("* * * * * 25", orders.expire_unpaid),
    Periodic("*/5 * * * * 20", upkeep.remove_old_jobs),
    Periodic("7 * * * *", upkeep.forget_expired_tokens),
    Periodic("27 * * * *", upkeep.forget_keys),
    Periodic("17 * * * *", upkeep.forget_old_codes),
    Periodic("*/10 * * * * 50", upkeep.forget_hits),
    Periodic("*/10 * * * * 40", notifications.forget_old_rows),
    Periodic("23 * * * *", email.forget_old),
    Periodic("*/5 * * * * 15", carts.identify),
    Periodic("*/5 * * * * 45", email.remind),
    Periodic("33 * * * *", carts.expire),
    Periodic("* * * * * 2", marketing.apply_scheduled_discounts),
    Periodic("* * * * * 55", analytics.fold_sales),
    Periodic("*/5 * * * * 45", invariants.check_invariants),
    Periodic("*/2 * * * * 35", catalog.fold_counts),
    Periodic("41 7 * * *", catalog.forget_words),
    Periodic("*/10 * * * * 30", rates.update_rates),
    Periodic("* * * * * 25", sheets.resume),
    Periodic("* * * * * */30", events.number),
    Periodic("* * * * * */10", events.tell_promos),
    Periodic("53 * * * *", growth.keep_months),
    Periodic("43 * * * *", growth.archive_holds),
    Periodic("* * * * * */5", webhooks.wake),
    Periodic("57 * * * *", webhooks.forget),
    Periodic("51 6 * * *", webhooks.reseal),
)
