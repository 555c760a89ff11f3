"""Everything we count and time, in one registry that the composition root makes and hands down.

`docs/operations.md` says what each figure means and when to worry about it.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LONG_SECONDS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
SIZES = (1, 2, 3, 5, 8, 13, 21, 34, 55, 100, 200)


class Metrics:
    """One instance a process; `registry` is what `/metrics` prints."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._inbox()
        self._turns()
        self._delivery()
        self._database()
        self._knowledge()
        self._backups()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"concierge_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"concierge_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = SECONDS) -> Histogram:
        return Histogram(f"concierge_{name}", text, labels, registry=self.registry, buckets=buckets)

    def _inbox(self) -> None:
        self.posts = self._counter("webhook_posts_total", "Webhook requests by answer", "answer")
        self.events_accepted = self._counter("events_accepted_total", "Events on disk")
        self.posts_unsplittable = self._counter("webhook_posts_unsplittable_total", "Signed POSTs kept raw")
        self.events_duplicate = self._counter("events_duplicate_total", "Events that we had already")
        self.events_dead = self._counter("events_dead_total", "Events that cannot mean anything")
        self.events_ignored = self._counter("events_ignored_total", "Events that are not for us", "kind")
        self.oldest_event_seconds = self._gauge("oldest_unhandled_event_seconds", "Age of the oldest unhandled event")
        self.intake_batch_size = self._histogram("intake_batch_events", "Events a unit of intake", buckets=SIZES)

    def _turns(self) -> None:
        self.batch_size = self._histogram("batch_messages", "Messages a turn", buckets=SIZES)
        self.reply_seconds = self._histogram(
            "reply_seconds",
            "From a burst's first message to the end of its turn",
            buckets=LONG_SECONDS,
        )
        self.stage_seconds = self._histogram("turn_stage_seconds", "Time of a turn by stage", "stage")
        self.turns = self._counter("turns_total", "Turns by outcome and intent", "outcome", "intent")
        self.claims_swept = self._counter("claims_swept_total", "Claims whose holder died")
        self.model_calls = self._counter("model_calls_total", "Model calls by outcome", "model", "outcome")
        self.model_tokens = self._counter("model_tokens_total", "Tokens by direction", "model", "direction")
        self.model_cost = self._counter("model_cost_usd_total", "Cost by the price table", "model")
        self.model_breaker = self._gauge("model_breaker", "0 asked, 1 probed, 2 left alone", "model")
        self.embedding_cache = self._counter("embedding_cache_total", "Questions by hit or miss", "outcome")

    def _delivery(self) -> None:
        self.sends = self._counter("sends_total", "Sends by outcome and Meta's code", "outcome", "code")
        self.send_seconds = self._histogram("send_seconds", "One call to Meta")
        self.queue_depth = self._gauge("queue_depth", "Rows that wait", "queue")
        self.scheduler_lateness = self._histogram("scheduler_lateness_seconds", "How late a sweep ran")
        self.sending_paused = self._gauge("sending_paused", "1 while Meta refuses us on this number", "number")

    def _database(self) -> None:
        self.group_size = self._histogram("database_group_units", "Units a commit", "file", buckets=SIZES)
        self.commit_seconds = self._histogram(
            "database_commit_seconds", "A group from BEGIN to the end of COMMIT", "file"
        )
        self.writer_wait = self._histogram(
            "database_writer_wait_seconds", "The longest wait in a group, from asking to being begun", "file"
        )

    def _knowledge(self) -> None:
        self.vector_wait = self._histogram("vector_lock_wait_seconds", "Waiting for the vector store", "kind")
        self.vector_hold = self._histogram("vector_lock_hold_seconds", "Holding the vector store", "kind")
        self.vector_restarts = self._counter("vector_restarts_total", "Restarts of the vector child")
        self.vector_retries = self._counter("vector_retries_total", "Reopened stores, by cause", "cause")
        self.uploads = self._gauge("uploads_in_progress", "Documents being worked on")
        self.document_seconds = self._histogram(
            "document_stage_seconds", "A document by stage", "stage", buckets=LONG_SECONDS
        )
        self.chunks_failed = self._counter("chunks_failed_total", "Chunks that could not be embedded or indexed")
        self.searches = self._counter("searches_total", "Searches by the legs that answered", "legs")
        self.search_seconds = self._histogram("search_seconds", "One search by leg", "leg")

    def _backups(self) -> None:
        self.backups = self._counter("backups_total", "Backups by how they ended", "outcome")
        self.backup_seconds = self._histogram("backup_seconds", "One backup", buckets=LONG_SECONDS)
        self.last_backup = self._gauge("last_backup_timestamp_seconds", "When the newest known snapshot was made")
