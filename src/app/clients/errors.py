"""How a call to a provider fails, by what the caller can do about it.

Two questions decide: may the same call be made again (`retryable`), and may the first one have taken effect
(`outcome_unknown`). No error answers yes to both: what may have happened is never repeated blindly.
"""

from typing import ClassVar


class ProviderError(Exception):
    """A provider did not do what it was asked. `code` is the provider's own word, `status` the answer's, 0 for none."""

    retryable: ClassVar[bool] = False
    outcome_unknown: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str = "", status: int = 0) -> None:
        self.message = message
        self.code = code
        self.status = status
        super().__init__(message)


class NotConfigured(ProviderError):
    """No credentials, so nothing was tried. Settings help, repeating does not."""


class NotPermitted(ProviderError):
    """The provider refuses the credentials or their rights. A person has to act; repeating does not help."""


class BadRequestError(ProviderError):
    """The provider does not understand the request: an error of ours, which would be repeated with it."""


class Unavailable(ProviderError):
    """Nothing was done: no connection, or an answer that says so. The call may be made again after `retry_after` s."""

    retryable = True

    def __init__(self, message: str, *, retry_after: float, code: str = "", status: int = 0) -> None:
        self.retry_after = retry_after
        super().__init__(message, code=code, status=status)


class Throttled(Unavailable):
    """Too much at a time: everything that goes to this provider should wait `retry_after` seconds."""


class OutcomeUnknown(ProviderError):
    """The request was written, its answer lost, late or unreadable. It may have taken effect: never repeat it."""

    outcome_unknown = True


class TokenRejected(ProviderError):
    """No device has this token any more, or it is another sender's: forget it. `code` is FCM's word for why."""


class ThirdPartyAuth(NotPermitted):
    """Apple's or the browser's push service refuses our credentials. A person has to act; the token stays."""
