"""The routes of web pages, answers and exported chats: a part of the table in bot/api/knowledge_routes.py."""

from http import HTTPStatus

from bot.api.addresses import BUSINESS, RouteHandler
from bot.api.answers import (
    AddedAnswersOut,
    AnswerPairOut,
    AnswerPairPage,
    AnswerPairRequest,
    AnswersRequest,
    add_answers,
    delete_answer,
    get_answer,
    list_answers,
    put_answer,
)
from bot.api.chat_exports import (
    AcceptRequest,
    ChatExportOut,
    ProposedAnswerPage,
    accept_proposed_answer,
    add_chat_export,
    list_proposed_answers,
    refuse_proposed_answer,
)
from bot.api.openapi import Described
from bot.api.web_sources import (
    WebSourceOut,
    WebSourcePage,
    check_web_source,
    delete_web_source,
    get_web_source,
    list_web_sources,
)

ANSWERS = f"{BUSINESS}/answers"
WEB = f"{BUSINESS}/web-sources"
PROPOSED = f"{BUSINESS}/proposed-answers"

SOURCE_ROUTES: tuple[tuple[Described, RouteHandler], ...] = (
    (
        Described("GET", WEB, "List web addresses.", WebSourcePage, paged=True, filters=("parent",)),
        list_web_sources,
    ),
    (Described("GET", f"{WEB}/{{id}}", "Look at a web address.", WebSourceOut), get_web_source),
    (Described("POST", f"{WEB}/{{id}}/check", "Read a web address now.", WebSourceOut), check_web_source),
    (
        Described("DELETE", f"{WEB}/{{id}}", "Forget a web address.", status=HTTPStatus.NO_CONTENT),
        delete_web_source,
    ),
    (
        Described(
            "POST",
            ANSWERS,
            "Add a question and its answer, or up to 100.",
            AddedAnswersOut,
            status=HTTPStatus.CREATED,
            takes=AnswersRequest,
        ),
        add_answers,
    ),
    (Described("GET", ANSWERS, "List questions with their answers.", AnswerPairPage, paged=True), list_answers),
    (Described("GET", f"{ANSWERS}/{{id}}", "Look at a question and its answer.", AnswerPairOut), get_answer),
    (
        Described(
            "PUT",
            f"{ANSWERS}/{{id}}",
            "Put another question and answer in its place.",
            AnswerPairOut,
            takes=AnswerPairRequest,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        put_answer,
    ),
    (
        Described("DELETE", f"{ANSWERS}/{{id}}", "Delete a question and its answer.", status=HTTPStatus.NO_CONTENT),
        delete_answer,
    ),
    (
        Described(
            "POST",
            f"{BUSINESS}/chat-exports",
            "Propose answers from an exported WhatsApp chat.",
            ChatExportOut,
            status=HTTPStatus.ACCEPTED,
            takes_files=True,
            filters=("business_name",),
        ),
        add_chat_export,
    ),
    (
        Described("GET", PROPOSED, "List proposed answers.", ProposedAnswerPage, paged=True, filters=("state",)),
        list_proposed_answers,
    ),
    (
        Described(
            "POST",
            f"{PROPOSED}/{{id}}/accept",
            "Take a proposed answer, in other words if need be.",
            AnswerPairOut,
            status=HTTPStatus.CREATED,
            takes=AcceptRequest,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        accept_proposed_answer,
    ),
    (
        Described("DELETE", f"{PROPOSED}/{{id}}", "Refuse a proposed answer.", status=HTTPStatus.NO_CONTENT),
        refuse_proposed_answer,
    ),
)
