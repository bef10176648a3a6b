"""Pure facts of the stock."""

from typing import Literal

import msgspec

# One slot for a pool that few buyers compete for; sixteen for one that many processes claim from at once.
CALM_SLOTS = 1
CONTENDED_SLOTS = 16

EntryKind = Literal["opening", "adjustment", "set_aside", "sale", "return"]


def spread(units: int, slots: int) -> list[int]:
    """Units spread evenly over slots, the first ones taking the remainder."""
    each, rest = divmod(units, slots)
    return [each + (1 if n < rest else 0) for n in range(slots)]


class Finding(msgspec.Struct, frozen=True):
    """A pool whose ledger and units differ."""

    pool_id: int
    ledger: int
    slots: int
    held: int
