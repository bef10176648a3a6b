"""Whom staff may block, unblock and delete. Pure."""

from typing import Any, ClassVar

from app.errors import Forbidden


class ProtectedAccount(Forbidden):
    """No se puede bloquear, desbloquear ni eliminar una cuenta de administración ni la propia"""

    key: ClassVar[str] = "error"


class AdminStays(Forbidden):
    """Una cuenta de administración no se puede eliminar"""

    key: ClassVar[str] = "error"


def check_may_touch(target: Any, actor: Any) -> None:
    """Raises ProtectedAccount for staff, superusers and the actor's own account."""
    if target.is_staff or target.is_superuser or target.id == actor.id:
        raise ProtectedAccount
