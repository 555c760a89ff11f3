"""Which versions wait to be embedded, and how much of them."""

from database.document_work import DocumentTask
from database.records import DocumentStatus
from services.indexing_queue import IndexingQueue, VersionProgress


def version(business: str, name: str, total: int) -> VersionProgress:
    task = DocumentTask(name, business, f"v-{name}", 1, f"{name}.md", DocumentStatus.EMBEDDING, 0)
    return VersionProgress(task, total, 0.0)


def test_what_waits_of_a_business_is_counted() -> None:
    """Without what was given out already, what nobody wants any more, and what is another business's."""
    queue = IndexingQueue()
    begun, unwanted = version("a", "begun", 100), version("a", "unwanted", 1_000)
    for each in (begun, unwanted, version("a", "new", 20), version("b", "other", 7)):
        queue.put(each)
    begun.after, unwanted.over = 59, True
    assert [queue.chunks_of(name) for name in ("a", "b", "nobody")] == [60, 7, 0]
