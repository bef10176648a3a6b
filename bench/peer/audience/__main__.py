"""Tells audiences as a Django shop would: a line of JSON asks, a line of JSON says how long it took.

`near` is the look-up: `distance_lte` as in Django's documentation of distance look-ups, or `dwithin`, which can use the
index. `how` is `bulk`, or `loop` with get_or_create for the first `part` users, whose time is given for itself.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peer.audience.settings")
django.setup()

from django.contrib.gis.measure import D  # noqa: E402 - Django must be set up before
from django.db import connection  # noqa: E402
from django.db.models import Count, Exists, OuterRef, Q, QuerySet  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.peer.audience.models import FlashPromo, Preference, Profile, PromoNotification  # noqa: E402

DAILY_CAP = 5
BATCH = 5000


def eligible(promo: FlashPromo, near: str, day: date) -> QuerySet[Profile, int]:
    """The users who are to hear of a promotion today: the conditions that our statement has, as look-ups."""
    now = timezone.now()
    new = Q(first_paid_at=None) | Q(first_paid_at__gte=now - timedelta(days=30))
    frequent = Q(third_last_paid_at__gte=now - timedelta(days=90))
    fits = Q(segments_override__overlap=promo.segments)
    for segment, rule in (("new", new), ("frequent", frequent)):
        if segment in promo.segments:
            fits |= Q(segments_override=None) & rule
    told = PromoNotification.objects.filter(sent_date=day)
    capped = told.values("user_id").annotate(times=Count("id")).filter(times__gte=DAILY_CAP).values("user_id")
    return (
        Profile.objects.filter(**{f"location__{near}": (promo.store_product.store.geom, D(m=promo.radius_m))})
        .filter(fits, user__is_active=True)
        .exclude(Exists(Preference.objects.filter(user_id=OuterRef("user_id"), enabled=False)))
        .exclude(Exists(told.filter(promo=promo, user_id=OuterRef("user_id"))))
        .exclude(user_id__in=capped)
        .values_list("user_id", flat=True)
    )


def tell(promo: int, near: str, how: str, part: int) -> dict[str, Any]:
    day, begun = timezone.localdate(), time.perf_counter()
    of = FlashPromo.objects.select_related("store_product__store").get(pk=promo)
    users = list(eligible(of, near, day))
    found = time.perf_counter()
    if how == "bulk":
        rows = [PromoNotification(promo=of, user_id=user, sent_date=day) for user in users]
        PromoNotification.objects.bulk_create(rows, ignore_conflicts=True, batch_size=BATCH)
    else:
        for user in users[:part]:
            PromoNotification.objects.get_or_create(promo=of, user_id=user, sent_date=day)
    return {"users": len(users), "select": found - begun, "write": time.perf_counter() - found}


def asked() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


if __name__ == "__main__":
    connection.ensure_connection()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for each in asked():
        sys.stdout.write(json.dumps(tell(**each)) + "\n")
        sys.stdout.flush()
