"""Writes down the voice notes of admins: fetched from WhatsApp, heard by a speech-to-text model."""

from typing import Protocol

from services.knowledge_desk import Media

MOST_BYTES = 16 * 1024 * 1024  # WHATSAPP.md 4.5


class Transcriber(Protocol):
    """A speech-to-text model."""

    async def transcribe(self, sound: bytes, mime_type: str, business_id: str) -> str:
        """What is said. Raises ModelError."""
        ...


class VoiceNotes:
    """Implements agents.admin_ports.Listener."""

    def __init__(self, media: Media, transcriber: Transcriber) -> None:
        self._media = media
        self._transcriber = transcriber

    async def write_down(self, media_id: str, mime_type: str, business_id: str) -> str:
        """As the port says."""
        sound = b"".join([piece async for piece in self._media.content(media_id, MOST_BYTES)])
        return (await self._transcriber.transcribe(sound, mime_type, business_id)).strip()
