"""Who is calling, as later code needs to know it."""

import msgspec


class Principal(msgspec.Struct, frozen=True):
    """A signed-in user, as the request's first statement read it."""

    id: int
    username: str
    email: str
    is_staff: bool
    is_superuser: bool
    # The client's, for the audit log; None when there is none to tell.
    address: str | None = None

    @property
    def is_admin(self) -> bool:
        """Staff or superuser: what the contract calls an admin."""
        return self.is_staff or self.is_superuser


class Claim(msgspec.Struct, frozen=True):
    """What a verified token says, before the database has confirmed it.

    The claim engine checks `version` against the user's row in its own statement, so a dead token dies there.
    """

    user_id: int
    version: int
