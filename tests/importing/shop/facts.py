"""What the shop and the tests of its move both know."""

import datetime as dt
from uuid import UUID

WHEN = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
APPS = ("users", "products", "marketing", "orders", "payments", "flash")
COUPON = UUID("5d6f2f0e-77b1-4a56-9f0e-0d2a4c7b1e11")
OTHER_COUPON = UUID("5d6f2f0e-77b1-4a56-9f0e-0d2a4c7b1e12")
CART = "0b0e7bd1-59c5-4e0c-9d3c-2f8a5d1c6e77"
