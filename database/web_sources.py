"""Addresses of the web that are looked at again: pages, each with the document of its id, and sitemaps of pages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from database.records import new_id
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class WebSource:
    """`kind` is page or sitemap. `digest` is as in the table; `pages` counts those of a sitemap that are looked at."""

    id: str
    business_id: str
    parent_id: str | None
    kind: str
    url: str
    every_seconds: int
    document_id: str | None
    etag: str | None
    last_modified: str | None
    digest: str | None
    checked_at: int | None
    changed_at: int | None
    next_at: int
    failures: int
    error_message: str | None
    left_at: int | None
    stopped_at: int | None
    created_at: int
    pages: int = 0


@dataclass(frozen=True, slots=True)
class NamedPages:
    """What became of a sitemap's pages: how many are new, and how many there was no room for."""

    new: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What looking at an address found. `changed`: the document was given something new."""

    error_message: str | None = None
    failed: bool = False
    changed: bool = False
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None
    kind: str | None = None


_COLUMNS = (
    "id, business_id, parent_id, kind, url, every_seconds, document_id, etag, last_modified, digest, checked_at, "
    "changed_at, next_at, failures, error_message, left_at, stopped_at, created_at, "
    "(SELECT COUNT(*) FROM web_sources AS p WHERE p.parent_id = s.id AND p.stopped_at IS NULL) AS pages"
)


def web_source(business_id: str, source_id: str) -> Unit[WebSource | None]:
    """One source of a business."""

    async def unit(transaction: Transaction) -> WebSource | None:
        return await _one(transaction, "business_id = :business AND id = :id", business=business_id, id=source_id)

    return unit


def web_source_at(business_id: str, url: str) -> Unit[WebSource | None]:
    """The source of a business at an address."""

    async def unit(transaction: Transaction) -> WebSource | None:
        return await _one(transaction, "business_id = :business AND url = :url", business=business_id, url=url)

    return unit


def web_sources_page(
    business_id: str, limit: int, after: tuple[int, str] | None = None, parent_id: str | None = None
) -> Unit[list[WebSource]]:
    """Sources of a business, the oldest first; those that are looked at by themselves, or the pages of a sitemap."""
    created_at, last = after or (-1, "")

    async def unit(transaction: Transaction) -> list[WebSource]:
        rows = await transaction.all(
            f"SELECT {_COLUMNS} FROM web_sources AS s WHERE business_id = :business AND parent_id IS :parent "
            "AND stopped_at IS NULL AND (created_at, id) > (:created_at, :id) ORDER BY created_at, id LIMIT :limit",
            {
                "business": business_id,
                "parent": parent_id,
                "created_at": created_at,
                "id": last,
                "limit": limit,
            },
        )
        return [_source(row) for row in rows]

    return unit


def count_web_sources(business_id: str) -> Unit[int]:
    """How many addresses of a business are looked at."""

    async def unit(transaction: Transaction) -> int:
        return await _count(transaction, business_id)

    return unit


def due_web_sources(now: int, limit: int) -> Unit[list[WebSource]]:
    """What is to be looked at, turn by turn of the businesses, those that wait longest first."""

    async def unit(transaction: Transaction) -> list[WebSource]:
        rows = await transaction.all(
            f"SELECT {_COLUMNS} FROM (SELECT *, ROW_NUMBER() OVER "
            "(PARTITION BY business_id ORDER BY next_at, id) AS turn FROM web_sources "
            "WHERE stopped_at IS NULL AND next_at <= :now) AS s ORDER BY turn, next_at LIMIT :limit",
            {"now": now, "limit": limit},
        )
        return [_source(row) for row in rows]

    return unit


def due_pages(parent_id: str, now: int, limit: int) -> Unit[list[WebSource]]:
    """Pages of a sitemap that are to be looked at."""

    async def unit(transaction: Transaction) -> list[WebSource]:
        rows = await transaction.all(
            f"SELECT {_COLUMNS} FROM web_sources AS s WHERE parent_id = :parent AND stopped_at IS NULL "
            "AND next_at <= :now ORDER BY next_at, id LIMIT :limit",
            {"parent": parent_id, "now": now, "limit": limit},
        )
        return [_source(row) for row in rows]

    return unit


def add_web_source(
    business_id: str, kind: str, url: str, every_seconds: int | None, usual_seconds: int, now: int
) -> Unit[WebSource]:
    """A source by itself: a new one, or the one at this address, with this interval from now on.

    Without `every_seconds` a new one has the usual interval, and one that is there keeps its own. One that was stopped
    begins anew, under another id: its document is gone. A page of a sitemap stays one.
    """

    async def unit(transaction: Transaction) -> WebSource:
        await _drop_stopped(transaction, business_id, url)
        await transaction.run(
            "INSERT INTO web_sources (id, business_id, kind, url, every_seconds, next_at, created_at) "
            "VALUES (:id, :business, :kind, :url, COALESCE(:every, :usual), :next, :now) "
            "ON CONFLICT (business_id, url) DO UPDATE SET every_seconds = COALESCE(:every, every_seconds)",
            {
                "id": new_id(),
                "business": business_id,
                "kind": kind,
                "url": url,
                "every": every_seconds,
                "usual": usual_seconds,
                # it is looked at by who adds it; should that be cut off, the sweep does it
                "next": now,
                "now": now,
            },
        )
        found = await _one(transaction, "business_id = :business AND url = :url", business=business_id, url=url)
        if found is None:
            raise LookupError("the source was there a moment ago")
        return found

    return unit


async def _drop_stopped(transaction: Transaction, business_id: str, url: str) -> None:
    await transaction.run(
        "DELETE FROM web_sources WHERE business_id = :business AND url = :url AND stopped_at IS NOT NULL",
        {"business": business_id, "url": url},
    )


def name_pages(sitemap: WebSource, urls: Sequence[str], most: int, now: int, *, whole: bool) -> Unit[NamedPages]:
    """Note which pages a sitemap names now. `most` is how many addresses the business may have.

    Not `whole`: there may be others, too. Of a sitemap that was forgotten meanwhile no pages are kept.
    """

    async def unit(transaction: Transaction) -> NamedPages:
        if await _one(transaction, "id = :id AND stopped_at IS NULL", id=sitemap.id) is None:
            return NamedPages()
        named = json.dumps(list(urls))
        await _note_left(transaction, sitemap, named, now, whole=whole)
        known = await transaction.all(
            "SELECT url FROM web_sources WHERE business_id = :business AND url IN (SELECT value FROM json_each(:urls))",
            {"business": sitemap.business_id, "urls": named},
        )
        there = {row["url"] for row in known}
        unknown = [url for url in urls if url not in there]
        new = unknown[: max(most - await _count(transaction, sitemap.business_id), 0)]
        await transaction.bulk(
            "INSERT INTO web_sources (id, business_id, parent_id, kind, url, every_seconds, next_at, created_at) "
            "VALUES {rows} ON CONFLICT (business_id, url) DO NOTHING",
            [
                (source_id, sitemap.business_id, sitemap.id, "page", url, sitemap.every_seconds, now, now)
                for source_id, url in zip([new_id() for _ in new], new, strict=True)
            ],
        )
        return NamedPages(len(new), len(unknown) - len(new))

    return unit


async def _note_left(transaction: Transaction, sitemap: WebSource, urls: str, now: int, *, whole: bool) -> None:
    """Which of its pages a sitemap names no more, or again; `urls` is a JSON list of those that it names."""
    await transaction.run(
        "UPDATE web_sources SET left_at = CASE WHEN url IN (SELECT value FROM json_each(:urls)) THEN NULL "
        "WHEN :whole THEN COALESCE(left_at, :now) ELSE left_at END, every_seconds = :every "
        "WHERE parent_id = :parent",
        {"parent": sitemap.id, "urls": urls, "now": now, "every": sitemap.every_seconds, "whole": int(whole)},
    )


def note_look(source_id: str, look: Look, next_at: int, now: int) -> Unit[int]:
    """What was found at an address, and when to look again. A failure keeps what earlier looks found.

    0 when the address was forgotten while it was looked at.
    """

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "UPDATE web_sources SET checked_at = :now, next_at = :next, error_message = :error, "
            "failures = CASE WHEN :failed THEN failures + 1 ELSE 0 END, "
            "etag = CASE WHEN :failed THEN etag ELSE :etag END, "
            "last_modified = CASE WHEN :failed THEN last_modified ELSE :last_modified END, "
            "digest = COALESCE(:digest, digest), kind = COALESCE(:kind, kind), "
            "changed_at = CASE WHEN :changed THEN :now ELSE changed_at END, "
            "document_id = CASE WHEN COALESCE(:kind, kind) = 'sitemap' THEN NULL "
            "ELSE (SELECT d.id FROM documents AS d WHERE d.id = web_sources.id) END "
            "WHERE id = :id AND stopped_at IS NULL",
            {
                "id": source_id,
                "now": now,
                "next": next_at,
                "error": look.error_message,
                "failed": int(look.failed),
                "changed": int(look.changed),
                "etag": look.etag,
                "last_modified": look.last_modified,
                "digest": look.digest,
                "kind": look.kind,
            },
        )

    return unit


def postpone_look(source_id: str, next_at: int) -> Unit[int]:
    """Look at it later; nothing was found out."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "UPDATE web_sources SET next_at = :next WHERE id = :id", {"id": source_id, "next": next_at}
        )

    return unit


def ids_of_web_source(business_id: str, source_id: str) -> Unit[list[str]]:
    """The source's id and those of its pages, which are also those of their documents; none when there is none."""

    async def unit(transaction: Transaction) -> list[str]:
        rows = await transaction.all(
            "SELECT id FROM web_sources WHERE business_id = :business AND stopped_at IS NULL "
            "AND (id = :id OR parent_id = :id)",
            {"business": business_id, "id": source_id},
        )
        return [row["id"] for row in rows]

    return unit


def remove_web_source(business_id: str, source_id: str, now: int) -> Unit[list[str] | None]:
    """Forget a source, with its pages; the ids of what was looked at, or None when there is none.

    A page of a sitemap is stopped instead: the sitemap would bring it back.
    """

    async def unit(transaction: Transaction) -> list[str] | None:
        found = await _one(transaction, "business_id = :business AND id = :id", business=business_id, id=source_id)
        if found is None or found.stopped_at is not None:
            return None
        if found.parent_id is not None:
            await transaction.run(
                "UPDATE web_sources SET stopped_at = :now WHERE id = :id", {"id": source_id, "now": now}
            )
            return [source_id]
        rows = await transaction.all("DELETE FROM web_sources WHERE parent_id = :id RETURNING id", {"id": source_id})
        await transaction.run("DELETE FROM web_sources WHERE id = :id", {"id": source_id})
        return [source_id, *(row["id"] for row in rows)]

    return unit


async def _count(transaction: Transaction, business_id: str) -> int:
    row = await transaction.one(
        "SELECT COUNT(*) AS n FROM web_sources WHERE business_id = :business AND stopped_at IS NULL",
        {"business": business_id},
    )
    return int(row["n"]) if row else 0


async def _one(transaction: Transaction, where: str, **parameters: str) -> WebSource | None:
    row = await transaction.one(f"SELECT {_COLUMNS} FROM web_sources AS s WHERE {where}", parameters)
    return _source(row) if row else None


def _source(row: Row) -> WebSource:
    return WebSource(**dict(row))
