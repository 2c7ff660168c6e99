"""A search from request to answer: understand, retrieve, relax, arrange, explain."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from windowshop.data import Filter, Photo, parse_filter
from windowshop.errors import SearchError
from windowshop.index import FUSED_VECTOR, KEPT_ROWS, OpenIndex, View, open_generations, open_index
from windowshop.search.answer import Answer, Result, Retrieved, shown
from windowshop.search.request import SearchRequest
from windowshop.search.results.arrange import Plan, Shelf, active_rules, arrange_shelf, group_of
from windowshop.search.results.explain import explained, query_text_weight
from windowshop.search.results.product_results import results_of
from windowshop.search.results.rules import Rules, load_rules
from windowshop.search.retrieval.boosts import Boost
from windowshop.search.retrieval.channels import (
    VECTOR_NAMES,
    Candidates,
    Wanted,
    ask_words,
    browse,
    retrieve,
)
from windowshop.search.retrieval.config import MixConfig
from windowshop.search.retrieval.lexicon import Language, Words
from windowshop.search.retrieval.merge import Channel
from windowshop.search.retrieval.query_vectors import NO_VECTORS, QueryVectors, encode_query
from windowshop.search.retrieval.relaxation import TextRequest, relaxations
from windowshop.search.settings import SearchSettings, load_search_settings
from windowshop.search.understanding.recognition import Action, Recognised, recognise, required
from windowshop.search.understanding.synonyms import NO_SYNONYMS, Synonyms, load_synonyms
from windowshop.search.understanding.vocabulary import Understanding

RULES_FILE, SYNONYMS_FILE = "rules.yaml", "synonyms.yaml"
"""In the index folder, both the shop's own."""
THREADS = 16
"""Texts that are read at a time."""
CLOSEST = 10
"""Products by which it is judged how well a text is understood."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request with what was made of it before looking at the catalogue."""

    request: SearchRequest
    where: Filter | None
    mix: MixConfig
    vectors: QueryVectors | None
    """Of the query as typed; None for a text, which is encoded while its words are read."""

    @property
    def channels(self) -> list[str]:
        """The channels that may look for it."""
        return [channel.name for channel in self.mix.channels if self.request.mode != "words"]


@dataclass(frozen=True, slots=True)
class _Read:
    """What the words of a query say."""

    understanding: Understanding | None = None
    recognised: tuple[Recognised, ...] = ()
    channel: Channel | None = None
    """What they find."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Candidates and how they were looked for."""

    candidates: Candidates
    vectors: QueryVectors = NO_VECTORS
    recognised: tuple[Recognised, ...] = ()
    understanding: Understanding | None = None
    notes: tuple[str, ...] = ()


class Searcher:
    """One generation of an index, ready to answer many threads."""

    def __init__(
        self,
        index: OpenIndex,
        settings: SearchSettings | None = None,
        *,
        synonyms: Synonyms = NO_SYNONYMS,
        rules: Rules | None = None,
    ) -> None:
        self.index = index
        self.settings = settings or SearchSettings()
        self.synonyms, self._rules = synonyms, rules or Rules()
        self._aside = ThreadPoolExecutor(THREADS, thread_name_prefix="words")
        with index.collection.read_view() as view:
            self._words = Words(view, synonyms)

    def search(
        self,
        text: str | None = None,
        photo: Photo | None = None,
        *,
        k: int = 10,
        where: str | None = None,
    ) -> Answer:
        """Answer a text, a photo, or both; see `SearchRequest` for all else that can be asked."""
        return self.answer(SearchRequest(text=text, photo=photo, limit=k, where=where))

    def answer(self, request: SearchRequest) -> Answer:
        """Answer one request; raises SearchError, or FilterError, for what it cannot mean."""
        started = time.perf_counter()
        asked = self._asked(request)
        with self.reading() as (view, language):
            found = self._found(view, language, asked)
            retrieved = time.perf_counter()
            rules = active_rules(self._rules.rules, request, date.today())
            shelf = arrange_shelf(view, found.candidates, Plan(request, asked.where, rules))
            rows = view.columns.records(shelf.page.keys)
            reasons = explained(view, shelf, found.candidates) if request.explain else None
        arranged = time.perf_counter()
        timings = {
            "encode": found.vectors.took_ms,
            "retrieve": (retrieved - started) * 1000,
            "arrange": (arranged - retrieved) * 1000,
        }
        photo_path = self.index.recent_photo_path
        results = results_of(shelf.page, rows, photo_path, request.fields, reasons)
        answer = self._assembled(asked, found, shelf, results)
        took_ms = (time.perf_counter() - started) * 1000
        return replace(answer, timings_ms=timings, took_ms=took_ms)

    @contextmanager
    def reading(self) -> Iterator[tuple[View, Language]]:
        """One state of the catalogue and of its words, as a search sees it; writes wait."""
        with self.index.collection.read_view() as view, self._words.reading(view) as language:
            yield view, language

    def respelled(
        self,
        view: View,
        understanding: Understanding,
        photo: Photo | None,
        vectors: Mapping[str, np.ndarray],
    ) -> Mapping[str, np.ndarray]:
        """The query's vectors, of the text as corrected where products are closer to that.

        A word that the catalogue lacks may be a typo, which encoders read badly, or a word that
        only the encoder knows.
        """
        if understanding.corrected == understanding.query:
            return vectors
        typed_1P = vectors["vectors"]
        read_1P = self.index.encode_queries([understanding.corrected], [photo])
        both_2P = np.concatenate([typed_1P, read_1P])
        scores_2K = view.engine.search(both_2P, CLOSEST, None, FUSED_VECTOR).scores
        typed, read = np.nan_to_num(scores_2K, neginf=0).sum(axis=1)
        return vectors if typed >= read else {**vectors, "vectors": read_1P}

    def words_are_stale(self, *, by_any_change: bool = False) -> bool:
        """Whether so much was written since the words were read that they should be again."""
        with self.index.collection.read_view() as view:
            return self._words.is_stale(view) or (
                by_any_change and self._words.num_changed(view) > 0
            )

    def renew_words(self) -> None:
        """Read what the catalogue says anew: brands and other names, spelling, statistics."""
        self._words.renew(self.index.collection)

    def rebuild(self, wanted: Callable[[], bool] = lambda: True) -> None:
        """Leave behind what is dead, in index and words; searches and writes go on.

        Raises RebuildCancelled once it is no longer `wanted`, and all is as it was.
        """
        self.index.collection.rebuild(prepare=self._words.prepare, wanted=wanted)

    def warm(self, num_names: int = 2_000) -> None:
        """Prepare what first searches would wait for: products, and filters of what texts name."""
        with self.reading() as (view, language):
            names = language.vocabulary.names(num_names)
            products = view.columns.records(np.flatnonzero(view.columns.alive_N)[:KEPT_ROWS])
        for product in products:
            self.index.recent_photo_path(product.get("image"))
        for name in names:
            understanding = language.vocabulary.understand(name)
            trees = [item.tree for item in self._recognised(understanding, {})]
            with self.reading() as (view, _):
                view.columns.matching(trees, np.zeros(0, dtype=np.int64))

    def close(self) -> None:
        """Release the index."""
        self._aside.shutdown()
        self.index.close()

    def _asked(self, request: SearchRequest) -> _Asked:
        where = parse_filter(request.where) if request.where else None
        asked = _Asked(request, where, self._mix(request), None)
        if request.photo is None and asked.channels:
            return asked
        return replace(asked, vectors=self._encoded(asked))  # before anybody's write has to wait

    def _encoded(self, asked: _Asked) -> QueryVectors:
        request = asked.request
        return encode_query(self.index, request.query, request.photo, asked.channels)

    def _mix(self, request: SearchRequest) -> MixConfig:
        if request.similar_to is not None:
            return self.settings.similar
        if request.photo is None:
            return self.settings.text
        return self.settings.text_and_photo if request.query else self.settings.photo

    def _found(self, view: View, language: Language, asked: _Asked) -> _Found:
        request = asked.request
        if request.similar_to is not None:
            wanted = self._like_product(view, request.similar_to, asked.where)
            return _Found(self._retrieved(view, language, wanted, asked.mix))
        if request.query is None and request.photo is None:
            return _Found(browse(view, asked.where))
        read, encoded = self._read_and_encoded(view, language, asked)
        understanding, vectors = read.understanding, encoded.by_channel
        if understanding and request.understand and "vectors" in vectors:
            vectors = self.respelled(view, understanding, request.photo, vectors)
        words = request.query if request.mode != "vectors" else None
        wanted = self._wanted(asked, vectors, words, read.recognised)
        candidates = self._retrieved(
            view, language, replace(wanted, found_by_words=read.channel), asked.mix
        )
        found = _Found(candidates, encoded, read.recognised, understanding)
        if len(candidates.merged.keys) or understanding is None:
            return found
        return self._relaxed(view, language, asked, vectors, found)

    def _read_and_encoded(
        self, view: View, language: Language, asked: _Asked
    ) -> tuple[_Read, QueryVectors]:
        """Both at once, where the encoder leaves Python to others: it does for a text."""
        if asked.vectors is not None:
            return self._read(view, language, asked), asked.vectors
        reading = self._aside.submit(self._read, view, language, asked)
        try:
            encoded = self._encoded(asked)
        finally:
            wait([reading])  # it looks at the view
        return reading.result(), encoded

    def _read(self, view: View, language: Language, asked: _Asked) -> _Read:
        request = asked.request
        if request.query is None:
            return _Read()
        understanding = language.vocabulary.understand(request.query)
        recognised: tuple[Recognised, ...] = ()
        if request.understand:
            recognised = self._recognised(understanding, request.choices)
        configs = [channel for channel in asked.mix.channels if channel.name == "words"]
        if request.mode == "vectors" or not configs:
            return _Read(understanding, recognised)
        allowed = view.columns.allowed(required(recognised, asked.where))
        lexical, synonyms = language.lexical, self.synonyms
        found = ask_words(lexical, synonyms, request.query, configs[0], allowed)
        return _Read(understanding, recognised, found)

    def _relaxed(
        self,
        view: View,
        language: Language,
        asked: _Asked,
        vectors: Mapping[str, np.ndarray],
        found: _Found,
    ) -> _Found:
        """Gentler searches until one finds something; the last one's candidates if none does."""
        assert found.understanding is not None
        text = TextRequest(
            text=asked.request.query or "",
            where=asked.where,
            recognised=found.recognised,
            by_words=asked.request.mode != "vectors",
        )
        notes: list[str] = []
        for step in relaxations(text, found.understanding):
            notes.append(step.note)
            wanted = self._gentler(asked, vectors, step.request)
            if not wanted.vectors and wanted.words is None:
                continue
            candidates = self._retrieved(view, language, wanted, asked.mix)
            found = replace(
                found,
                candidates=candidates,
                recognised=step.request.recognised,
                notes=tuple(notes),
            )
            if len(candidates.merged.keys):
                break
        return found

    def _gentler(
        self, asked: _Asked, vectors: Mapping[str, np.ndarray], text: TextRequest
    ) -> Wanted:
        if "vectors" in vectors and text.text != asked.request.query:
            read_1P = self.index.encode_queries([text.text], [asked.request.photo])
            vectors = {**vectors, "vectors": read_1P}
        words = text.text if text.by_words else None
        return self._wanted(asked, vectors, words, text.recognised)

    def _wanted(
        self,
        asked: _Asked,
        vectors: Mapping[str, np.ndarray],
        words: str | None,
        recognised: tuple[Recognised, ...],
    ) -> Wanted:
        return Wanted(
            vectors=vectors,
            words=words,
            where=required(recognised, asked.where),
            boosts=tuple(item for item in recognised if item.action == "boost"),
            boost=Boost(factor=self.settings.precision.boost, points=asked.mix.points),
        )

    def _retrieved(
        self, view: View, language: Language, wanted: Wanted, mix: MixConfig
    ) -> Candidates:
        return retrieve(view, language.lexical, self.synonyms, wanted, mix)

    def _like_product(self, view: View, product_id: str, where: Filter | None) -> Wanted:
        if product_id not in view.columns:
            raise SearchError(f"There is no product {product_id!r}. Search for one that there is.")
        keys = view.columns.keys([product_id])
        spec = self.index.collection.spec.vectors
        vectors = {
            channel: vector_1D
            for channel, name in VECTOR_NAMES.items()
            if name in spec and (vector_1D := view.engine.vectors(keys, name)).any()
        }
        if not vectors:
            raise SearchError(f"Product {product_id!r} has neither text nor a photo to compare.")
        own = group_of(view, int(keys[0]))
        return Wanted(vectors=vectors, words=None, where=where, without=own)

    def _recognised(
        self, understanding: Understanding, choices: Mapping[str, Action]
    ) -> tuple[Recognised, ...]:
        return recognise(understanding, self.settings.precision, choices, self.settings.strongest)

    def _assembled(
        self, asked: _Asked, found: _Found, shelf: Shelf, results: tuple[Result, ...]
    ) -> Answer:
        read, cut = found.understanding, found.candidates.cut
        query_1P = found.vectors.by_channel.get("vectors")
        return Answer(
            search_id=uuid.uuid4().hex,
            generation=self.index.generation,
            text=asked.request.query,
            where=asked.request.where,
            corrected=read.corrected if read and read.corrected != read.query else None,
            recognised=tuple(map(shown, found.recognised)),
            relaxed=found.notes,
            total=shelf.page.total,
            total_products=shelf.total_products,
            matching=found.candidates.num_allowed,
            facets=shelf.facets,
            retrieved=Retrieved(
                channels=found.candidates.num_found,
                below_probability=cut.below_probability,
                below_share=cut.below_share,
                beyond_max=cut.beyond_max,
            ),
            text_weight=query_text_weight(query_1P, self.index.manifest),
            took_ms=0.0,
            timings_ms={},
            results=results,
        )


def open_searcher(folder: str | Path, generation: str | None = None) -> Searcher:
    """Open an index folder with its search settings and the shop's rules and synonyms."""
    root = Path(folder)
    index = open_index(root, generation)
    try:
        synonyms, rules = root / SYNONYMS_FILE, root / RULES_FILE
        schema = index.collection.products([]).schema
        return Searcher(
            index,
            load_search_settings(open_generations(root).path(index.generation)),
            synonyms=load_synonyms(synonyms) if synonyms.exists() else NO_SYNONYMS,
            rules=load_rules(rules, schema) if rules.exists() else None,
        )
    except BaseException:
        index.close()
        raise
