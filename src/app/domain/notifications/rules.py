"""Pure decisions about pushes: their kinds and states, their words, when a failed one is tried again."""

from typing import Literal, get_args

Kind = Literal["new_order", "order_update", "order", "payment_received", "order_shipped", "general"]
# What clients read.
Status = Literal["pending", "sent", "failed", "delivered"]
# What we know: a push whose answer was lost may or may not have been shown, and is never sent again.
State = Literal["waiting", "sending", "sent", "delivered", "failed", "unknown"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STATES: tuple[State, ...] = get_args(State)
