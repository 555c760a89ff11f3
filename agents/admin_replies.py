"""What the embedding agent says to admins, as replies; what became of their documents, in Markdown."""

from collections.abc import Sequence

from agents.admin_ports import FileProblem
from agents.admin_proposals import named
from agents.admin_words import AdminSentence, AdminWords
from agents.ports import Button, Effects, ProposalState, Reply
from database.records import Document, DocumentStatus, Intent

ENDED = frozenset({DocumentStatus.READY, DocumentStatus.FAILED})
_PROBLEMS: dict[FileProblem, AdminSentence] = {
    FileProblem.GONE: "file_gone",
    FileProblem.TOO_LARGE: "file_too_large",
    FileProblem.AWAY: "file_away",
}


class AdminReplies:
    """Stateless; one instance serves all. `most_megabytes` is the largest file that is taken."""

    def __init__(self, said: AdminWords, most_megabytes: int) -> None:
        self._words = said
        self._most_megabytes = most_megabytes

    def say(self, name: AdminSentence, language: str | None) -> str:
        """Markdown."""
        return self._words.say(name, language)

    def reply(
        self,
        text: str,
        language: str | None,
        buttons: tuple[Button, ...] = (),
        *,
        settled: tuple[str, ProposalState] | None = None,
    ) -> Reply:
        """A reply about the knowledge; `settled` is a proposal's id and what became of it."""
        effects = Effects(settled=(settled,) if settled else ())
        return Reply((Intent.KNOWLEDGE,), language or "en", text=text, effects=effects, answered=True, buttons=buttons)

    def told(self, documents: Sequence[Document], language: str | None) -> str:
        """What became of documents: which are read, which could not be, and whether some still are."""
        ready = [each.filename for each in documents if each.status is DocumentStatus.READY]
        lines = [self.say("learned", language).format(files=", ".join(map(named, ready)))] if ready else []
        for each in documents:
            if each.status is DocumentStatus.FAILED:
                sentence = self.say("failed", language)
                lines.append(sentence.format(files=named(each.filename), reason=each.error_message or "?"))
        if any(each.status not in ENDED for each in documents):
            lines.append(self.say("reading", language))
        return "\n\n".join(lines)

    def problem(self, problem: FileProblem, filename: str, language: str | None) -> str:
        """Why a file could not be had."""
        return self.say(_PROBLEMS[problem], language).format(files=named(filename), limit=self._most_megabytes)
