import numpy as np
import pytest

from agents.text_grams import COLUMNS, counted, rarity, weighed
from agents.topic_model import TopicModel
from vectorstore.wordllama_embedder import WordLlamaEmbedder

TOPICS = {
    "hours": ["when do you open", "are you open on sunday", "what time do you close", "opening hours please"],
    "returns": ["I want to send this back", "can I return my order", "how do I get a refund", "money back please"],
    "shipping": ["where is my parcel", "how long does delivery take", "do you ship to spain", "track my package"],
}


@pytest.fixture(scope="module")
def embedder():
    embedder = WordLlamaEmbedder()
    yield embedder
    embedder.close()


async def learned(embedder, topics):
    return TopicModel.train(topics, await embedder.embed([text for texts in topics for text in texts]))


async def judged(model, embedder, text):
    return model.judge(text, (await embedder.embed([text]))[0])


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("are u open on sundays", "hours"),
        ("can i retrun this lamp and get a refund", "returns"),
        ("how long will the delivery to spain take?", "shipping"),
    ],
)
async def test_a_message_gets_its_topic(embedder, text, topic):
    """Other words and typing errors do not hide what a message is about."""
    model = await learned(embedder, list(TOPICS.values()))
    judgement = await judged(model, embedder, text)
    assert list(TOPICS)[judgement.label] == topic
    assert judgement.accepted


@pytest.mark.parametrize("text", ["who won the football match in brazil", "tell me a joke about cats", "👍", "", "ok"])
async def test_a_message_about_none_is_known_as_such(embedder, text):
    """What no example is like has no topic."""
    model = await learned(embedder, list(TOPICS.values()))
    assert not (await judged(model, embedder, text)).accepted


async def test_an_example_itself_is_always_about_its_topic(embedder):
    """An owner who writes an example down can rely on it."""
    model = await learned(embedder, list(TOPICS.values()))
    for label, texts in enumerate(TOPICS.values()):
        for text in texts:
            judgement = await judged(model, embedder, text)
            assert (judgement.label, judgement.accepted) == (label, True)


async def test_one_topic_with_one_example_is_enough(embedder):
    """The smallest thing that an owner can begin with works, and takes not everything."""
    model = await learned(embedder, [["can I return my order"]])
    assert (await judged(model, embedder, "could I return my order please")).accepted
    assert not (await judged(model, embedder, "do you sell red shoes")).accepted


async def test_examples_without_words_do_no_harm(embedder):
    """An emoji as an example breaks nothing, and is no topic of everything."""
    model = await learned(embedder, [["👍", "🎉"], TOPICS["hours"]])
    assert (await judged(model, embedder, "when do you open")).label == 1
    assert not (await judged(model, embedder, "tell me a joke about cats")).accepted


async def test_learning_twice_says_the_same(embedder):
    """The same examples make the same model: nothing is left to chance."""
    first, second = [await learned(embedder, list(TOPICS.values())) for _ in range(2)]
    text = "is the shop open tomorrow"
    assert await judged(first, embedder, text) == await judged(second, embedder, text)


def test_both_ways_of_learning_agree():
    """Whether there are more examples or more features, the weights and what is left out come out the same."""
    from agents.topic_model import _by_examples, _by_features, _Examples

    texts = [f"word{number % 7} thing{number % 5} number {number}" for number in range(40)]
    counts = counted(texts)
    vectors = np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32)
    examples = _Examples(vectors, weighed(counts, rarity(counts)), np.array([0, 15, 40], np.intp))
    labels = np.repeat([0, 1], [15, 25])
    weights, unseen = _by_examples(examples, labels)
    others, same = _by_features(examples, labels, 8 + COLUMNS)
    assert np.allclose(weights, others, atol=1e-3)
    assert np.allclose(unseen, same, atol=1e-2)


def test_rows_are_what_their_texts_hold():
    """A sparse row times a vector is what the dense row times it is; every weighed row has length 1."""
    texts = ["when do you open", "", "shoes shoes shoes", "👍"]
    rows = counted(texts)
    rows = weighed(rows, rarity(rows))
    dense = rows.dense()
    vector = np.random.default_rng(1).normal(size=COLUMNS).astype(np.float32)
    assert np.allclose(rows.times(vector), dense @ vector, atol=1e-4)
    assert np.allclose(np.linalg.norm(dense, axis=1), [1, 0, 1, 0], atol=1e-5)
    assert np.allclose(rows.part(2, 3).dense(), dense[2:3])
