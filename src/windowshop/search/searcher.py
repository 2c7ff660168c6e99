"""A search from request to answer: understand, retrieve, relax, arrange, explain."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from windowshop.data import ImageInput, parse_filter
from windowshop.engines import BM25Config
from windowshop.index import (
    KEPT_ROWS,
    WORDS_FOLDER,
    OpenIndex,
    View,
    index_folder,
    is_linked,
    open_generations,
    open_index,
)
from windowshop.search.answer import Answer
from windowshop.search.certainty.judge import closest_only, judge
from windowshop.search.certainty.signs import Signs, background_of, signs_of
from windowshop.search.classifier.inference import Inference
from windowshop.search.classifier.model import Classifier, load_classifier
from windowshop.search.ranking.ranker import Ranker, settings_hash
from windowshop.search.request import SearchRequest
from windowshop.search.results.arrange import active_rules, arrange
from windowshop.search.results.explain import explain
from windowshop.search.results.present import assemble, present
from windowshop.search.results.rules import Rules
from windowshop.search.results.shown_columns import ShownColumns
from windowshop.search.retrieval.config import Boost
from windowshop.search.retrieval.kept_words import KeptWords
from windowshop.search.retrieval.lexicon import SearchState, SharedLexicon
from windowshop.search.retrieval.query import (
    NO_VECTORS,
    EncodedQuery,
    RetrievalQuery,
    correct_vectors,
    encode_query,
    leave_out,
    query_by_product,
    with_inferred,
)
from windowshop.search.retrieval.relax import relax, without_inferred
from windowshop.search.retrieval.retrieve import Found, browse, find_candidates, search_by_text
from windowshop.search.settings import SearchSettings
from windowshop.search.shop_files import ShopFiles, read_shop_files
from windowshop.search.understanding.recognition import recognise
from windowshop.search.understanding.synonyms import NO_SYNONYMS, Synonyms
from windowshop.search.understanding.understood import Understanding

PRICES = ("under 20", "under 20 €")
"""Texts by which the patterns of prices are made, in ASCII and in any script."""
THREADS = 16
"""Texts that are understood at a time."""


class Searcher:
    """One generation of an index, ready to answer many threads."""

    def __init__(
        self,
        index: OpenIndex,
        settings: SearchSettings | None = None,
        *,
        synonyms: Synonyms = NO_SYNONYMS,
        rules: Rules | None = None,
        classifier: Classifier | None = None,
        ranker: Ranker | None = None,
        words: KeptWords | None = None,
    ) -> None:
        self.index, self._ranker = index, ranker
        self.settings = settings or SearchSettings()
        self.inference = _inference(classifier, self.settings)
        self._rules, self._synonyms, self._words = rules or Rules(), synonyms, words
        self.shown = ShownColumns.of(index.manifest)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="words")
        with index.collection.read_view() as view:
            self._lexicon = self._read_words(view, self.settings.bm25)
            self._background = background_of(view)

    @property
    def learned(self) -> list[str]:
        """Tuned parts that searches use: the classifier where it may act, the ranker."""
        acts = self.inference is not None and self.inference.acts
        parts = {"classifier": acts, "ranker": self._ranker is not None}
        return [name for name, there in parts.items() if there]

    @property
    def language(self) -> str:
        """Code of the language in which the catalogue's words are stemmed."""
        with self.state() as state:
            return state.lexicon.lexical.language

    def search(
        self,
        text: str | None = None,
        image: ImageInput | None = None,
        *,
        k: int = 10,
        where: str | None = None,
    ) -> Answer:
        """Answer a text, an image, or both; `answer` takes every other option of a request."""
        return self.answer(SearchRequest(text=text, image=image, limit=k, where=where))

    def product(self, product_id: str) -> Mapping[str, Any] | None:
        """Return the columns of a product that results show; None where there is none."""
        collection = self.index.collection
        if product_id not in collection:
            return None
        return self.shown.of_row(collection.products([product_id]).row(0, named=True))

    def answer(self, request: SearchRequest) -> Answer:
        """Answer one request; raises SearchError or FilterError for an invalid one."""
        started = time.perf_counter()
        query, encoded = self._begin(request)
        with self.state(corrects=request.correct) as state:
            found = self._find(state, request, query, encoded)
            config, currency = self.settings.certainty, self.shown.currency
            certainty = judge(state, request, found, config, self._background, currency)
            retrieved = time.perf_counter()
            ranked = None
            if self._ranker is not None and self._ranker.takes(request, found):
                ranked = self._ranker.rank(state, request, found, self.settings.ranker.depth)
                found = replace(found, candidates=ranked.candidates)
            found = closest_only(state, found, certainty, config)
            in_order = time.perf_counter()
            rules = active_rules(self._rules, request, date.today())
            arranged = arrange(
                state.view,
                found.candidates,
                request,
                query.where,
                rules,
                self.settings.diversity,
            )
            rows = state.view.columns.records(arranged.page.keys)
            reasons = None
            if request.explain:
                reasons = explain(state.view, arranged, found.candidates, ranked)
        timings = {
            "encode": found.encoded.took_ms,
            "retrieve": (retrieved - started) * 1000,
            "rank": (in_order - retrieved) * 1000,
            "arrange": (time.perf_counter() - in_order) * 1000,
        }
        image_path = self.index.recent_image_path
        results = present(arranged.page, rows, image_path, request.fields, reasons, self.shown)
        answer = assemble(self.index, request, found, certainty, arranged, results)
        took_ms = (time.perf_counter() - started) * 1000
        return replace(answer, timings_ms=timings, took_ms=took_ms, ranked=ranked is not None)

    def signs(self, text: str) -> Signs | None:
        """Return the signs by which a search by text is judged to have what was asked."""
        with self.state() as state:
            found = self.find(state, SearchRequest(text=text))
            return signs_of(state, self._background, found) if self._background else None

    def find(self, state: SearchState, request: SearchRequest) -> Found:
        """Retrieve the candidates of a request, in the order of the merge."""
        return self._find(state, request, *self._begin(request))

    @contextmanager
    def state(self, *, corrects: bool = True) -> Iterator[SearchState]:
        """Hold one state of the catalogue and of its words; writes wait meanwhile."""
        with self.index.collection.read_view() as view, self._lexicon.read(view) as lexicon:
            yield SearchState(view, lexicon, self.index.knows, corrects)

    def words_are_stale(self, *, by_any_change: bool = False) -> bool:
        """Return whether enough was written since the words were read to read them again."""
        with self.index.collection.read_view() as view:
            return self._lexicon.is_stale(view) or (
                by_any_change and self._lexicon.num_changed(view) > 0
            )

    def renew_words(self) -> None:
        """Read the words of the catalogue again: names, spelling, statistics."""
        self._lexicon.renew(self.index.collection)
        with self.index.collection.read_view() as view:
            self._background = background_of(view)

    def use_bm25(self, config: BM25Config) -> None:
        """Change the parameters of the words channel; no search may run meanwhile."""
        self.settings = replace(self.settings, bm25=config)
        with self.index.collection.read_view() as view:
            self._lexicon = self._read_words(view, config)

    def with_settings(
        self, settings: SearchSettings, classifier: Classifier | None = None
    ) -> "Searcher":
        """Return a searcher of other settings that shares index and words; close only this one.

        Without a classifier, it has the one of this searcher.
        """
        other = copy.copy(self)
        other.settings = replace(settings, bm25=self.settings.bm25)
        if classifier is None and self.inference is not None:
            classifier = self.inference.classifier
        other.inference = _inference(classifier, settings)
        other._leave_unfit_ranker()
        return other

    @property
    def files(self) -> ShopFiles:
        """The files of the shop that it follows."""
        return ShopFiles(
            settings=self.settings,
            rules=self._rules,
            synonyms=self._synonyms,
            ranker=self._ranker,
        )

    def following(self, files: ShopFiles, *, keeps_words: bool = False) -> "Searcher":
        """Return a searcher of other files that shares the index; close only this one.

        Where synonyms or parameters of BM25 differ, the words of the catalogue are read again, and
        kept beside the generation with `keeps_words`. A ranker that was fitted with other settings
        takes no part.
        """
        other = copy.copy(self)
        other.settings, other._rules, other._ranker = files.settings, files.rules, files.ranker
        classifier = None if self.inference is None else self.inference.classifier
        other.inference = _inference(classifier, files.settings)
        other._leave_unfit_ranker()
        words = (files.synonyms, files.settings.bm25)
        if words != (self._synonyms, self.settings.bm25):
            if self._words is not None and not keeps_words:
                other._words = replace(self._words, read_only=True)
            other._synonyms = files.synonyms
            other.use_bm25(files.settings.bm25)
        return other

    def _leave_unfit_ranker(self) -> None:
        """Search without a ranker that is not to be used, or was fitted with other settings."""
        ranker, settings = self._ranker, self.settings
        if ranker is not None and (
            not settings.ranker.use or ranker.settings != settings_hash(settings)
        ):
            self._ranker = None

    def rebuild(self, wanted: Callable[[], bool] = lambda: True) -> None:
        """Leave deleted rows out of index and words; searches and writes go on.

        Raises RebuildCancelled, without any change, once it is no longer `wanted`.
        """
        self.index.collection.rebuild(prepare=self._lexicon.prepare, wanted=wanted)

    def warm(self, num_names: int = 2_000) -> None:
        """Read the rows and the filters of common names that first searches would wait for."""
        with self.state() as state:
            columns, vocabulary = state.view.columns, state.lexicon.vocabulary
            names = [*PRICES, *vocabulary.names(num_names)]
            products = columns.records(columns.allowed(None).keys()[:KEPT_ROWS])
        for product in products:
            self.index.recent_image_path(product.get("image"))
        precision, strongest = self.settings.precision, self.settings.strongest
        for name in names:
            recognised = recognise(vocabulary.understand(name), precision, {}, strongest)
            with self.state() as state:
                trees = [item.tree for item in recognised if item.tree is not None]
                state.view.columns.matching(trees, np.zeros(0, dtype=np.int64))

    def close(self) -> None:
        """Release the index."""
        self._pool.shutdown()
        self.index.close()

    def _read_words(self, view: View, bm25: BM25Config) -> SharedLexicon:
        manifest = self.index.manifest
        language, roles = manifest.language, manifest.column_roles
        return SharedLexicon(view, bm25, self._synonyms, language, roles, self._words)

    def _begin(self, request: SearchRequest) -> tuple[RetrievalQuery, EncodedQuery | None]:
        """Return the query, and its vectors where none are needed or they take long.

        An image is encoded before any write has to wait for the search.
        """
        merging = self.settings.merging_of(request)
        query = RetrievalQuery(
            merging=merging,
            text=request.query,
            image=request.image,
            where=parse_filter(request.where) if request.where else None,
            is_read=request.query is None or self.index.reads(request.query),
            by_text=request.mode != "vectors",
            boost=Boost(factor=self.settings.precision.boost, points=merging.points),
        )
        if request.mode == "words":
            return query, NO_VECTORS
        return query, None if request.image is None else encode_query(self.index, query)

    def _find(
        self,
        state: SearchState,
        request: SearchRequest,
        query: RetrievalQuery,
        encoded: EncodedQuery | None,
    ) -> Found:
        if request.similar_to is not None:
            query = query_by_product(self.index, state.view, query, request.similar_to)
            return Found(find_candidates(state, query))
        if query.text is None and query.image is None:
            return Found(browse(state, query))
        if not state.lexicon.vocabulary.is_known(state.knows):
            merging = self.settings.merging_of(request, is_known=False)
            query = replace(query, merging=merging, is_known=False)
        understood = partial(self._understand, state, request, query)
        if encoded is not None:
            query, understanding = understood()
        else:  # at the same time, as the encoder of texts releases the GIL
            pending = self._pool.submit(understood)
            try:
                encoded = encode_query(self.index, query)
            finally:
                wait([pending])  # it reads the state
            query, understanding = pending.result()
        query = replace(query, vectors=encoded.vectors)
        if understanding and request.understand:
            query = leave_out(self.index, query, understanding)
            if query.text is None and query.image is None:  # "anything but red"
                candidates = browse(state, query)
                return Found(candidates, query.recognised, understanding, encoded=encoded)
            query = correct_vectors(self.index, state.view, query, understanding)
            if self.inference and request.infer:
                query = with_inferred(
                    query, self.inference, understanding, request.choices, idle=request.explain
                )
        candidates = find_candidates(state, query)
        found = Found(candidates, query.recognised, understanding, encoded=encoded, query=query)
        found = without_inferred(state, query, found)
        if query.text is None or understanding is None or len(found.candidates.merged.keys):
            return found
        return relax(self.index, state, query, found)

    def _understand(
        self, state: SearchState, request: SearchRequest, query: RetrievalQuery
    ) -> tuple[RetrievalQuery, Understanding | None]:
        """Add what the text names, and the rankings of the text channels, which need no encoder."""
        if query.text is None:
            return query, None
        understanding = state.understand(query.text)
        if not request.understand:
            return replace(query, rankings=search_by_text(state, query)), understanding
        precision = self.settings.precision.ignoring(query.merging.ignored)
        recognised = recognise(understanding, precision, request.choices, self.settings.strongest)
        query = replace(query, recognised=recognised)
        asked = replace(query, text=understanding.asked or None)
        return replace(query, rankings=search_by_text(state, asked)), understanding


def _inference(classifier: Classifier | None, settings: SearchSettings) -> Inference | None:
    return None if classifier is None else Inference(classifier, settings.classifier)


def open_searcher(
    folder: str | Path, generation: str | None = None, *, read_only: bool = False
) -> Searcher:
    """Open an index folder with its search settings and the shop's rules and synonyms.

    The address of a catalogue on a server will do in place of a folder. With
    `read_only`, another process may have the folder open, and nothing on the disk changes.
    """
    root = index_folder(folder)
    index = open_index(root, generation, read_only=read_only)
    try:
        path = open_generations(root).path(index.generation)
        files = read_shop_files(root, index)
        return Searcher(
            index,
            files.settings,
            synonyms=files.synonyms,
            rules=files.rules,
            classifier=load_classifier(path, index.manifest.model_key),
            ranker=files.ranker,
            words=None if is_linked(root) else KeptWords(path / WORDS_FOLDER, read_only),
        )
    except BaseException:
        index.close()
        raise
