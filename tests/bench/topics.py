"""How often a message gets its topic without a language model, and how often one about no topic is known as such."""

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.text_grams import Floats
from agents.topic_model import Judgement, TopicModel
from tests.bench.figures import Figure
from tests.shared import SHARED
from vectorstore.wordllama_embedder import WordLlamaEmbedder

HINT3 = SHARED / "evaldata/hint3/visible_train"
CLINC = SHARED / "evaldata/clinc150/visible/data_full.visible.json"
SHOPS = ("curekart", "powerplay11", "sofmattress")
FOLDS = 5
KEPT = 0.9
FEW = 5
BASELINE = "nearest neighbour, WordLlama"


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages with the names of their topics and their embeddings."""

    texts: Sequence[str]
    topics: Sequence[str]
    vectors: Floats

    def only(self, rows: Sequence[int]) -> "Messages":
        return Messages([self.texts[row] for row in rows], [self.topics[row] for row in rows], self.vectors[rows])


@dataclass(frozen=True, slots=True)
class Learned:
    """A model and the names of its topics, beside the messages that it learned from."""

    names: Sequence[str]
    model: TopicModel
    seen: Messages

    @classmethod
    def of(cls, seen: Messages) -> "Learned":
        names = sorted(set(seen.topics))
        rows = [[row for row, topic in enumerate(seen.topics) if topic == name] for name in names]
        vectors = seen.vectors[[row for each in rows for row in each]]
        return cls(names, TopicModel.train([[seen.texts[row] for row in each] for each in rows], vectors), seen)

    def judge(self, asked: Messages) -> list[Judgement]:
        return [self.model.judge(text, vector) for text, vector in zip(asked.texts, asked.vectors, strict=True)]

    def right(self, asked: Messages) -> float:
        said = [self.names[each.label] for each in self.judge(asked)]
        return float(np.mean([one == other for one, other in zip(said, asked.topics, strict=True)]))

    def nearest(self, asked: Messages) -> tuple[list[str], Floats]:
        """The baseline: the topic of the nearest example, and how near it is."""
        likeness = asked.vectors @ self.seen.vectors.T
        best: Floats = likeness.max(axis=1)
        return [self.seen.topics[row] for row in likeness.argmax(axis=1)], best


async def run() -> list[Figure]:
    """HINT3 five-fold, CLINC150's val and out-of-scope parts; `[]` where the data are not."""
    if not HINT3.is_dir() or not CLINC.is_file():
        return []
    embedder = WordLlamaEmbedder()
    try:
        shops = {shop: await _hint3(embedder, shop) for shop in SHOPS}
        parts = json.loads(CLINC.read_text("utf-8"))
        clinc = {name: await _messages(embedder, parts[name]) for name in ("train", "val", "oos_train", "oos_val")}
    finally:
        embedder.close()
    return [*_five_fold(shops), *_out_of_scope(clinc), *_few_examples(clinc)]


def _five_fold(shops: dict[str, Messages]) -> list[Figure]:
    """Plain folds after one shuffle: a topic with one example is never right."""
    found: list[tuple[str, float, float]] = []
    for shop, messages in shops.items():
        rows = list(range(len(messages.texts)))
        random.Random(1).shuffle(rows)
        right = plain = 0.0
        for fold in range(FOLDS):
            asked = messages.only(rows[fold::FOLDS])
            learned = Learned.of(messages.only([row for at, row in enumerate(rows) if at % FOLDS != fold]))
            right += learned.right(asked) * len(asked.texts)
            plain += sum(one == other for one, other in zip(learned.nearest(asked)[0], asked.topics, strict=True))
        found.append((shop, right / len(rows), plain / len(rows)))
    mean, beside = (float(np.mean([each[at] for each in found])) for at in (1, 2))
    return [
        Figure("topics of HINT3's shops, five-fold, mean of three", mean, "of 1", beside, BASELINE, 0.80, 0.88),
        *(Figure(f"… {shop}", value, "of 1", baseline, BASELINE) for shop, value, baseline in found),
    ]


def _out_of_scope(clinc: dict[str, Messages]) -> list[Figure]:
    """All of train is learned; the threshold keeps nine of ten messages of val, or is the model's own."""
    learned = Learned.of(clinc["train"])
    judged = {name: learned.judge(clinc[name]) for name in ("val", "oos_train", "oos_val")}
    near = {name: learned.nearest(clinc[name])[1] for name in judged}
    scores = {name: np.array([each.score for each in judgements]) for name, judgements in judged.items()}
    least, least_near = (float(np.quantile(each["val"], 1 - KEPT)) for each in (scores, near))
    right = np.mean(
        [learned.names[one.label] == two for one, two in zip(judged["val"], clinc["val"].topics, strict=True)]
    )
    plain = np.mean(
        [one == two for one, two in zip(learned.nearest(clinc["val"])[0], clinc["val"].topics, strict=True)]
    )
    accepted = {name: float(np.mean([each.accepted for each in judgements])) for name, judgements in judged.items()}
    found, beside = float(np.mean(scores["oos_val"] < least)), float(np.mean(near["oos_val"] < least_near))
    return [
        Figure("CLINC150 out-of-scope (oos_val) found at 90 % of val kept", found, "of 1",
               beside, BASELINE, 0.75, 0.90),
        Figure("… the same with oos_train", float(np.mean(scores["oos_train"] < least)), "of 1",
               float(np.mean(near["oos_train"] < least_near)), BASELINE),
        Figure("CLINC150 val, right of 150 topics", float(right), "of 1", float(plain), BASELINE),
        Figure("with the model's own threshold: CLINC150 val kept", accepted["val"], "of 1"),
        Figure("… oos_val found", 1 - accepted["oos_val"], "of 1"),
    ]  # fmt: skip


def _few_examples(clinc: dict[str, Messages]) -> list[Figure]:
    """Ten topics with five examples each, as a business would name them, ten times; others are val's other topics."""
    dice = random.Random(2)
    names = sorted(set(clinc["train"].topics))
    right, kept, found = [], [], []
    for _ in range(10):
        chosen = set(dice.sample(names, 10))
        rows = [dice.sample([at for at, topic in enumerate(clinc["train"].topics) if topic == name], FEW)
                for name in sorted(chosen)]  # fmt: skip
        learned = Learned.of(clinc["train"].only([row for each in rows for row in each]))
        own = clinc["val"].only([at for at, topic in enumerate(clinc["val"].topics) if topic in chosen])
        judged = learned.judge(own)
        right += [learned.names[one.label] == topic for one, topic in zip(judged, own.topics, strict=True)]
        kept += [each.accepted for each in judged]
        found += [not each.accepted for each in learned.judge(clinc["oos_val"])]
    return [
        Figure(f"ten topics of CLINC150, {FEW} examples each: right", float(np.mean(right)), "of 1"),
        Figure("… kept with the model's own threshold", float(np.mean(kept)), "of 1"),
        Figure("… oos_val found", float(np.mean(found)), "of 1"),
    ]


async def _hint3(embedder: WordLlamaEmbedder, shop: str) -> Messages:
    with (HINT3 / f"{shop}_train.csv").open(encoding="utf-8", newline="") as lines:
        return await _messages(embedder, [(row["sentence"], row["label"]) for row in csv.DictReader(lines)])


async def _messages(embedder: WordLlamaEmbedder, pairs: Sequence[Sequence[str]]) -> Messages:
    texts = [pair[0] for pair in pairs]
    return Messages(texts, [pair[1] for pair in pairs], await embedder.embed(texts))
