"""Celery's app and its tasks: select and log the audience, then a task a push, or a task for each hundred.

The access token for the push service is handed in by the environment: to trade a key for it is no part of this.
"""

import os
import threading
from datetime import timedelta
from typing import Any

import django
import redis
import requests
from celery import Celery, group

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peer.fanout.settings")
django.setup()

from django.utils import timezone  # noqa: E402 - Django must be set up before

from bench.peer.audience.__main__ import BATCH, eligible  # noqa: E402
from bench.peer.audience.models import FlashPromo, PromoNotification  # noqa: E402
from bench.peer.fanout.models import DeviceToken, PushLog  # noqa: E402

DONE = "bench:done"
SECONDS = 10
app = Celery("peer", broker=os.environ["REDIS_URL"])
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
_own = threading.local()
marks = redis.Redis.from_url(os.environ["REDIS_URL"])


@app.task
def notify(promo_id: int, piece: int) -> None:
    """Tell a promotion's audience; `piece` pushes are a task."""
    promo, day = FlashPromo.objects.select_related("store_product__store").get(pk=promo_id), timezone.localdate()
    users = list(eligible(promo, "dwithin", day))
    rows = [PromoNotification(promo=promo, user_id=user, sent_date=day) for user in users]
    PromoNotification.objects.bulk_create(rows, ignore_conflicts=True, batch_size=BATCH)
    told = dict(PromoNotification.objects.filter(promo=promo, sent_date=day).values_list("user_id", "id"))
    devices = DeviceToken.objects.filter(user_id__in=users, is_active=True).values_list("id", "user_id", "token")
    todo = [(device, user, token, told[user]) for device, user, token in devices]
    pieces = [todo[start : start + piece] for start in range(0, len(todo), piece)]
    group(push.s(promo_id, str(day), each) for each in pieces).apply_async()


@app.task
def push(promo_id: int, day: str, devices: list[tuple[int, int, str, int]]) -> None:
    """Send a piece's pushes and log them."""
    until = timezone.now() + timedelta(hours=1)
    title, body = "Oferta relámpago", f"Promoción {promo_id}"
    rows = [
        PushLog(
            device_token_id=device,
            user_id=user,
            promo_notification_id=notification,
            promo_id=promo_id,
            sent_date=day,
            title=title,
            body=body,
            collapse_id=f"promo-{promo_id}",
            fcm_message_id=send(token, title, body, promo_id),
            expires_at=until,
        )
        for device, user, token, notification in devices
    ]
    if len(rows) == 1:
        rows[0].save(force_insert=True)
    else:
        PushLog.objects.bulk_create(rows)


def send(token: str, title: str, body: str, promo_id: int) -> str:
    """One push over a connection that each thread keeps; its name at the push service."""
    session = _session()
    message: dict[str, Any] = {
        "token": token,
        "notification": {"title": title, "body": body},
        "data": {"type": "flash_promo", "promo_id": str(promo_id)},
        "android": {"collapse_key": f"promo-{promo_id}", "priority": "HIGH", "ttl": "3600s"},
    }
    answer = session.post(os.environ["FCM_URL"], json={"message": message}, timeout=SECONDS)
    answer.raise_for_status()
    return str(answer.json()["name"]).rpartition("/")[2]


def _session() -> requests.Session:
    if not hasattr(_own, "session"):
        _own.session = requests.Session()
        _own.session.headers["Authorization"] = f"Bearer {os.environ['FCM_ACCESS']}"
    return _own.session


@app.task
def nothing(number: int, count: int) -> None:
    """Does nothing; the last one says that it is the last."""
    if number == count:
        marks.set(DONE, "1")
