"""State of a service: everything that requests need, opened and closed as one."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable

from windowshop.data import query_key
from windowshop.errors import DamagedError, SearchError, StorageError
from windowshop.search import Answer, SearchRequest
from windowshop.service.bench.bench import Bench
from windowshop.service.bench.judged_data import JudgedData
from windowshop.service.condition import refused_now
from windowshop.service.config import ServiceConfig
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.errors import ServiceError
from windowshop.service.http.executor import Executor
from windowshop.service.instantsearch.typed import TypedSearches
from windowshop.service.logs.feedback import FeedbackLog, recent_texts
from windowshop.service.logs.judgements import Judgements
from windowshop.service.logs.tables import LogDatabase
from windowshop.service.metrics import Metrics
from windowshop.service.page.shop_page import ShopPage
from windowshop.service.suggestions import MIN_SEARCHES, Suggestions
from windowshop.service.thumbnails import Thumbnails

LOG = logging.getLogger(__name__)
TICK_SECONDS = 1.0
RECALL_SECONDS = 10.0
"""Time after which reading earlier searches is tried again."""
MOST_ASKED = 300
"""Most earlier texts that are searched again at a start."""
IMAGE_THREADS = 2
"""Images decoded at once: each may need memory for its pixels."""


class ServiceState:
    """State of one service; `start` and `close` block."""

    def __init__(
        self, pool: GenerationPool, config: ServiceConfig, warmed: Callable[[], None]
    ) -> None:
        """`warmed` is called when a generation has all it needs."""
        self.pool, self.config, self._warmed = pool, config, warmed
        self.metrics = Metrics()
        self.thumbnails = Thumbnails(config.thumbnail_bytes)
        self.suggestions = Suggestions()
        self.page = ShopPage(pool.folder, config.currency)
        waiting, seconds = config.max_waiting, config.search_seconds
        self.searching = Executor("search", config.search_threads, waiting, seconds)
        self.seeing = Executor("image search", IMAGE_THREADS, waiting, config.image_seconds)
        most = config.max_images
        self.showing = Executor("photo", IMAGE_THREADS, most, config.image_seconds)
        self.writing = Executor("write", 1, waiting, config.write_seconds)
        self.trying = Executor("readiness", 1, waiting, config.search_seconds)
        self.noting = Executor("feedback", 2, 4 * waiting, config.write_seconds)
        self.administering = Executor("admin", 1, 8, config.admin_seconds)
        self.working = Executor("workbench", 1, waiting, config.write_seconds)
        self._logs = LogDatabase(pool.folder)
        data = JudgedData(config.judged, config.judged_split) if config.judged else None
        self.bench = Bench(pool, self._logs, self.searching, config.search_threads, data)
        self._feedback: FeedbackLog | None = None
        self.typed = TypedSearches(
            lambda answer, request, follow_up: self.record_search(
                answer, request, follow_up=follow_up
            )
        )
        self._judgements: Judgements | None = None
        self._ended = threading.Event()
        self.failure: Exception | None = None

    @property
    def num_pending(self) -> int:
        """Number of blocking calls that wait or run."""
        image_kinds, write_kinds = (self.seeing, self.showing), (self.writing, self.noting)
        kinds = (self.searching, *image_kinds, *write_kinds, self.administering, self.working)
        return sum(executor.num_pending for executor in kinds)

    @property
    def feedback(self) -> FeedbackLog:
        """Feedback log; raises ServiceError 503 before it is open."""
        if self._feedback is None:
            raise self.not_ready()
        return self._feedback

    @property
    def judgements(self) -> Judgements:
        """Judgements; raises ServiceError 503 before they are open."""
        if self._judgements is None:
            raise self.not_ready()
        return self._judgements

    def not_ready(self) -> ServiceError:
        """Return the error of requests before the start and during the end."""
        message = f"The service is {self.pool.state}. Try again in a second."
        return ServiceError(503, "not_ready", message, headers={"Retry-After": "1"})

    def refused(self) -> dict[str, str]:
        """Return what is refused now, and why; raises ServiceError 503 where searches fail."""
        return refused_now(self.pool, self._logs)

    def start(self) -> None:
        """Open everything; a thread then looks at the folder every second."""
        self.pool.open()  # its lock keeps other services out of the folder
        self._judgements = Judgements(self._logs)
        self._feedback = FeedbackLog(self._logs, self.metrics.dropped_searches.inc)
        self._attempt(self._read_page)  # suggestions leave out what the page hides
        self._refresh_suggestions()
        threading.Thread(target=self._recall, name="recall", daemon=True).start()
        self.pool.begin()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def start_aside(self, failed: Callable[[], None]) -> None:
        """Start in a thread; where that fails, set `failure` and call `failed`."""

        def start() -> None:
            try:
                self.start()
            except Exception as error:
                LOG.exception("the service cannot start")
                self.failure = error
                failed()

        threading.Thread(target=start, name="start", daemon=True).start()

    def record_search(
        self, answer: Answer, request: SearchRequest, *, log: bool = True, follow_up: bool = False
    ) -> None:
        """Count a search and, with `log`, log it; a `follow_up` is never suggested."""
        self.metrics.search(answer)
        if not log:
            return
        self.feedback.search(answer, request, follow_up=follow_up)
        if request.facet_filters and not request.offset:
            self.page.use.picked(request.facet_filters)
        if answer.text and not request.offset and not follow_up and _found_as_typed(answer):
            self.suggestions.searched(answer.text)

    def close(self, seconds: float) -> None:
        """Save and close everything; requests under way get `seconds` to end."""
        self._ended.set()
        self.page.use.save(by_now=True)
        try:
            self.pool.close(seconds)
        finally:
            if self._feedback is not None:
                self.typed.tick(still=0)
                self._feedback.close()
            self._logs.close()

    def close_aside(self, seconds: float, done: Callable[[], object]) -> None:
        """Close in a thread that does not keep the process from ending."""

        def close() -> None:
            self._attempt(lambda: self.close(seconds))
            done()

        threading.Thread(target=close, name="close", daemon=True).start()

    def _watch(self) -> None:
        warm = ""
        while not self._ended.wait(TICK_SECONDS):
            if warm != self.pool.current:
                warm = self.pool.current
                self._attempt(self._read_page)
                if self.config.preload_model:
                    self._attempt(self._preload)
                self._attempt(self._warmed)
            self._attempt(self.typed.tick)
            self._attempt(self.pool.tick)
            self._attempt(self.suggestions.tick)
            self._attempt(self._refresh_suggestions)
            self._attempt(self.page.use.save)

    def _recall(self) -> None:
        """Check products and what was logged, then count earlier searches for suggestions."""
        try:
            self.pool.check_products()
        except (DamagedError, StorageError) as error:
            LOG.error("products could not be checked, or writes are refused: %s", error)
        while not self._ended.is_set():
            try:
                self._logs.check()
                counts = self._found(recent_texts(self._logs(), self._logs.last_before))
                self.suggestions.recall(counts.items())
                return
            except DamagedError as error:
                LOG.error("feedback is refused, and nothing is suggested from it: %s", error)
                return
            except StorageError as error:
                LOG.error("earlier searches cannot be read: %s", error)
                self._ended.wait(RECALL_SECONDS)

    def _found(self, searched: Iterable[tuple[str, int]]) -> Counter[str]:
        """Return how often texts were searched, without the commonest that find nothing as typed.

        They are searched by their words alone, so that no model is loaded for it.
        """
        counts: Counter[str] = Counter()
        for text, count in searched:
            counts[query_key(text)] += count
        common = [text for text, count in counts.most_common(MOST_ASKED) if count >= MIN_SEARCHES]
        for text in common:
            if self._ended.is_set():
                break
            with self.pool.lease() as searcher:
                try:
                    answer = searcher.answer(SearchRequest(text=text, mode="words", limit=1))
                except SearchError:
                    del counts[text]
                    continue
            if not _found_as_typed(answer):
                del counts[text]
        return counts

    def _attempt(self, task: Callable[[], None]) -> None:
        """Run a task; where it fails, log that: it is tried again in a second."""
        try:
            task()
        except Exception:
            LOG.exception("a task of the service failed")

    def _preload(self) -> None:
        with self.pool.lease() as searcher:
            index = searcher.index
            searcher.warm()
        _ = index.encoder  # takes seconds, and does not mind if the index is closed meanwhile

    def _read_page(self) -> None:
        with self.pool.lease() as searcher:
            self.page.answer(searcher, self.pool.num_written)

    def _refresh_suggestions(self) -> None:
        hidden = self.page.hidden
        state = (self.pool.current, self.pool.num_written, hidden)
        if not self.suggestions.is_due(state):
            return
        with self.pool.lease() as searcher, searcher.index.collection.read_view() as view:
            table = view.columns.living().table
            unshown = searcher.shown.left_out
        self.suggestions.renew(table.drop(*unshown, *hidden, strict=False), state)


def _found_as_typed(answer: Answer) -> bool:
    """Return whether a search had what was asked, by the words that were typed."""
    is_closest = answer.certainty is not None and answer.certainty.found == "closest"
    return bool(answer.total) and answer.corrected is None and not is_closest
