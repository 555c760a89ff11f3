"""What a search reads of knowledge.db: which chunks may answer now, and where it may look."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from database.chunks import listed
from database.transaction import Transaction, Unit


@dataclass(frozen=True, slots=True)
class SearchScope:
    """Where a search looks: None is everywhere. With documents and tags, only what is in both.

    A document is in when it has one of the `tags`. With `preview_version_id`, that version answers in place of what
    is live of its document, as if it were published.
    """

    document_ids: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    preview_version_id: str | None = None

    @property
    def narrow(self) -> bool:
        """Whether it leaves documents out."""
        return self.document_ids is not None or self.tags is not None


EVERYWHERE = SearchScope()
# Which table is gone through, and which is looked up: SQLite keeps the order of a CROSS JOIN. Left to itself it went
# through all chunks of the business for more than some ten ids (80 ms with 50,000 chunks).
_BY_CHUNK = "FROM chunks AS c CROSS JOIN documents AS d"
_BY_DOCUMENT = "FROM documents AS d CROSS JOIN chunks AS c"


@dataclass(frozen=True, slots=True)
class LiveChunk:
    """A chunk that may answer now. `vector` is float32, little endian.

    `first_heading` is the path of headings above the document's first chunk. `before` and `after` are the texts of its
    neighbours in its version, where they stand under the same heading and were asked for.
    """

    id: str
    document_id: str
    filename: str
    text: str
    heading: str | None
    page: int | None
    first_heading: str | None
    before: str | None
    after: str | None
    vector: bytes | None


@dataclass(frozen=True, slots=True)
class ScopedChunk:
    """A chunk within a scope, by number and id, with its embedding if it has one."""

    n: int
    id: str
    vector: bytes | None


def live_among(business_id: str, ids: Sequence[str], scope: SearchScope = EVERYWHERE) -> Unit[set[str]]:
    """Those of the chunks that may answer now: of this business, of a live version, not deleted, in the scope."""
    source, parameters = _live(business_id, scope)
    names, named = listed("id", ids)
    parameters |= named

    async def unit(transaction: Transaction) -> set[str]:
        rows = await transaction.packed("c.id", f"{_BY_CHUNK} {source} AND c.id IN ({names})", parameters)
        return {chunk_id for (chunk_id,) in rows}

    return unit


def live_chunks(
    business_id: str, ids: Sequence[str], embedder: str, scope: SearchScope = EVERYWHERE, *, joined: int = 0
) -> Unit[list[LiveChunk]]:
    """Those of the chunks that may answer now, with the embedding that `embedder` made of them.

    The first `joined` of `ids` come with their neighbours; before them only those on the same page.
    """
    source, parameters = _live(business_id, scope)
    names, named = listed("id", ids)
    parameters |= named | {"embedder": embedder}
    firsts = ", ".join(f":{name}" for name in list(named)[:joined])

    async def unit(transaction: Transaction) -> list[LiveChunk]:
        rows = await transaction.packed(
            "c.id, c.document_id, d.filename, c.text, c.heading, c.page, "
            "(SELECT heading FROM chunks WHERE version_id = c.version_id ORDER BY ordinal LIMIT 1), "
            f"{_neighbour(firsts, '- 1 AND page IS c.page')}, {_neighbour(firsts, '+ 1')}, "
            "(SELECT hex(vector) FROM embeddings WHERE chunk_id = c.id AND embedder = :embedder)",
            f"{_BY_CHUNK} {source} AND c.id IN ({names})",
            parameters,
        )
        return [LiveChunk(*[*shown, vector and bytes.fromhex(vector)]) for *shown, vector in rows]

    return unit


def chunks_in_scope(business_id: str, scope: SearchScope, most: int) -> Unit[int]:
    """How many chunks of the business a scope has; `most` at most."""
    source, parameters = _live(business_id, scope)

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one(
            f"SELECT count(*) AS n FROM (SELECT 1 {_BY_DOCUMENT} {source} LIMIT :most)", {**parameters, "most": most}
        )
        return int(row["n"]) if row else 0

    return unit


def scoped_after(
    business_id: str, scope: SearchScope, embedder: str, after: int, limit: int
) -> Unit[list[ScopedChunk]]:
    """The next chunks of a scope behind the number `after`."""
    source, parameters = _live(business_id, scope)
    parameters |= {"embedder": embedder, "after": after, "limit": limit}

    async def unit(transaction: Transaction) -> list[ScopedChunk]:
        rows = await transaction.all(
            "SELECT c.n, c.id, "
            "(SELECT vector FROM embeddings WHERE chunk_id = c.id AND embedder = :embedder) AS vector "
            f"{_BY_DOCUMENT} {source} AND c.n > :after ORDER BY c.n LIMIT :limit",
            parameters,
        )
        return [ScopedChunk(row["n"], row["id"], row["vector"]) for row in rows]

    return unit


def has_live_vectors(business_id: str, embedder: str) -> Unit[bool]:
    """Whether the business has any document that may answer by vectors: one with a chunk that has an embedding."""

    async def unit(transaction: Transaction) -> bool:
        row = await transaction.one(
            "SELECT 1 FROM documents AS d JOIN chunks AS c ON c.version_id = d.live_version_id "
            "JOIN embeddings AS e ON e.chunk_id = c.id AND e.embedder = :embedder "
            "WHERE d.business_id = :business_id AND d.deleted_at IS NULL LIMIT 1",
            {"business_id": business_id, "embedder": embedder},
        )
        return row is not None

    return unit


def _neighbour(of: str, place: str) -> str:
    """The text of the chunk at this place beside it, as a column; NULL for all but some chunks."""
    if not of:
        return "NULL"
    beside = f"version_id = c.version_id AND heading IS c.heading AND ordinal = c.ordinal {place}"
    return f"CASE WHEN c.id IN ({of}) THEN (SELECT text FROM chunks WHERE {beside}) END"


def _live(business_id: str, scope: SearchScope) -> tuple[str, dict[str, Any]]:
    parameters: dict[str, Any] = {"business_id": business_id}
    version = "d.live_version_id"
    if scope.preview_version_id is not None:
        parameters["preview"] = scope.preview_version_id
        version = "COALESCE((SELECT id FROM versions WHERE id = :preview AND document_id = d.id), d.live_version_id)"
    source = (
        f"WHERE c.document_id = d.id AND c.version_id = {version} "
        "AND c.business_id = :business_id AND d.business_id = :business_id AND d.deleted_at IS NULL"
    )
    if scope.document_ids is not None:
        source += " AND d.id IN (SELECT value FROM json_each(:documents))"
        parameters["documents"] = json.dumps(sorted(scope.document_ids))
    if scope.tags is not None:
        source += (
            " AND d.id IN (SELECT document_id FROM document_tags WHERE tag IN (SELECT value FROM json_each(:tags)))"
        )
        parameters["tags"] = json.dumps(sorted(scope.tags))
    return source, parameters
