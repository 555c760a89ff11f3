"""Snapshots over the API: begin one, follow it, list them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bot.api.bodies import StrictRequest, read_body
from bot.api.guard import CALLER
from bot.api.paging import cursor_id, cut_page, page_limit
from bot.api.problems import ProblemError, not_found, unusable
from bot.api.schemas import LONGEST_ERROR, Time, answered, rfc3339
from services.object_stores import StoreError
from services.snapshots.backups import Backup, BackupRunningError, Backups, BackupState
from services.snapshots.manifest import Snapshot, dated, is_snapshot_id

BACKUPS: web.AppKey[Backups] = web.AppKey("backups", Backups)
# the commands of this machine: they may write wherever this process may
OWNER = "owner"
LONGEST_PLACE = 1024


class BackupRequest(StrictRequest):
    """A wish for a snapshot. `to`, another place than CONCIERGE_BACKUP_TO, is for `concierge backup` alone."""

    with_index: bool = False
    to: Annotated[str, Field(min_length=1, max_length=LONGEST_PLACE)] | None = None


class BackupOut(BaseModel):
    """A snapshot, or one that is being made, or that failed.

    `bytes_written` were new to the place; null for a snapshot that an earlier process made. `complete` tells whether
    every file of it is there.
    """

    id: str
    state: BackupState
    stage: str | None
    progress: Annotated[float, Field(ge=0, le=1)]
    error_message: Annotated[str, Field(max_length=LONGEST_ERROR)] | None
    place: str
    with_index: bool
    files: int
    bytes: int
    bytes_written: int | None
    complete: bool
    created_at: Time
    ended_at: Time | None

    @classmethod
    def of(cls, backup: Backup) -> "BackupOut":
        """From one of this process."""
        made, running = backup.snapshot, backup.state is BackupState.RUNNING
        return cls(
            id=backup.order.snapshot_id,
            state=backup.state,
            stage=backup.progress.stage if running else None,
            progress=round(backup.progress.share, 3) if running else float(made is not None),
            error_message=backup.error[:LONGEST_ERROR] if backup.error else None,
            place=backup.place,
            with_index=backup.order.with_index,
            files=made.files if made else 0,
            bytes=made.bytes if made else 0,
            bytes_written=backup.progress.written,
            complete=made is not None,
            created_at=rfc3339(backup.order.created_at),
            ended_at=rfc3339(backup.ended_at) if backup.ended_at is not None else None,
        )

    @classmethod
    def found(cls, snapshot: Snapshot, place: str) -> "BackupOut":
        """From what a place holds."""
        return cls(
            id=snapshot.id,
            state=BackupState.DONE,
            stage=None,
            progress=1.0,
            error_message=None,
            place=place,
            with_index=snapshot.with_index,
            files=snapshot.files,
            bytes=snapshot.bytes,
            bytes_written=None,
            complete=snapshot.complete,
            created_at=rfc3339(snapshot.created_at),
            ended_at=None,
        )

    @classmethod
    def unusable(cls, snapshot_id: str, reason: str, place: str) -> "BackupOut":
        """From a manifest that cannot be read: all that is known is its name."""
        return cls(
            id=snapshot_id,
            state=BackupState.FAILED,
            stage=None,
            progress=1.0,
            error_message=f"The snapshot cannot be used: {reason}"[:LONGEST_ERROR],
            place=place,
            with_index=False,
            files=0,
            bytes=0,
            bytes_written=None,
            complete=False,
            created_at=rfc3339(dated(snapshot_id)),
            ended_at=None,
        )


class BackupPage(BaseModel):
    """A page of backups, the newest first."""

    backups: list[BackupOut]
    next_cursor: str | None


async def make_backup(request: web.Request) -> web.Response:
    """Begin a snapshot: 202; GET its id to follow it."""
    wanted = await read_body(request, BackupRequest)
    if wanted.to is not None and request[CALLER] != OWNER:
        raise unusable("/to", "is for `concierge backup` on the server's machine; set CONCIERGE_BACKUP_TO")
    try:
        backup = await request.app[BACKUPS].start(to=wanted.to or "", with_index=wanted.with_index)
    except BackupRunningError:
        raise ProblemError(HTTPStatus.CONFLICT, "A backup is being made already.") from None
    except StoreError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    return answered(BackupOut.of(backup), HTTPStatus.ACCEPTED)


async def list_backups(request: web.Request) -> web.Response:
    """A page of snapshots, with the backups of this process that run or failed."""
    limit, before = page_limit(request), cursor_id(request)
    rest = [each for each in await _all(request) if before is None or each.id < before]
    page, following = cut_page(rest, limit, lambda each: (each.id,))
    return answered(BackupPage(backups=list(page), next_cursor=following))


async def get_backup(request: web.Request) -> web.Response:
    """One backup: of this process, or a snapshot that the usual place holds."""
    wanted = request.match_info["id"]
    backup = request.app[BACKUPS].get(wanted)
    if backup is not None:
        return answered(BackupOut.of(backup))
    if is_snapshot_id(wanted):
        for found in await _held(request, wanted):
            return answered(found)
    raise not_found("backup")


async def _all(request: web.Request) -> Sequence[BackupOut]:
    backups = request.app[BACKUPS]
    there = {each.id: each for each in await _held(request)}
    # one that was made and is not there any more has been pruned; one that is not whole any more shows as what it is
    ours = {
        each.order.snapshot_id: BackupOut.of(each)
        for each in backups.recent()
        if each.state is not BackupState.DONE
        or not each.usual
        or (each.order.snapshot_id in there and there[each.order.snapshot_id].complete)
    }
    return sorted((there | ours).values(), key=lambda each: each.id, reverse=True)


async def _held(request: web.Request, only: str | None = None) -> list[BackupOut]:
    """What the usual place holds, or `only` the one with this id."""
    backups = request.app[BACKUPS]
    try:
        held = await backups.snapshots(only)
    except StoreError as error:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
    unusable = [BackupOut.unusable(each, broken.reason, backups.place) for each, broken in held.broken.items()]
    return [*(BackupOut.found(each, backups.place) for each in held.snapshots()), *unusable]
