"""Text recognition (OCR): which languages can be read here, and how xberg is told.

Tesseract itself is part of xberg; the languages' data are not (Debian: tesseract-ocr, tesseract-ocr-deu, …). xberg
would download what is missing: it is only ever asked for languages whose data are here.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PLACES = (
    "/usr/share/tesseract-ocr/*/tessdata",
    "/usr/share/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


@dataclass(frozen=True, slots=True)
class TextRecognition:
    """The languages whose data lie in `folder`; `seconds` is what one document's pictures may take."""

    folder: Path
    languages: tuple[str, ...]
    seconds: float

    def options(self) -> dict[str, Any]:
        """The part of an `xberg.ExtractionConfig` that speaks of it."""
        import xberg  # noqa: PLC0415 - heavy, and only where it is used

        tesseract = xberg.TesseractConfig(language=list(self.languages), use_cache=False)
        ocr = xberg.OcrConfig(
            backend="tesseract",
            language=list(self.languages),
            tessdata_path=os.fspath(self.folder),
            tesseract_config=tesseract,
        )
        return {"ocr": ocr, "extraction_timeout_secs": max(int(self.seconds), 1)}


def text_recognition(languages: Sequence[str], seconds: float) -> TextRecognition | None:
    """With those of the languages (Tesseract's names: eng, deu, chi_sim) whose data are here; None when none are."""
    for folder in _folders():
        here = tuple(name for name in languages if (folder / f"{name}.traineddata").is_file())
        if here:
            return TextRecognition(folder, here, seconds)
    return None


def _folders() -> list[Path]:
    stated = os.environ.get("TESSDATA_PREFIX")
    places = [Path(stated), Path(stated) / "tessdata"] if stated else []
    for place in _PLACES:
        found = Path("/").glob(place.lstrip("/")) if "*" in place else [Path(place)]
        places += sorted(found, reverse=True)
    return [place for place in places if place.is_dir()]
