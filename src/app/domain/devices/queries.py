"""Statements of the devices domain."""

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

# What one owner or one address does to its devices happens one after the other: counts and switches stay true.
TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:whose, 0))")

OWNER = text("SELECT user_id FROM device_token WHERE token = :token")

IS_ENABLED = text("SELECT enabled FROM notification_preference WHERE user_id = :user")

NEW_OF_USER = text("""
    SELECT count(*) FROM device_token WHERE user_id = :user AND created_at > clock_timestamp() - interval '1 day'
""")

NEW_FROM_ADDRESS = text("""
    SELECT count(*) FROM device_token
     WHERE user_id IS NULL AND registered_from = :address AND created_at > clock_timestamp() - interval '1 day'
""")

# A token is one device, whoever registers it: an account takes it over with all that it is.
ADOPT = text("""
    INSERT INTO device_token (user_id, token, platform, device_info, is_active, inactive_reason)
    VALUES (:user, :token, :platform, COALESCE(:info, '{}'), :reason = '', :reason)
    ON CONFLICT (token) DO UPDATE
       SET user_id = excluded.user_id, platform = excluded.platform,
           device_info = COALESCE(:info, device_token.device_info), is_active = excluded.is_active,
           inactive_reason = excluded.inactive_reason, registered_from = NULL,
           updated_at = clock_timestamp(), last_used = clock_timestamp()
    RETURNING id, xmax = 0 AS created
""").bindparams(
    bindparam("user", type_=BigInteger),
    bindparam("info", type_=JSONB(none_as_null=True)),
    bindparam("reason", type_=Text),
)

# Without an account: a token that has an owner is left alone.
NOTE = text("""
    INSERT INTO device_token (token, platform, device_info, registered_from)
    VALUES (:token, :platform, COALESCE(:info, '{}'), :address)
    ON CONFLICT (token) DO UPDATE
       SET platform = excluded.platform, device_info = COALESCE(:info, device_token.device_info), is_active = true,
           inactive_reason = '', updated_at = clock_timestamp(), last_used = clock_timestamp()
     WHERE device_token.user_id IS NULL
    RETURNING id, xmax = 0 AS created
""").bindparams(bindparam("info", type_=JSONB(none_as_null=True)))

KNOWN = text("SELECT id, false AS created FROM device_token WHERE token = :token")

# The devices used last stay.
REPLACE = text("""
    UPDATE device_token SET is_active = false, inactive_reason = 'replaced', updated_at = clock_timestamp()
     WHERE id IN (SELECT id FROM device_token WHERE user_id = :user AND is_active
                   ORDER BY last_used DESC, id DESC OFFSET :keep)
""")

REMOVE = text("""
    UPDATE device_token SET is_active = false, inactive_reason = 'removed', updated_at = clock_timestamp()
     WHERE token = :token AND user_id = :user RETURNING id
""")

# What was removed, rejected or replaced does not come back by a switch.
SWITCH = text("""
    UPDATE device_token
       SET is_active = :enabled, inactive_reason = CASE WHEN :enabled THEN '' ELSE 'off' END,
           updated_at = clock_timestamp()
     WHERE user_id = :user AND inactive_reason = CASE WHEN :enabled THEN 'off' ELSE '' END
""")

REJECT = text("""
    UPDATE device_token SET is_active = false, inactive_reason = 'rejected', updated_at = clock_timestamp()
     WHERE id IN (SELECT id FROM device_token WHERE token = ANY (:tokens) AND is_active ORDER BY id FOR UPDATE)
""").bindparams(bindparam("tokens", type_=ARRAY(Text)))

DEVICES = text("""
    SELECT id, token, platform, device_info, is_active, created_at, last_used
      FROM device_token WHERE user_id = :user ORDER BY last_used DESC, id DESC
""").columns(device_info=JSONB)

FORGET = text("""
    DELETE FROM device_token WHERE id IN (
        SELECT id FROM device_token
         WHERE last_used < clock_timestamp() - interval '180 days' AND (user_id IS NULL OR NOT is_active)
         LIMIT :limit FOR UPDATE SKIP LOCKED)
""")
