"""The routes of the knowledge: a part of the one table in bot/api/routes.py."""

from http import HTTPStatus

from bot.api.addresses import BUSINESS, V1, RouteHandler
from bot.api.backups import BackupOut, BackupPage, BackupRequest, get_backup, list_backups, make_backup
from bot.api.bodies import AskRequest, SearchRequest
from bot.api.chunk_sets import (
    ChunkSetExportRequest,
    ChunkSetImportRequest,
    ChunkSetOut,
    export_chunk_set,
    get_chunk_set,
    import_chunk_set,
)
from bot.api.document_routes import DOCUMENT_ROUTES
from bot.api.evaluations import (
    EvaluationOut,
    EvaluationPage,
    EvaluationRequest,
    add_evaluation,
    list_evaluations,
)
from bot.api.gaps import (
    GapAnsweredOut,
    GapAnswerRequest,
    GapOut,
    GapPage,
    answer_gap,
    get_gap,
    ignore_gap,
    list_gaps,
)
from bot.api.knowledge_schemas import KnowledgeSettingsOut, KnowledgeSettingsRequest
from bot.api.knowledge_settings import get_knowledge_settings, patch_knowledge_settings
from bot.api.openapi import Described
from bot.api.questions import ask, search
from bot.api.reindexing import ReindexOut, ReindexRequest, begin_reindexing, get_reindexing
from bot.api.schemas import AnswerOut, PassagesOut
from bot.api.source_routes import SOURCE_ROUTES

SETTINGS = f"{BUSINESS}/knowledge-settings"
GAPS = f"{BUSINESS}/gaps"
EVALUATIONS = f"{BUSINESS}/evaluations"
BACKUPS = f"{V1}/backups"
REINDEX = f"{V1}/reindex"
CHUNK_SETS = f"{BUSINESS}/chunk-sets"

KNOWLEDGE_ROUTES: tuple[tuple[Described, RouteHandler], ...] = (
    *DOCUMENT_ROUTES,
    *SOURCE_ROUTES,
    (Described("POST", f"{BUSINESS}/search", "Search the knowledge.", PassagesOut, takes=SearchRequest), search),
    (Described("POST", f"{BUSINESS}/ask", "Ask the knowledge.", AnswerOut, takes=AskRequest), ask),
    (
        Described("GET", SETTINGS, "What a business set for its knowledge.", KnowledgeSettingsOut),
        get_knowledge_settings,
    ),
    (
        Described(
            "PATCH", SETTINGS, "Change that; null is the default.", KnowledgeSettingsOut, takes=KnowledgeSettingsRequest
        ),
        patch_knowledge_settings,
    ),
    (
        Described(
            "POST", REINDEX, "Make both indexes anew.", ReindexOut, status=HTTPStatus.ACCEPTED, takes=ReindexRequest
        ),
        begin_reindexing,
    ),
    (Described("GET", REINDEX, "How far that is.", ReindexOut), get_reindexing),
    (
        Described(
            "POST",
            BACKUPS,
            "Begin a snapshot of all data.",
            BackupOut,
            status=HTTPStatus.ACCEPTED,
            takes=BackupRequest,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        make_backup,
    ),
    (
        Described(
            "GET",
            BACKUPS,
            "List snapshots and recent backups.",
            BackupPage,
            paged=True,
            refusals=(HTTPStatus.SERVICE_UNAVAILABLE,),
        ),
        list_backups,
    ),
    (
        Described(
            "GET",
            f"{BACKUPS}/{{id}}",
            "Look at a backup.",
            BackupOut,
            refusals=(HTTPStatus.SERVICE_UNAVAILABLE,),
        ),
        get_backup,
    ),
    (
        Described(
            "POST",
            f"{CHUNK_SETS}/imports",
            "Begin to take in chunks with their embeddings.",
            ChunkSetOut,
            status=HTTPStatus.ACCEPTED,
            takes=ChunkSetImportRequest,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        import_chunk_set,
    ),
    (
        Described(
            "POST",
            f"{CHUNK_SETS}/exports",
            "Begin to write what answers, with its embeddings.",
            ChunkSetOut,
            status=HTTPStatus.ACCEPTED,
            takes=ChunkSetExportRequest,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        export_chunk_set,
    ),
    (Described("GET", f"{CHUNK_SETS}/{{id}}", "How far an export or import is.", ChunkSetOut), get_chunk_set),
    (
        Described("GET", GAPS, "List questions that were not answered.", GapPage, paged=True, filters=("state",)),
        list_gaps,
    ),
    (Described("GET", f"{GAPS}/{{id}}", "Look at a gap.", GapOut), get_gap),
    (
        Described(
            "POST",
            f"{GAPS}/{{id}}/answer",
            "Turn a gap and its answer into knowledge.",
            GapAnsweredOut,
            status=HTTPStatus.ACCEPTED,
            takes=GapAnswerRequest,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        answer_gap,
    ),
    (
        Described(
            "DELETE",
            f"{GAPS}/{{id}}",
            "Ignore a gap, also when it is asked again.",
            status=HTTPStatus.NO_CONTENT,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        ignore_gap,
    ),
    (
        Described("GET", EVALUATIONS, "List what was measured.", EvaluationPage, paged=True, filters=("name",)),
        list_evaluations,
    ),
    (
        Described(
            "POST",
            EVALUATIONS,
            "Remember what was measured.",
            EvaluationOut,
            status=HTTPStatus.CREATED,
            takes=EvaluationRequest,
        ),
        add_evaluation,
    ),
)
