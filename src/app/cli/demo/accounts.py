"""The demo's accounts: staff, the owner of a store, three shoppers."""

from app.cli.demo.people_data import PEOPLE
from app.cli.demo.stage import Stage
from app.domain.accounts.service.accounts import AccountService
from app.domain.accounts.service.passwords import Passwords


async def load(stage: Stage) -> None:
    """Make those that do not exist; one that does is left as it is."""
    names = [person.username for person in PEOPLE]
    known = await stage.find_users(names)
    accounts = AccountService(stage.session, Passwords())
    for person in PEOPLE:
        if person.username not in known:
            await accounts.create(
                person.username,
                f"{person.username}@example.com",
                person.password,
                first_name=person.first_name,
                last_name=person.last_name,
                is_staff=person.staff,
                is_superuser=person.staff,
            )
    stage.users = await stage.find_users(names)
