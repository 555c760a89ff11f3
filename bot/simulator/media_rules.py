"""Which files WhatsApp takes, and how large (WHATSAPP.md 4.5)."""

from bot.simulator.media_store import MediaStore, StoredMedia
from bot.simulator.refusals import MetaRefusalError

KILOBYTE, MEGABYTE = 1024, 1024 * 1024
DAY_MS = 24 * 3600 * 1000
UPLOAD_DAYS = 30
INBOUND_DAYS = 7
OFFICE = "application/vnd.openxmlformats-officedocument."
MIME_TYPES = {
    "image": frozenset({"image/jpeg", "image/png"}),
    "audio": frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
    "video": frozenset({"video/mp4", "video/3gpp"}),
    "sticker": frozenset({"image/webp"}),
}
DOCUMENTS = frozenset(
    {
        "text/plain",
        "application/pdf",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        f"{OFFICE}wordprocessingml.document",
        f"{OFFICE}spreadsheetml.sheet",
        f"{OFFICE}presentationml.presentation",
    }
)
LARGEST = {
    "image": 5 * MEGABYTE,
    "audio": 16 * MEGABYTE,
    "video": 16 * MEGABYTE,
    "sticker": 500 * KILOBYTE,
    "document": 100 * MEGABYTE,
}
MEDIA_KINDS = frozenset(LARGEST)
LARGEST_STILL_STICKER = 100 * KILOBYTE
ANIMATION_FLAG = 0x02  # byte 20 of an extended WebP file: https://developers.google.com/speed/webp/docs/riff_container


def bare(mime_type: str) -> str:
    """Without parameters: `audio/ogg; codecs=opus` is `audio/ogg`."""
    return mime_type.partition(";")[0].strip().lower()


def check_upload(content: bytes, mime_type: str) -> None:
    """Refuse a file that no message could carry. Raises MetaRefusalError."""
    kind = bare(mime_type)
    if not mime_type.isprintable():  # it comes back as a header of the download
        raise MetaRefusalError(100, "Param type must be a media type.")
    if kind not in DOCUMENTS.union(*MIME_TYPES.values()):
        raise MetaRefusalError(100, f"Param file must be a file of a supported type. Received file of type '{kind}'.")
    limits = [LARGEST[name] for name, types in MIME_TYPES.items() if kind in types]
    _check_size(len(content), limits[0] if limits else LARGEST["document"])
    if not content:
        raise MetaRefusalError(131053, "The file is empty.")


def check_use(stored: StoredMedia, kind: str, *, voice: bool) -> None:
    """Refuse a file that a message of this kind cannot carry. Raises MetaRefusalError."""
    mime_type = bare(stored.mime_type)
    if kind in MIME_TYPES and mime_type not in MIME_TYPES[kind]:
        raise MetaRefusalError(131053, f"The media of type {mime_type} cannot be sent as {kind}.")
    if voice and mime_type != "audio/ogg":
        raise MetaRefusalError(131053, "A voice message is OGG with the Opus codec.")
    still = kind == "sticker" and not _animated(stored.content)
    _check_size(len(stored.content), LARGEST_STILL_STICKER if still else LARGEST[kind])


def find_media(store: MediaStore, media_id: str, now: int) -> StoredMedia | None:
    """The file, unless it is gone: uploads stay 30 days, what customers sent 7."""
    stored = store.find(media_id)
    if stored is None:
        return None
    days = INBOUND_DAYS if stored.by_customer else UPLOAD_DAYS
    return stored if now - stored.stored_at < days * DAY_MS else None


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise MetaRefusalError(131053, f"The file has {size} bytes; at most {limit} are allowed.")


def _animated(content: bytes) -> bool:
    return content[12:16] == b"VP8X" and len(content) > 20 and bool(content[20] & ANIMATION_FLAG)  # noqa: PLR2004
