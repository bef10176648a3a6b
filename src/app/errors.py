"""Errors: the class says the status, its docstring is the message, one handler renders them.

Two keys carry a message on the wire: `detail` (the framework's own answers and flash promotions) and `error` (the
shop's business rules). Field errors are a map of lists.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class AppError(Exception):
    """A server error occurred."""

    status: ClassVar[int] = 500
    code: ClassVar[str | None] = None
    key: ClassVar[str] = "detail"
    headers: Mapping[str, str]

    def __init__(
        self,
        message: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
        **extra: Any,
    ) -> None:
        self.message = message if message is not None else (self.__doc__ or "").strip()
        self.headers = headers or {}
        self.own_code = code or self.code
        self.extra = extra
        super().__init__(self.message)

    def body(self) -> dict[str, Any]:
        """The answer's JSON object."""
        body: dict[str, Any] = {self.key: self.message}
        if self.own_code is not None:
            body["code"] = self.own_code
        return body | self.extra


class Invalid(AppError):
    """Invalid input."""

    status = 400

    def __init__(self, fields: Mapping[str, Any] | str) -> None:
        """`fields` maps a field's name to its messages (a list, or nested like the input); a text is a plain detail."""
        super().__init__(fields if isinstance(fields, str) else None)
        self.fields = None if isinstance(fields, str) else dict(fields)

    def body(self) -> dict[str, Any]:
        return self.fields if self.fields is not None else super().body()

    @classmethod
    def field(cls, name: str, message: str) -> "Invalid":
        return cls({name: [message]})

    @classmethod
    def whole(cls, message: str) -> "Invalid":
        """An error of the object, not of one of its fields."""
        return cls({"non_field_errors": [message]})


class Refused(AppError):
    """A business rule of the shop says no: `{error, code?}`."""

    status = 400
    key = "error"


class BadState(AppError):
    """The object does not allow this any more."""

    status = 400


class NotAuthenticated(AppError):
    """Authentication credentials were not provided."""

    status = 401


class WrongKey(AppError):
    """The key of the cron routes is missing or wrong."""

    status = 401
    key = "error"


class Forbidden(AppError):
    """You do not have permission to perform this action."""

    status = 403


class NotFound(AppError):
    """Not found."""

    status = 404


class Conflict(AppError):
    """The request lost a competition."""

    status = 409


class PreconditionFailed(AppError):
    """The object has changed since it was read."""

    status = 412


class TooLarge(AppError):
    """The request body is too large."""

    status = 413


class UnsupportedMediaType(AppError):
    """Unsupported media type in request."""

    status = 415


class Throttled(AppError):
    """Request was throttled."""

    status = 429

    def __init__(self, seconds: int) -> None:
        unit = "second" if seconds == 1 else "seconds"
        super().__init__(
            f"Request was throttled. Expected available in {seconds} {unit}.", headers={"Retry-After": str(seconds)}
        )


class Unavailable(AppError):
    """Service temporarily unavailable, try again later."""

    status = 503
    code = "unavailable"

    def __init__(
        self, message: str | None = None, *, retry_after: int = 1, code: str | None = None, **extra: Any
    ) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)}, code=code, **extra)


class ProviderDown(Unavailable):
    """The provider does not answer, try again later."""

    code = "provider_unavailable"
    key = "error"
