"""Users with their password hashes, and where they are."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, insert, select, update

from app.domain.accounts.models import Profile, User
from app.domain.moving.rules import people
from app.domain.moving.rules.judging import Moved, Row, Unfit
from app.domain.moving.service.desk import Desk, texts_of
from app.http.geo import GeoPoint


async def move_users(desk: Desk, rows: Sequence[Row]) -> Moved:
    """Of two whose e-mails differ by case alone the first one comes; an account of ours is never written to."""
    moved, taken, values = Moved(), await _taken(desk, rows), list[dict[str, Any]]()
    ids = await desk.new_ids(User, [row["id"] for row in rows])
    for row in rows:
        try:
            one = people.user_values(row)
            _claim(taken, one, ids[row["id"]])
        except Unfit as reason:
            moved.skip(row, reason)
            continue
        blocked = one.pop("blocked")
        values.append(one | {"id": ids[row["id"]], "blocked_at": desk.now if blocked else None})
        moved.ids[row["id"]] = ids[row["id"]]
        moved.note(row, people.password_note(row))
    if values:
        await desk.session.execute(insert(User), values)
        await desk.session.execute(insert(Profile), [{"user_id": one["id"]} for one in values])
    return moved


async def _taken(desk: Desk, rows: Sequence[Row]) -> dict[str, str]:
    """Whose the user names and e-mails are that these rows want."""
    names, emails = texts_of(rows, "username"), [each.lower() for each in texts_of(rows, "email")]
    lower = func.lower(User.email)
    statement = select(User.id, User.username, lower).where(User.username.in_(names) | lower.in_(emails))
    found = list(await desk.session.execute(statement))
    owners = {f"name {name}": f"user {number} here" for number, name, _ in found}
    return owners | {f"mail {email}": f"user {number} here" for number, _, email in found}


def _claim(taken: dict[str, str], one: dict[str, Any], user_id: int) -> None:
    name, email = f"name {one['username']}", f"mail {one['email'].lower()}"
    if owner := taken.get(email):
        raise Unfit(f"the e-mail {one['email']!r} is that of {owner}")
    if owner := taken.get(name):
        raise Unfit(f"the user name {one['username']!r} is that of {owner}")
    taken[name] = taken[email] = f"user {user_id} here"


async def move_profiles(desk: Desk, rows: Sequence[Row]) -> Moved:
    """The place of each user; segments are worked out of the orders."""
    moved = Moved()
    users = await desk.numbers("users", (row["user_id"] for row in rows))
    for row in rows:
        user_id = users.get(row["user_id"])
        if user_id is None:
            moved.skip(row, f"its user {row['user_id']} did not come")
            continue
        try:
            place = place_of(row)
        except Unfit as reason:
            moved.skip(row, reason)
            continue
        if place is not None:
            await desk.session.execute(update(Profile).where(Profile.user_id == user_id).values(location=place))
        moved.ids[row["id"]] = user_id
    return moved


def place_of(row: Row) -> str | None:
    """A point as its table stores it (the bytes of PostGIS as hexadecimals), as ours takes it. Raises Unfit."""
    if row["geom"] is None:
        return None
    try:
        return GeoPoint.from_wkb(bytes.fromhex(row["geom"])).ewkt
    except (ValueError, TypeError) as error:
        raise Unfit("its place is no point on earth") from error
