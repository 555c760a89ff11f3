"""What to do with a burst: classify it, then answer, greet, hand over, stop or start; always something to say."""

import time
from collections.abc import Sequence
from dataclasses import replace

from agents.clarification import chosen_of, with_whole_question
from agents.conversation_memory import ConversationMemory
from agents.intent_rules import newest
from agents.message_classifier import MessageClassifier
from agents.ports import Answer, Burst, Classification, Effects, Reply, Topic, TopicAction
from agents.query_agent import QueryAgent
from agents.sentences import SentenceName, Sentences, without_marks
from agents.stated_facts import new_facts, stated_facts
from database.records import ClosedReason, Intent, Mode

_NO_EFFECTS = Effects()


class BurstResponder:
    """Implements agents.ports.Responder. Holds no state: everything about a conversation comes with its burst."""

    def __init__(
        self,
        classifier: MessageClassifier,
        query_agent: QueryAgent,
        sentences: Sentences,
        memory: ConversationMemory | None = None,
    ) -> None:
        self._classifier = classifier
        self._rules = classifier.rules
        self._query_agent = query_agent
        self._sentences = sentences
        self._memory = memory or ConversationMemory(None)
        self._offers = sentences.in_every_language("do_not_know") | sentences.in_every_language("apology")

    async def respond(self, burst: Burst) -> Reply:
        """Raises only what the knowledge raises: a model that fails is replaced by built-in answers, see `error`."""
        keyword = self._rules.keyword(burst.texts)
        if burst.opted_out and keyword is not Intent.OPT_IN:
            return self._silent(burst, ClosedReason.OPTED_OUT)
        if burst.mode is Mode.PERSON and keyword is None:
            # no reply waits for it, but nor would anybody else sum up what the customer tells the colleague
            memory = await self._memory.summarized(burst, use_model=False)
            silent = self._silent(burst, ClosedReason.WITH_PERSON)
            return replace(silent, effects=Effects(summary=memory.summary))
        chosen = chosen_of(burst)
        whole, burst = burst, self._memory.recalled(with_whole_question(burst, chosen) if chosen else burst)
        began = time.perf_counter()
        classified = self._with_context(burst, await self._classifier.classify(burst), keyword)
        classify_seconds = time.perf_counter() - began
        reply = await self._act(burst, classified)
        reply = replace(reply, stages={"classify": classify_seconds, **reply.stages})
        return await self._remembering(reply, whole)

    def apology(self, language: str | None) -> str:
        """Markdown."""
        return self._sentences.say("apology", language)

    def subscription(self, texts: Sequence[str], language: str | None) -> Reply | None:
        """As the port says."""
        keyword = self._rules.keyword(texts)
        if keyword is None:
            return None
        return self._subscription(Classification((keyword,), language or "en"), stop=keyword is Intent.OPT_OUT)

    def unsupported(self, language: str | None) -> str:
        """Markdown."""
        return self._sentences.say("unsupported", language)

    async def _remembering(self, reply: Reply, burst: Burst) -> Reply:
        """What this burst adds to what is known of the customer; a model that fails here costs the reply nothing."""
        if reply.text is None:
            return reply
        began = time.perf_counter()
        # "stop", "start" and a hand-over take effect with the reply: none of them waits for a paid summary
        waits = reply.error is None and reply.effects.opted_out is None and reply.effects.mode is None
        memory = await self._memory.summarized(burst, use_model=waits)
        facts = new_facts((*reply.effects.new_facts, *stated_facts(newest(burst.texts), reply.language)), burst.facts)
        return replace(
            reply,
            effects=replace(reply.effects, summary=memory.summary, new_facts=facts),
            usage=memory.usage + reply.usage,
            stages=reply.stages | ({"remember": time.perf_counter() - began} if memory.summary else {}),
            error="; ".join(filter(None, (reply.error, memory.error))) or None,
        )

    def _with_context(self, burst: Burst, classified: Classification, keyword: Intent | None) -> Classification:
        """What the classifier cannot know: keywords always hold, and "yes" accepts the person that we offered."""
        if keyword is not None:
            others = tuple(intent for intent in classified.intents if intent is not keyword)
            return replace(classified, intents=(keyword, *others))
        if self._rules.says_yes(burst.texts) and self._offered_person(burst):
            return replace(classified, intents=(Intent.PERSON,))
        return classified

    def _offered_person(self, burst: Burst) -> bool:
        last = burst.history[-1] if burst.history else None
        return (
            last is not None
            and not last.by_customer
            and without_marks(last.text) in {without_marks(each) for each in self._offers}
        )

    async def _act(self, burst: Burst, classified: Classification) -> Reply:
        wanted = set(classified.intents)
        first = classified.intents[0]
        if first in {Intent.OPT_OUT, Intent.OPT_IN} or Intent.OPT_OUT in wanted:
            return self._subscription(classified, stop=first is not Intent.OPT_IN)
        if Intent.PERSON in wanted:
            return self._say("hand_over", classified, Effects(mode=Mode.PERSON))
        if wanted & {Intent.QUESTION, Intent.KNOWLEDGE, Intent.FOLLOW_UP}:
            return await self._asked(burst, classified)
        if Intent.GREETING in wanted:
            return self._say("greeting", classified)
        if Intent.THANKS in wanted:
            return self._say("thanks", classified)
        return await self._other(burst, classified)

    async def _asked(self, burst: Burst, classified: Classification) -> Reply:
        """What the business says of its topics, and an answer to the messages that are about none of these."""
        asking = classified.topics or ((("\n".join(burst.texts), classified.topic),) if classified.topic else ())
        settled = {topic.id: said for _, topic in asking if topic and (said := self._by_topic(topic, classified))}
        if not settled:
            return await self._answer(burst, classified)
        handed_over = next((said for said in settled.values() if said.effects.mode is Mode.PERSON), None)
        rest = tuple(text for text, topic in asking if topic is None or topic.id not in settled)
        if handed_over or not rest:
            return handed_over or _joined(list(settled.values()))
        answer = await self._answer(replace(burst, texts=rest), classified)
        if not (answer.answered or answer.buttons or self._rules.has_mark(rest)):
            # the rest asked nothing ("I have a rash"), but finding that out had its price and heard its facts
            return replace(answer, text=_joined(list(settled.values())).text, answered=True)
        return _joined([*settled.values(), answer])

    def _by_topic(self, topic: Topic, classified: Classification) -> Reply | None:
        """What the business does with messages about its topic; None where they are answered as any other."""
        if topic.action is TopicAction.HAND_OVER:
            said = self._say("hand_over", classified, Effects(mode=Mode.PERSON))
        elif topic.action is TopicAction.REFUSE:
            said = self._say("refused", classified)
        elif topic.action is TopicAction.ROUTE and topic.reply:
            said = replace(_reply(classified), answered=True)
        else:
            return None
        return replace(said, text=topic.reply or said.text)

    def _subscription(self, classified: Classification, *, stop: bool) -> Reply:
        return self._say("stop" if stop else "start", classified, Effects(opted_out=stop))

    async def _other(self, burst: Burst, classified: Classification) -> Reply:
        if self._rules.asks_nothing(burst.texts):
            return _reply(classified, closed=ClosedReason.NO_REPLY_NEEDED)
        if not any(letter.isalnum() for text in burst.texts for letter in text) or self._rules.says_yes(burst.texts):
            return self._say("greeting", classified)  # "?", or a yes to nothing: ask what they need
        return await self._answer(burst, classified)

    async def _answer(self, burst: Burst, classified: Classification) -> Reply:
        began = time.perf_counter()
        chosen = chosen_of(burst)
        answer = await self._query_agent.answer(
            burst.business_id,
            "\n".join(self._rules.asking(burst.texts)),
            language=classified.language,
            history=burst.history,
            summary=burst.summary,
            facts=burst.facts,
            use_model=classified.error is None,
            option=chosen.option if chosen else None,
        )
        text = self._query_agent.with_sources(answer, classified.language)
        only_thanks = self._only_thanks(burst, classified, answer)
        if only_thanks:
            text = self._sentences.say("thanks", classified.language)
        return replace(
            _reply(classified, text=text),
            answered=answer.answered or only_thanks,
            sources=answer.sources,
            usage=classified.usage + answer.usage,
            stages={"answer": time.perf_counter() - began},
            error="; ".join(filter(None, (classified.error, answer.error))) or None,
            knowledge_version=answer.knowledge_version,
            buttons=answer.buttons,
            effects=Effects(new_facts=answer.facts),
        )

    def _only_thanks(self, burst: Burst, classified: Classification, answer: Answer) -> bool:
        """What sounds like a question and is none, as in "you have been a great help, thank you"."""
        thanks = Intent.THANKS in classified.intents and not self._rules.has_mark(burst.texts)
        return thanks and not answer.answered and not answer.buttons

    def _say(self, name: SentenceName, classified: Classification, effects: Effects = _NO_EFFECTS) -> Reply:
        """A sentence that needs no knowledge."""
        text = self._sentences.say(name, classified.language)
        return replace(_reply(classified, text=text), effects=effects, answered=True)

    def _silent(self, burst: Burst, reason: ClosedReason) -> Reply:
        return Reply((Intent.OTHER,), burst.language or "en", closed=reason)


def _reply(classified: Classification, *, text: str | None = None, closed: ClosedReason | None = None) -> Reply:
    return Reply(
        classified.intents,
        classified.language,
        text=text,
        closed=closed,
        usage=classified.usage,
        error=classified.error,
        topic=classified.topic.name if classified.topic else None,
    )


def _joined(replies: Sequence[Reply]) -> Reply:
    """One reply that says all of it; the last one's sources and buttons are its own."""
    return replace(replies[-1], text="\n\n".join(dict.fromkeys(reply.text for reply in replies if reply.text)))
