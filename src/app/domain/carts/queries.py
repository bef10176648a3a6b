"""Statements of the carts."""

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import UUID

_ANONYMOUS = bindparam("anonymous", type_=UUID(as_uuid=True))

# The first who comes converts; whoever comes later waits here, and then finds it converted.
CONVERT = text("""
    UPDATE cart
       SET status = 'converted', converted_order_id = :order, user_id = coalesce(user_id, CAST(:user AS bigint)),
           last_activity = clock_timestamp()
     WHERE anonymous_id = :anonymous AND status IN ('active', 'abandoned', 'recovered')
       AND (user_id IS NULL OR user_id = CAST(:user AS bigint))
    RETURNING id
""").bindparams(_ANONYMOUS)

CONVERTED_INTO = text("""
    SELECT converted_order_id FROM cart
     WHERE anonymous_id = :anonymous AND status = 'converted' AND user_id = CAST(:user AS bigint)
""").bindparams(_ANONYMOUS)
