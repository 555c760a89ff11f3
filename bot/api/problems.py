"""Errors as problem documents (RFC 9457): what is wrong and what to do, without traces of our insides."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """Ends a request with a problem document. `errors` are (JSON pointer or parameter, what is wrong)."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def not_found(what: str) -> ProblemError:
    """404, also for what belongs to somebody else."""
    return ProblemError(HTTPStatus.NOT_FOUND, f"There is no such {what}.")


def unusable(where: str, why: str, detail: str = "Some values cannot be used.") -> ProblemError:
    """422 for one value: its JSON pointer or parameter, and what it must be."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[(where, why)])


def bad_parameter(name: str, why: str) -> ProblemError:
    """422 for a parameter of the address."""
    return unusable(name, why, "A parameter of the address cannot be used.")


def problem_response(problem: ProblemError, *, instance: str | None = None) -> web.Response:
    """The problem as an answer. `instance` is an id under which our log knows more."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    if problem.errors:
        content["errors"] = [{"where": where, "detail": detail} for where, detail in problem.errors]
    if instance:
        content["instance"] = instance
    return web.Response(
        status=problem.status.value,
        body=json.dumps(content, ensure_ascii=False).encode(),
        content_type=MEDIA_TYPE,
        headers=problem.headers,
    )


def from_http(error: web.HTTPException) -> ProblemError:
    """What aiohttp itself refuses (404, 405, 413 …), in our form."""
    status = HTTPStatus(error.status)
    kept = {name: value for name, value in error.headers.items() if name in {"Allow", "Retry-After"}}
    details = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address.",
        HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too large.",
    }
    return ProblemError(status, details.get(status, f"{status.phrase}."), headers=kept)
