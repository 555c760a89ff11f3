"""The routes of documents: a part of the one table in bot/api/routes.py."""

from http import HTTPStatus

from bot.api.addresses import BUSINESS, RouteHandler
from bot.api.document_events import document_events
from bot.api.document_versions import change_document, discard, list_versions, publish, retry, roll_back
from bot.api.documents import delete_document, get_document, list_documents, replace_content, upload
from bot.api.knowledge_schemas import DocumentChangeRequest, RollBackRequest, VersionPage
from bot.api.openapi import Described
from bot.api.replay import ReplayOut, replay
from bot.api.schemas import DocumentOut, DocumentPage
from bot.api.web_sources import AddedDocumentsOut, WebSourceRequest

DOCUMENTS = f"{BUSINESS}/documents"
DOCUMENT = f"{DOCUMENTS}/{{id}}"
CONFLICT = (HTTPStatus.CONFLICT,)

# `events` stands before the ids, which it would be one of
DOCUMENT_ROUTES: tuple[tuple[Described, RouteHandler], ...] = (
    (
        Described(
            "POST",
            DOCUMENTS,
            "Upload documents, or read a web address; a name that is there already makes a new version.",
            AddedDocumentsOut,
            status=HTTPStatus.ACCEPTED,
            takes=WebSourceRequest,
            takes_files=True,
            filters=("tags", "hold"),
        ),
        upload,
    ),
    (
        Described("GET", DOCUMENTS, "List documents.", DocumentPage, paged=True, filters=("source", "tag")),
        list_documents,
    ),
    (
        Described(
            "GET",
            f"{DOCUMENTS}/events",
            "Server-sent events: documents under way, then every change.",
            media="text/event-stream",
            refusals=(HTTPStatus.SERVICE_UNAVAILABLE,),
        ),
        document_events,
    ),
    (Described("GET", DOCUMENT, "Look at a document.", DocumentOut), get_document),
    (
        Described("PATCH", DOCUMENT, "Put other tags on a document.", DocumentOut, takes=DocumentChangeRequest),
        change_document,
    ),
    (Described("DELETE", DOCUMENT, "Delete a document.", status=HTTPStatus.NO_CONTENT), delete_document),
    (
        Described(
            "PUT",
            f"{DOCUMENT}/content",
            "Make a new version of a document.",
            DocumentOut,
            status=HTTPStatus.ACCEPTED,
            takes_content=True,
            filters=("hold",),
            refusals=CONFLICT,
        ),
        replace_content,
    ),
    (Described("GET", f"{DOCUMENT}/versions", "List the versions of a document.", VersionPage), list_versions),
    (
        Described(
            "POST",
            f"{DOCUMENT}/rollback",
            "Make a new version of an earlier one's content.",
            DocumentOut,
            status=HTTPStatus.ACCEPTED,
            takes=RollBackRequest,
            refusals=CONFLICT,
        ),
        roll_back,
    ),
    (
        Described("POST", f"{DOCUMENT}/publish", "Let the held version answer.", DocumentOut, refusals=CONFLICT),
        publish,
    ),
    (
        Described(
            "GET",
            f"{DOCUMENT}/replay",
            "Recent questions of customers, answered without and with the held version.",
            ReplayOut,
            filters=("limit",),
            refusals=CONFLICT,
        ),
        replay,
    ),
    (Described("POST", f"{DOCUMENT}/discard", "Drop the held version.", DocumentOut, refusals=CONFLICT), discard),
    (
        Described(
            "POST",
            f"{DOCUMENT}/retry",
            "Read a failed version again.",
            DocumentOut,
            status=HTTPStatus.ACCEPTED,
            refusals=CONFLICT,
        ),
        retry,
    ),
)
