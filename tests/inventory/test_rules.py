from hypothesis import given
from hypothesis import strategies as st

from app.domain.inventory.rules import CALM_SLOTS, CONTENDED_SLOTS, spread
from app.http.fields import INT4_MAX

units = st.integers(0, INT4_MAX)
slots = st.integers(1, 64)


@given(units, slots)
def test_no_unit_is_lost_and_no_slot_is_favoured(count: int, places: int) -> None:
    parts = spread(count, places)
    assert len(parts) == places
    assert sum(parts) == count
    assert max(parts) - min(parts) <= 1
    assert parts == sorted(parts, reverse=True)


def test_by_hand() -> None:
    assert spread(0, CONTENDED_SLOTS) == [0] * 16
    assert spread(7, CALM_SLOTS) == [7]
    assert spread(18, CONTENDED_SLOTS) == [2, 2, *[1] * 14]
    assert spread(INT4_MAX, 2) == [2**30, 2**30 - 1]
