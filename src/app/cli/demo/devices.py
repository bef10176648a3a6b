"""The demo's devices and hours: pushes are seen at any hour, on the sandbox's page."""

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from app.cli.demo.people_data import ADMIN, NEWCOMER, REGULARS
from app.cli.demo.stage import Stage
from app.domain.devices.models import DeviceToken, NotificationPreference

PLATFORMS = {ADMIN: "web", NEWCOMER: "android", REGULARS[0]: "ios"}


async def load(stage: Stage) -> None:
    """A device for staff, for the new shopper and for a regular one; whoever has one keeps what there is."""
    always = {"notification_start_hour": "00:00", "notification_end_hour": "23:59"}
    await stage.session.execute(insert(NotificationPreference).values(always).on_conflict_do_nothing())
    for username, platform in PLATFORMS.items():
        user_id = stage.users[username].id
        if (await stage.session.execute(select(exists().where(DeviceToken.user_id == user_id)))).scalar_one():
            continue
        device = {
            "user_id": user_id,
            "token": f"demo-{username}",
            "platform": platform,
            "device_info": {"model": f"Demo of {username}"},
        }
        await stage.session.execute(insert(DeviceToken).values(device).on_conflict_do_nothing())
