"""Hands work to Celery: a line of JSON asks, a line says when it began or, for tasks that do nothing, how long."""

import json
import sys
import time
from typing import Any

from django.utils import timezone

from bench.peer.fanout.tasks import DONE, marks, nothing, notify

PAUSE, MOST_SECONDS = 0.002, 60


def do_nothing(count: int) -> dict[str, Any]:
    """So many tasks, handed over one by one, until the last has run."""
    marks.delete(DONE)
    begun = time.perf_counter()
    for number in range(1, count + 1):
        nothing.delay(number, count)
    handed = time.perf_counter() - begun
    while not marks.exists(DONE):
        if time.perf_counter() - begun > MOST_SECONDS:
            raise TimeoutError("no worker has run the tasks")
        time.sleep(PAUSE)
    return {"seconds": time.perf_counter() - begun, "handed": handed}


def tell(promo: int, piece: int) -> dict[str, Any]:
    begun = timezone.now().isoformat()
    notify.delay(promo, piece)
    return {"begun": begun}


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        answer = do_nothing(asked["count"]) if "count" in asked else tell(**asked)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
