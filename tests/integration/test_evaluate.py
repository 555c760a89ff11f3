"""`concierge eval` from a file to its figures: through a running server, and by owning the data directory."""

import json
import re

import pytest

from bot.commands.evaluate import EvaluationRequest, evaluate
from bot.commands.failures import CommandError
from bot.commands.own_knowledge import own_knowledge
from bot.data_directory import owned_directory
from bot.settings import Settings
from database.clock import SystemClock
from database.records import Passage, new_id
from tests.fakes.api_desk import ADMIN, api_desk
from tests.shared import shared

pytestmark = pytest.mark.blocking_allowed  # a command reads its file

ARTICLE = "Normans"


@pytest.fixture
def settings(tmp_path):
    return Settings.model_validate(
        {"_env_file": None, "concierge_data_dir": tmp_path / "data", "concierge_lock_wait_seconds": 0}
    )


@pytest.fixture
async def served(tmp_path, chat, knowledge, metrics):
    """A running server that owns ./data and knows the token of its run.json."""
    clock = SystemClock()
    async with owned_directory(tmp_path / "data", clock=clock, wait_seconds=0) as directory:
        tokens = {"admin": ADMIN, "owner": directory.token}
        async with api_desk(chat, clock, metrics, tokens=tokens, knowledge_database=knowledge) as desk:
            await directory.announce("127.0.0.1", desk.client.port or 0, clock.now())
            yield desk


def questions(folder, *lines):
    file = folder / "questions.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return file


async def run(settings, file, capsys, *, as_json=True, worst=0):
    assert await evaluate(settings, SystemClock(), EvaluationRequest(file, "default", worst, as_json)) == 0
    said = capsys.readouterr()
    return (json.loads(said.out) if as_json else said.out), said.err


async def test_a_run_is_shown_beside_the_last_one(tmp_path, settings, served, capsys):
    """Through the running server's API, which remembers each run by the name of its file."""
    served.knowledge.passages = [Passage(new_id(), new_id(), "hours.pdf", "We open at nine.", 0.9)]
    file = questions(
        tmp_path,
        {"question": "When do you open?", "answer": ["nine", "9"]},
        {"question": "When do you close?", "answer": "ten"},
        {"question": "Do you sell cars?", "unanswerable": True},
    )
    first, _ = await run(settings, file, capsys)
    assert (first["last"], first["questions"], first["unanswerable"], first["skipped"]) == (None, 3, 1, [])
    assert {name: first["figures"][name] for name in ("hit@1", "mrr", "containment", "refusal recall")} == {
        "hit@1": 0.5,
        "mrr": 0.5,
        "containment": 0.5,
        "refusal recall": 0.0,
    }
    served.knowledge.passages = []
    shown, _ = await run(settings, file, capsys, as_json=False, worst=1)
    assert "3 questions, 1 of them unanswerable" in shown
    rows = {line[:18].strip(): line[18:].split() for line in shown.splitlines() if line[18:19] == " "}
    assert rows["hit@1"] == ["0.000", "0.500", "-0.500"]
    assert rows["refusal recall"] == ["1.000", "0.000", "+1.000"]
    assert "line 2: When do you close?" in shown
    runs = (await (await served.client.get(f"{served.path}/evaluations")).json())["evaluations"]
    assert [(each["name"], each["questions"]) for each in runs] == [("questions.jsonl", 3)] * 2


async def test_bad_lines_are_named_and_left_out(tmp_path, settings, served, capsys):
    """On stderr, with their numbers; a file of nothing else is refused."""
    file = questions(tmp_path, {"question": "When?"}, {"question": "Where?", "answer": "here"})
    report, err = await run(settings, file, capsys)
    assert (report["questions"], report["skipped"][0]["line"]) == (1, 1)
    assert "Line 1 says nothing of what is expected" in err
    with pytest.raises(CommandError, match="no question that can be used"):
        await evaluate(settings, SystemClock(), EvaluationRequest(questions(tmp_path, {"question": "?"}), "default"))


async def test_a_refused_question_does_not_lose_the_others(tmp_path, settings, served, capsys):
    """It is told of, and the others are counted."""
    served.knowledge.passages = [Passage(new_id(), new_id(), "hours.pdf", "We open at nine.", 0.9)]
    right = {"question": "When do you open?", "answer": "nine"}
    report, err = await run(settings, questions(tmp_path, right, {"question": "\x00", "answer": "nine"}), capsys)
    assert (report["questions"], report["figures"]["hit@1"], report["skipped"][0]["line"]) == (1, 1.0, 2)
    assert "Line 2 could not be asked" in err


async def test_a_run_that_cannot_be_kept_is_shown(tmp_path, settings, served, knowledge, capsys):
    """Who waited for the figures sees them, and why they will not be there the next time."""

    async def full(transaction):
        await transaction.run(
            "CREATE TRIGGER full BEFORE INSERT ON evaluations BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )

    await knowledge.write(full)
    file = questions(tmp_path, {"question": "Do you sell cars?", "unanswerable": True})
    with pytest.raises(CommandError):
        await evaluate(settings, SystemClock(), EvaluationRequest(file, "default", as_json=True))
    assert json.loads(capsys.readouterr().out)["figures"]["refusal recall"] == 1.0


async def test_runs_are_listed_in_pages(served):
    """The newest first, each once; a name leaves the others out; figures must be numbers."""
    path = f"{served.path}/evaluations"
    for number in range(5):
        body = {"name": f"{number % 2}.jsonl", "questions": number + 1, "figures": {"hit@1": 0.5, "mrr": None}}
        assert (await served.client.post(path, json=body)).status == 201
    seen, cursor = [], ""
    while cursor is not None:
        page = await (await served.client.get(path, params={"limit": 2, "cursor": cursor})).json()
        seen += [run["questions"] for run in page["evaluations"]]
        cursor = page["next_cursor"]
    assert seen == [5, 4, 3, 2, 1]
    named = await (await served.client.get(path, params={"name": "1.jsonl"})).json()
    assert [run["questions"] for run in named["evaluations"]] == [4, 2]
    for figures in ({"hit@1": "high"}, {"hit@1": -1}, {f"f{number}": 1.0 for number in range(41)}):
        refused = await served.client.post(path, json={"name": "x", "questions": 1, "figures": figures})
        assert refused.status == 422


def squad(article, count):
    """Questions about an article with their gold passages and answers, and foreign questions; and the passages."""
    folder = shared("evaldata/squad2_dev") / "visible"
    passages = [json.loads(line) for line in (folder / "passages.jsonl").read_text("utf-8").splitlines()]
    texts = {each["pid"]: each["text"] for each in passages if each["doc"] == article}
    asked = [json.loads(line) for line in (folder / "questions.jsonl").read_text("utf-8").splitlines()]
    own = [each for each in asked if each["gold_pid"] in texts and each["answerable"]][:count]
    foreign = [each for each in asked if each["doc"] != article and each["answerable"]][:: len(asked) // 20][:20]
    lines = [{"question": q["question"], "passage": texts[q["gold_pid"]], "answer": q["answers"]} for q in own]
    return lines + [{"question": q["question"], "unanswerable": True} for q in foreign], list(texts.values())


async def test_the_figures_of_a_real_set_are_those_of_a_direct_computation(tmp_path, settings, capsys):
    """A SQuAD 2.0 article: the command's figures, and the same counted here from the same search and answers."""
    lines, texts = squad(ARTICLE, 40)
    (tmp_path / "article.txt").write_text("\n\n".join(texts), "utf-8")
    async with own_knowledge(settings, "default", SystemClock()) as door:
        document = await door._ingestion.accept(door._business_id, "article.txt", content(tmp_path / "article.txt"))
        await door._ingestion.wait_until_done([document.id])
        found = [(line, await door.search(line["question"], 10), await door.ask(line["question"])) for line in lines]
    report, _ = await run(settings, questions(tmp_path, *lines), capsys)
    ranks = [rank_of(line["passage"], passages) for line, passages, _ in found if "passage" in line]
    refused = ["unanswerable" in line for line, _, reply in found if not reply["answered"]]
    held = [
        any(holds(reply["answer"], each) for each in line["answer"]) for line, _, reply in found if "answer" in line
    ]
    assert report["figures"]["hit@1"] == pytest.approx(sum(rank == 1 for rank in ranks) / len(ranks))
    assert report["figures"]["hit@5"] == pytest.approx(sum(0 < rank <= 5 for rank in ranks) / len(ranks))
    assert report["figures"]["mrr"] == pytest.approx(sum(1 / rank for rank in ranks if rank) / len(ranks))
    assert report["figures"]["containment"] == pytest.approx(sum(held) / len(held))
    assert report["figures"]["refusal precision"] == pytest.approx(sum(refused) / len(refused))
    assert report["figures"]["refusal recall"] == pytest.approx(sum(refused) / report["unanswerable"])
    assert report["figures"]["hit@5"] > 0.8


async def content(file):
    yield file.read_bytes()


def holds(text, wanted):
    """As the command means it, for English: the same words next to each other."""
    said, sought = (re.findall(r"[^\W_]+", each.lower()) for each in (text, wanted))
    return any(said[at : at + len(sought)] == sought for at in range(len(said)))


def rank_of(gold, passages):
    right = [holds(each["text"], gold) or holds(gold, each["text"]) for each in passages]
    return right.index(True) + 1 if True in right else 0
