"""Problems of calls, by name: the service's own words, or that there was no answer."""

from collections.abc import Mapping
from typing import Any

from windowshop.errors import WindowshopError, first_line


class ServiceProblem(WindowshopError):
    """Call that did not succeed; the message says what was found and what to do."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "no_answer",
        where: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.where = status, code, where
        self.retry_after = retry_after
        """Seconds after which the service wants to be asked again."""


class NoAnswerError(ServiceProblem):
    """No answer came: no service at the address, a connection that broke, or too long a wait."""

    def __init__(self, message: str, *, is_late: bool = False) -> None:
        super().__init__(message)
        self.is_late = is_late
        """Whether the time was up, rather than the connection gone."""


class RequestRefusedError(ServiceProblem):
    """The request is at fault; `where` names the field."""


class KeyRefusedError(ServiceProblem):
    """There is no key, a wrong one, or one without the scope that the call needs."""


class UnknownError(ServiceProblem):
    """There is no such product, search or generation."""


class BusyError(ServiceProblem):
    """The service has too much to do, is starting, or lacks room now."""


class ServiceFaultError(ServiceProblem):
    """The service is at fault; its log has the id that the message names."""


BUSY = frozenset([429, 502, 503, 504, 507])
_KINDS = {401: KeyRefusedError, 403: KeyRefusedError, 404: UnknownError}


def problem_of(
    status: int, reason: str, body: object, headers: Mapping[str, str]
) -> ServiceProblem:
    """Return the problem of an answer that is no success; `body` is its JSON, None where none."""
    told: Mapping[str, Any] = {}
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        told = body["error"]
    kind = _KINDS.get(status, RequestRefusedError if 400 <= status < 500 else ServiceFaultError)
    return (BusyError if status in BUSY else kind)(
        str(told.get("message") or f"{status} {reason}: no answer of a windowshop service."),
        status=status,
        code=str(told.get("code") or "bad_answer"),
        where=told.get("where"),
        retry_after=_seconds(headers.get("Retry-After")),
    )


def no_answer(address: str, error: Exception, *, is_late: bool) -> NoAnswerError:
    """Return the problem of a call without an answer."""
    reason = "no answer in time" if is_late else first_line(error) or type(error).__name__
    message = f"{address}: {reason}. Start the service there, or give its address."
    return NoAnswerError(message, is_late=is_late)


def may_pass(problem: ServiceProblem) -> bool:
    """Return whether the same call may succeed in a moment; no call does harm when repeated."""
    if isinstance(problem, NoAnswerError):
        return not problem.is_late
    return isinstance(problem, BusyError)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text or ""))
    except ValueError:
        return None
