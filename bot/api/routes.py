"""The one table of routes: what the router serves, and what openapi.json says about it."""

from functools import cache
from http import HTTPStatus

from aiohttp import web

from bot.api.addresses import BUSINESS, V1, RouteHandler
from bot.api.bodies import ModeRequest, RetryRequest
from bot.api.contact_facts import FactPage, delete_fact, delete_facts, list_facts
from bot.api.conversations import change_mode, list_conversations, list_messages
from bot.api.dead_letters import list_dead_letters, retry_dead_letters
from bot.api.document_events import STREAMS, EventStreams
from bot.api.guard import RATES, KeyRates, expect, guard
from bot.api.knowledge_routes import KNOWLEDGE_ROUTES
from bot.api.openapi import OPENAPI, Described, Security, description, serve_description
from bot.api.schemas import (
    ConversationOut,
    ConversationPage,
    DeadLetterPage,
    MessagePage,
    RetriedOut,
)
from bot.api.topics import (
    TopicGuessOut,
    TopicOut,
    TopicPage,
    TopicRequest,
    TopicTryRequest,
    add_topic,
    change_topic,
    get_topic,
    list_topics,
    remove_topic,
    try_topics,
)
from bot.api.turns import TurnDetailOut, TurnPage, get_turn, list_turns
from database.clock import Clock

TOPICS = f"{BUSINESS}/topics"
FACTS = f"{V1}/conversations/{{id}}/facts"

SERVED: tuple[tuple[Described, RouteHandler], ...] = (
    (Described("GET", f"{V1}/openapi.json", "This description.", media="application/json"), serve_description),
    *KNOWLEDGE_ROUTES,
    (Described("GET", TOPICS, "List topics.", TopicPage, paged=True), list_topics),
    (
        Described(
            "POST",
            TOPICS,
            "Name a topic.",
            TopicOut,
            status=HTTPStatus.CREATED,
            takes=TopicRequest,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        add_topic,
    ),
    (
        Described(
            "POST",
            f"{TOPICS}/try",
            "What a text would be held to be about; nothing is sent or stored.",
            TopicGuessOut,
            takes=TopicTryRequest,
            refusals=(HTTPStatus.SERVICE_UNAVAILABLE,),
        ),
        try_topics,
    ),
    (Described("GET", f"{TOPICS}/{{id}}", "Look at a topic.", TopicOut), get_topic),
    (
        Described(
            "PUT",
            f"{TOPICS}/{{id}}",
            "Put another content in a topic's place.",
            TopicOut,
            takes=TopicRequest,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        change_topic,
    ),
    (
        Described("DELETE", f"{TOPICS}/{{id}}", "Delete a topic.", status=HTTPStatus.NO_CONTENT),
        remove_topic,
    ),
    (
        Described(
            "GET",
            f"{BUSINESS}/conversations",
            "List conversations.",
            ConversationPage,
            paged=True,
            filters=("contact",),
        ),
        list_conversations,
    ),
    (
        Described("GET", f"{V1}/conversations/{{id}}/messages", "List messages.", MessagePage, paged=True),
        list_messages,
    ),
    (
        Described("GET", FACTS, "What the customer said of themselves.", FactPage, paged=True),
        list_facts,
    ),
    (
        Described("DELETE", FACTS, "Forget all that the customer said of themselves.", status=HTTPStatus.NO_CONTENT),
        delete_facts,
    ),
    (Described("DELETE", f"{FACTS}/{{fact}}", "Forget a fact.", status=HTTPStatus.NO_CONTENT), delete_fact),
    (Described("GET", f"{V1}/conversations/{{id}}/turns", "List turns.", TurnPage, paged=True), list_turns),
    (Described("GET", f"{V1}/turns/{{id}}", "Look at a turn and its passages.", TurnDetailOut), get_turn),
    (
        Described(
            "PATCH",
            f"{V1}/conversations/{{id}}",
            "Take a chat over, or give it back to the bot.",
            ConversationOut,
            takes=ModeRequest,
        ),
        change_mode,
    ),
    (Described("GET", f"{V1}/dead-letters", "List dead letters.", DeadLetterPage, paged=True), list_dead_letters),
    (
        Described("POST", f"{V1}/dead-letters/retry", "Try dead letters again.", RetriedOut, takes=RetryRequest),
        retry_dead_letters,
    ),
)

# Served by bot/webhook.py and bot/health.py.
ELSEWHERE: tuple[Described, ...] = (
    Described(
        "GET",
        "/webhooks/whatsapp",
        "Meta's handshake.",
        media="text/plain",
        security=Security.OPEN,
        queries=("hub.mode", "hub.verify_token", "hub.challenge"),
        refusals=(HTTPStatus.FORBIDDEN,),
    ),
    *(
        Described(
            "POST",
            path,
            "Take Meta's events; signed with X-Hub-Signature-256.",
            security=Security.OPEN,
            media="text/plain",
            takes_webhook=True,
            refusals=(
                HTTPStatus.UNAUTHORIZED,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.SERVICE_UNAVAILABLE,
            ),
        )
        for path in ("/webhooks/whatsapp", "/webhooks/whatsapp/{app}")
    ),
    Described("GET", "/health/live", "Whether the process runs.", media="application/json", security=Security.OPEN),
    Described(
        "GET",
        "/health/ready",
        "Whether it can work, by component; `degraded` is 200.",
        media="application/json",
        security=Security.OPEN,
        refusals=(HTTPStatus.SERVICE_UNAVAILABLE,),
    ),
    Described("GET", "/metrics", "Prometheus metrics.", media="text/plain", security=Security.METRICS),
)


def install_api(app: web.Application, clock: Clock) -> None:
    """Put the API and its guard into `app`. Before the first request, `app[API]` must hold what it needs."""
    app.middlewares.append(guard)
    app[RATES] = KeyRates(clock)
    app[STREAMS] = streams = EventStreams()
    # before open requests are waited for
    app.on_shutdown.append(streams.close)
    for described, handler in SERVED:
        app.router.add_route(described.method, described.path, handler, expect_handler=expect)
    app[OPENAPI] = _description()


@cache
def _description() -> bytes:
    return description([*(described for described, _ in SERVED), *ELSEWHERE])
