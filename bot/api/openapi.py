"""openapi.json, made from the table of routes and the models, so that it cannot drift from what is served."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bot.api.paging import DEFAULT_LIMIT, LARGEST_LIMIT
from bot.api.problems import MEDIA_TYPE
from bot.api.schemas import Problem
from bot.version import VERSION

OPENAPI: web.AppKey[bytes] = web.AppKey("openapi", bytes)
REF = "#/components/schemas/{model}"
JSON = "application/json"


class Security(Enum):
    """Who may ask: `METRICS` wants the token unless CONCIERGE_METRICS_PUBLIC says otherwise."""

    KEY = "key"
    OPEN = "open"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Described:
    """A route: what it takes, what it answers. `queries` must be given, `filters` may be.

    `takes_content` is one file, a form's or the raw body.
    `refusals` are statuses beyond those that every such route has.
    """

    method: str
    path: str
    summary: str
    answers: type[BaseModel] | None = None
    status: HTTPStatus = HTTPStatus.OK
    takes: type[BaseModel] | None = None
    takes_files: bool = False
    takes_content: bool = False
    takes_webhook: bool = False
    paged: bool = False
    media: str | None = None
    queries: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    security: Security = Security.KEY
    refusals: tuple[HTTPStatus, ...] = ()


async def serve_description(request: web.Request) -> web.Response:
    """openapi.json."""
    return web.Response(body=request.app[OPENAPI], content_type=JSON)


def description(routes: Sequence[Described]) -> bytes:
    """The OpenAPI 3.1 document of these routes, as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Concierge", "version": VERSION, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(routes),
        },
    }
    return json.dumps(document, indent=1).encode()


def _schemas(routes: Iterable[Described]) -> dict[str, Any]:
    models = {model for route in routes for model in (route.answers, route.takes) if model is not None} | {Problem}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in ordered], ref_template=REF)
    found: dict[str, Any] = definitions["$defs"]
    return found


def _operation(route: Described) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    body = _body(route)
    if body:
        operation["requestBody"] = body
    if route.security is Security.OPEN:
        operation["security"] = []
    elif route.security is Security.METRICS:
        operation["security"] = [{"token": []}, {}]
    return operation


def _name(route: Described) -> str:
    words = re.findall(r"[A-Za-z]+", route.path.removeprefix("/api/v1"))
    return route.method.lower() + "".join(word.capitalize() for word in words)


def _parameters(route: Described) -> list[dict[str, Any]]:
    found = [_parameter(name, "path", required=True) for name in re.findall(r"{(\w+)}", route.path)]
    found += [_parameter(name, "query", required=True) for name in route.queries]
    found += [_parameter(name, "query", required=False) for name in route.filters]
    if route.paged:
        limit = {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT}
        found.append({"name": "limit", "in": "query", "required": False, "schema": limit})
        found.append(_parameter("cursor", "query", required=False))
    if route.takes_webhook:
        found.append(_parameter("X-Hub-Signature-256", "header", required=True))
    return found


def _parameter(name: str, place: str, *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": {"type": "string"}}


def _body(route: Described) -> dict[str, Any] | None:
    if route.takes_files or route.takes_content:
        content = _form(most=1 if route.takes_content else None)
        if route.takes is not None:
            content[JSON] = {"schema": _ref(route.takes)}
        if route.takes_content:
            content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
        return {"required": True, "content": content}
    if route.takes is not None:
        return {"required": True, "content": {JSON: {"schema": _ref(route.takes)}}}
    if route.takes_webhook:
        return {"required": True, "content": {JSON: {"schema": {"type": "object"}}}}
    return None


def _form(most: int | None) -> dict[str, Any]:
    files: dict[str, Any] = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    if most is not None:
        files["maxItems"] = most
    schema = {"type": "object", "required": ["files"], "properties": {"files": files}}
    return {"multipart/form-data": {"schema": schema}}


def _responses(route: Described) -> dict[str, Any]:
    good: dict[str, Any] = {"description": route.status.phrase}
    if route.answers is not None:
        good["content"] = {JSON: {"schema": _ref(route.answers)}}
    elif route.media is not None:
        good["content"] = {route.media: {"schema": {"type": "object" if route.media == JSON else "string"}}}
    responses = {str(route.status.value): good}
    for status in sorted({*route.refusals, *_usual_refusals(route)}):
        responses[str(status.value)] = _refused(route, status)
    return responses


def _usual_refusals(route: Described) -> set[HTTPStatus]:
    found: set[HTTPStatus] = set()
    if route.security is Security.KEY:
        found |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR}
        if "{" in route.path:
            found.add(HTTPStatus.NOT_FOUND)
    if route.security is Security.METRICS:
        found.add(HTTPStatus.UNAUTHORIZED)
    files = route.takes_files or route.takes_content
    if route.takes is not None or files:
        found |= {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
    if files:
        found.add(HTTPStatus.INSUFFICIENT_STORAGE)
    if route.takes_files:
        found.add(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if route.paged or route.filters:
        found.add(HTTPStatus.UNPROCESSABLE_ENTITY)
    return found


def _refused(route: Described, status: HTTPStatus) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": status.phrase}
    if route.security is Security.KEY:
        answer["content"] = {MEDIA_TYPE: {"schema": _ref(Problem)}}
    return answer


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}
