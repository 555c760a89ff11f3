"""The text of HTML or XML, without its tags."""

from html.parser import HTMLParser

_BREAKS = frozenset({"p", "div", "br", "li", "tr", "summary", "h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN = frozenset({"script", "style"})


def without_tags(markup: str, *, every_tag_breaks: bool = False) -> str:
    """What a reader sees; entities of the document's own are never expanded. In XML every tag ends a line."""
    reader = _Text(every_tag_breaks=every_tag_breaks)
    reader.feed(markup)
    reader.close()
    return "".join(reader.parts)


class _Text(HTMLParser):
    def __init__(self, *, every_tag_breaks: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._every_tag_breaks = every_tag_breaks
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the parser's signature
        self._hidden += tag in _HIDDEN
        if self._every_tag_breaks or tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if self._every_tag_breaks:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)

    def unknown_decl(self, data: str) -> None:
        """A CDATA section is text."""
        if data.startswith("CDATA["):
            self.handle_data(data.removeprefix("CDATA["))
