"""The bars of `concierge ingest`: one for all files, and below it one for each that is under way, as many as fit."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Self

from tqdm import tqdm

MOST_LINES = 8
NAME_WIDTH = 32
# of a file's bar: handing it over is the small part
UPLOAD_SHARE = 0.1
ENDED = frozenset({"ready", "failed"})

_ALL = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
_ONE = "{desc} {percentage:3.0f}%|{bar}|{postfix}"


class UploadBars:
    """Says how far the files of `names` are. Shows nothing where stderr is no terminal, or unless `shown`."""

    def __init__(self, names: Sequence[str], *, shown: bool) -> None:
        self._names = names
        self._shares = [0.0] * len(names)
        self._words = [""] * len(names)
        self._lines: dict[int, tqdm[Any]] = {}
        self._shown = shown and sys.stderr.isatty()
        # one line is of all files, and the cursor has one
        room = os.get_terminal_size(sys.stderr.fileno()).lines - 2 if self._shown else 0
        self._free = list(range(1, 1 + min(MOST_LINES, len(names), room)))
        self._all = tqdm(total=len(names), bar_format=_ALL, desc=_label(f"{len(names)} files"), disable=not self._shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the line of all files alone on the screen."""
        self._shown = False
        for line in (*self._lines.values(), self._all):
            line.close()

    def sent(self, index: int, share: float) -> None:
        """So much of a file's bytes are with the server."""
        self._show(index, UPLOAD_SHARE * share, "uploading")

    def follow(self, index: int, document: Mapping[str, Any]) -> None:
        """What became of a file."""
        status = str(document["status"])
        share = 1.0 if status in ENDED else UPLOAD_SHARE + (1 - UPLOAD_SHARE) * float(document["progress"])
        self._show(index, share, status)

    def _show(self, index: int, share: float, word: str) -> None:
        self._shares[index], self._words[index] = share, word
        if not self._shown:
            return
        if word in ENDED:
            self._close(index)
        elif index in self._lines or self._free:
            self._draw(index)
        self._all.n = sum(self._shares)
        self._all.set_postfix_str(self._counts(), refresh=False)
        self._all.refresh()

    def _draw(self, index: int) -> None:
        if index not in self._lines:
            self._lines[index] = tqdm(
                total=1.0, bar_format=_ONE, desc=_label(self._names[index]), position=self._free.pop(0), leave=False
            )
        line = self._lines[index]
        line.n = self._shares[index]
        line.set_postfix_str(self._words[index], refresh=False)
        line.refresh()

    def _close(self, index: int) -> None:
        line = self._lines.pop(index, None)
        if line is None:
            return
        self._free.insert(0, abs(line.pos))
        line.close()
        waiting = (each for each, word in enumerate(self._words) if word and word not in ENDED)
        following = next((each for each in waiting if each not in self._lines), None)
        if following is not None:
            self._draw(following)

    def _counts(self) -> str:
        counts: dict[str, int] = {}
        for word in self._words:
            if word:
                counts[word] = counts.get(word, 0) + 1
        return ", ".join(f"{count} {word}" for word, count in counts.items())


def _label(name: str) -> str:
    """As wide as every other."""
    cut = name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"
    return cut.ljust(NAME_WIDTH)
