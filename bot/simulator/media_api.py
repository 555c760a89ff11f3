"""Files over the Graph API: upload, look up, download by token until the address expires, delete (WHATSAPP.md 4.5)."""

import hashlib
import hmac
from typing import Any
from urllib.parse import quote

from aiohttp import BodyPartReader, web

from bot.simulator.account import MESSAGING
from bot.simulator.account_api import PREFIX
from bot.simulator.graph_door import GraphDoor, answered, no_such_object
from bot.simulator.media_rules import LARGEST, check_upload, find_media
from bot.simulator.media_store import StoredMedia
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.world import World

ADDRESS_SECONDS = 300
LONGEST_FIELD = 1024
DOWNLOAD_PATH = "/whatsapp_business/attachments/"


class MediaApi:
    """`POST /{number}/media`, `GET` and `DELETE /{media}`, and the address that a look-up gives."""

    def __init__(self, world: World, door: GraphDoor) -> None:
        self._world = world
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """Without `/{id}`, which other objects answer, too."""
        return [
            web.post(PREFIX + "/{id}/media", self._door.guarded("media", self._upload)),
            web.get(DOWNLOAD_PATH, self._door.guarded("media", self._download)),
        ]

    def node(self, request: web.Request) -> web.StreamResponse | None:
        """One file, when the id is of one: where it can be fetched, for five minutes."""
        stored = self._found(request)
        if stored is None:
            return None
        expires = self._world.clock.now() // 1000 + ADDRESS_SECONDS
        address = (
            f"{request.url.origin()}{DOWNLOAD_PATH}?mid={stored.id}&ext={expires}&hash={self._seal(stored.id, expires)}"
        )
        return answered(
            {
                "messaging_product": "whatsapp",
                "url": address,
                "mime_type": stored.mime_type,
                "sha256": stored.sha256,
                "file_size": str(len(stored.content)),
                "id": stored.id,
            }
        )

    def delete(self, request: web.Request) -> web.StreamResponse | None:
        """Delete a file, when the id is of one."""
        stored = self._found(request)
        if stored is None:
            return None
        self._world.media.forget(stored.id)
        return answered({"success": True})

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        self._door.check_scope(MESSAGING)
        if request.match_info["id"] != self._world.settings.phone_number_id:
            raise no_such_object(request, request.match_info["id"])
        form = await _form(request)
        if form.get("messaging_product") != b"whatsapp":
            raise MetaRefusalError(100, "(#100) The parameter messaging_product is required.")
        if "file" not in form:
            raise MetaRefusalError(100, "(#100) The parameter file is required.")
        mime_type = form.get("type", form["mime_type"]).decode("ascii", "replace")
        check_upload(form["file"], mime_type)
        filename = form["filename"].decode("utf-8", "replace") or None
        stored = self._world.media.keep(form["file"], mime_type, self._world.clock.now(), filename)
        return answered({"id": stored.id})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        self._door.check_scope(MESSAGING)
        media_id, expires, seal = (request.query.get(name, "") for name in ("mid", "ext", "hash"))
        stored = find_media(self._world.media, media_id, self._world.clock.now())
        good = expires.isdecimal() and hmac.compare_digest(seal, self._seal(media_id, int(expires)))
        if stored is None or not good or int(expires) * 1000 <= self._world.clock.now():
            return web.Response(status=404, text="URL signature expired")
        name = quote(stored.filename or stored.id, safe="")
        headers = {
            "Content-Type": stored.mime_type or "application/octet-stream",
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        }
        return web.Response(body=stored.content, headers=headers)

    def _found(self, request: web.Request) -> StoredMedia | None:
        stored = find_media(self._world.media, request.match_info["id"], self._world.clock.now())
        if stored is None:
            return None
        self._door.check_scope(MESSAGING)
        number = request.query.get("phone_number_id")
        if number is not None and number != self._world.settings.phone_number_id:
            raise no_such_object(request, stored.id)
        return stored

    def _seal(self, media_id: str, expires: int) -> str:
        secret = self._world.settings.app_secret.encode()
        return hmac.new(secret, f"{media_id}:{expires}".encode(), hashlib.sha256).hexdigest()


async def _form(request: web.Request) -> dict[str, bytes]:
    """The fields of an upload; `mime_type` and `filename` are those of the file's part."""
    if request.content_type != "multipart/form-data":
        raise MetaRefusalError(100, "(#100) A file is sent as multipart/form-data.")
    form: dict[str, bytes] = {}
    reader: Any = await request.multipart()
    async for part in reader:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise MetaRefusalError(100, "(#100) The form cannot be read.")
        form[part.name] = await _content(part, LARGEST["document"] if part.name == "file" else LONGEST_FIELD)
        if part.name == "file":
            form["mime_type"] = part.headers.get("Content-Type", "application/octet-stream").encode()
            form["filename"] = (part.filename or "").encode()
    return form


async def _content(part: BodyPartReader, limit: int) -> bytes:
    content = bytearray()
    while piece := await part.read_chunk(64 * 1024):
        content += piece
        if len(content) > limit:
            raise MetaRefusalError(131053, f"At most {limit} bytes are allowed.")
    return bytes(content)
