"""Files that a customer sends from the chat page, and files that the page shows (WHATSAPP.md 2.2 and 4.5)."""

from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import BodyPartReader, MultipartReader, web

from bot.simulator.guards import SECURITY_HEADERS, guarded
from bot.simulator.media_rules import bare
from bot.simulator.phone_actions import PhoneActions
from bot.simulator.world import World

MEGABYTE = 1024 * 1024
IMAGES = frozenset({"image/jpeg", "image/png"})
SOUNDS = frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus"})
FILMS = frozenset({"video/mp4", "video/3gpp"})
SAME_SOUND = {"audio/mp3": "audio/mpeg", "audio/x-m4a": "audio/mp4", "audio/m4a": "audio/mp4", "video/ogg": "audio/ogg"}
STICKER = "image/webp"
LARGEST = {"image": 5 * MEGABYTE, "audio": 16 * MEGABYTE, "video": 16 * MEGABYTE, "document": 100 * MEGABYTE}
SHOWN_INLINE = IMAGES | SOUNDS | FILMS | {STICKER}
FIELDS = frozenset({"customer", "caption", "quoted"})
LONGEST_FIELD = 16 * 1024
CAPTION_LIMIT = 1024


@dataclass(slots=True)
class _Form:
    fields: dict[str, str]
    content: bytes = b""
    mime_type: str = ""
    filename: str | None = None


class Attachments:
    """`POST /simulator/attachments` sends a file as a customer, `GET /simulator/media/{id}` gives one to the page."""

    def __init__(self, world: World, phone: PhoneActions) -> None:
        self._world = world
        self._phone = phone

    def routes(self) -> list[web.RouteDef]:
        """Both, guarded against other sites."""
        return [
            web.post("/simulator/attachments", guarded(self._send)),
            web.get("/simulator/media/{id}", guarded(self._media)),
        ]

    async def _send(self, request: web.Request) -> web.StreamResponse:
        form = await _read(request)
        caption = form.fields.get("caption", "").strip()
        if len(caption) > CAPTION_LIMIT:
            raise web.HTTPBadRequest(text=f"A caption has at most {CAPTION_LIMIT} characters.")
        kind = kind_of(form.mime_type)
        if len(form.content) > LARGEST[kind]:
            # a phone sends a large picture or film as a document
            kind = "document"
        voice = kind == "audio" and form.mime_type == "audio/ogg"
        try:
            wamid = self._phone.sends_file(
                form.fields.get("customer", ""),
                form.content,
                form.mime_type,
                kind=kind,
                filename=form.filename,
                caption=caption if kind != "audio" else None,
                voice=voice,
                quoted=form.fields.get("quoted") or None,
            )
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.json_response({"wamid": wamid})

    async def _media(self, request: web.Request) -> web.StreamResponse:
        stored = self._world.media.find(request.match_info["id"])
        if stored is None:
            raise web.HTTPNotFound
        # `audio/ogg; codecs=opus` is shown too, and named without its parameters, which are the sender's to choose
        mime_type = bare(stored.mime_type)
        inline = mime_type in SHOWN_INLINE
        name = quote(stored.filename or stored.id, safe="")
        headers = SECURITY_HEADERS | {
            "Content-Type": mime_type if inline else "application/octet-stream",
            "Content-Disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{name}",
        }
        return web.Response(body=stored.content, headers=headers)


def kind_of(mime_type: str) -> str:
    """As which type a phone sends a file."""
    for kind, types in (("image", IMAGES), ("audio", SOUNDS), ("video", FILMS)):
        if mime_type in types:
            return kind
    return "document"


async def _read(request: web.Request) -> _Form:
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(text="Send a file as multipart/form-data.")
    form = _Form({})
    reader: MultipartReader = await request.multipart()
    async for part in reader:
        if isinstance(part, BodyPartReader) and part.name == "file" and not form.mime_type:
            form.content = await _content(part, LARGEST["document"])
            given = part.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            form.mime_type = SAME_SOUND.get(given, given) or "application/octet-stream"
            form.filename = part.filename
        elif isinstance(part, BodyPartReader) and part.name in FIELDS:
            form.fields[str(part.name)] = (await _content(part, LONGEST_FIELD)).decode("utf-8", "replace")
        else:
            raise web.HTTPBadRequest(text="Send customer, caption, quoted and one file.")
    if not form.content:
        raise web.HTTPBadRequest(text="The file is empty.")
    return form


async def _content(part: BodyPartReader, limit: int) -> bytes:
    content = bytearray()
    while piece := await part.read_chunk(64 * 1024):
        content += piece
        if len(content) > limit:
            raise web.HTTPRequestEntityTooLarge(limit, len(content), text=f"At most {limit // MEGABYTE or 1} MB.")
    return bytes(content)
