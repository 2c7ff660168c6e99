"""A search from request to answer: understand, retrieve, relax, arrange, explain."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.engines.collection import View
from windowshop.errors import SearchError
from windowshop.filters import Filter, parse_filter
from windowshop.images import Photo
from windowshop.index import OpenIndex, open_index
from windowshop.ranking.fallback import TextRequest, relaxations
from windowshop.ranking.merchandising import Rules, load_rules
from windowshop.ranking.precision import Boost, Recognised, recognise, required
from windowshop.ranking.synonyms import NO_SYNONYMS, Synonyms, load_synonyms
from windowshop.ranking.vocabulary import Understanding
from windowshop.search.answer import Answer, RecognisedPart, Result, Retrieved
from windowshop.search.arrange import Plan, Shelf, active_rules, arrange_shelf, group_of
from windowshop.search.explain import explanation, query_text_weight
from windowshop.search.request import SearchRequest
from windowshop.search.results import PhotoPaths, results_of
from windowshop.search.retrieve import Candidates, Wanted, browse, retrieve
from windowshop.search.settings import MixConfig, SearchSettings, load_search_settings
from windowshop.search.words import Language, Words
from windowshop.spaces import FUSED_VECTOR

RULES_FILE, SYNONYMS_FILE = "rules.yaml", "synonyms.yaml"
"""In the index folder, both the shop's own."""
CLOSEST = 10
"""Products by which it is judged how well a text is understood."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request with what was made of it before looking at the catalogue."""

    request: SearchRequest
    where: Filter | None
    mix: MixConfig
    vectors: Mapping[str, np.ndarray]
    """By channel, (1, D)."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Candidates and how they were looked for."""

    candidates: Candidates
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
        self._photo_path = PhotoPaths(index.photo_path)
        with index.collection.reading() as view:
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
        encoded = time.perf_counter()
        with self.reading() as (view, language):
            found = self._found(view, language, asked)
            retrieved = time.perf_counter()
            rules = active_rules(self._rules.rules, request, date.today())
            shelf = arrange_shelf(view, found.candidates, Plan(request, asked.where, rules))
            rows = view.columns.rows(shelf.page.keys)
        arranged = time.perf_counter()
        timings = {
            "encode": (encoded - started) * 1000,
            "retrieve": (retrieved - encoded) * 1000,
            "arrange": (arranged - retrieved) * 1000,
        }
        results = self._results(request, found, shelf, rows)
        answer = self._assembled(asked, found, shelf, results)
        took_ms = (time.perf_counter() - started) * 1000
        return replace(answer, timings_ms=timings, took_ms=took_ms)

    @contextmanager
    def reading(self) -> Iterator[tuple[View, Language]]:
        """One state of the catalogue and of its words, as a search sees it; writes wait."""
        with self.index.collection.reading() as view, self._words.reading(view) as language:
            yield view, language

    def respelled(
        self, view: View, understanding: Understanding, photo: Photo | None, typed_1P: np.ndarray
    ) -> np.ndarray:
        """The vector of the text as corrected, where products are closer to that than as typed.

        A word that the catalogue lacks may be a typo, which encoders read badly, or a word that
        only the encoder knows.
        """
        if understanding.corrected == understanding.query:
            return typed_1P
        read_1P = self.index.encode_queries([understanding.corrected], [photo])
        both_2P = np.concatenate([typed_1P, read_1P])
        scores_2K = view.engine.search(both_2P, CLOSEST, None, FUSED_VECTOR).scores
        typed, read = np.nan_to_num(scores_2K, neginf=0).sum(axis=1)
        return typed_1P if typed >= read else read_1P

    def refresh_words(self) -> None:
        """Read the catalogue's words anew if many products changed; call it after writes."""
        with self.index.collection.reading() as view:
            stale = self._words.is_stale(view)
        if stale:
            self._words.renew(self.index.collection)

    def warm(self, num_names: int = 2_000) -> None:
        """Prepare the filters of what queries may name, which first searches would wait for."""
        with self.reading() as (_, language):
            names = language.vocabulary.names(num_names)
        for name in names:
            _, recognised = self._understood(language, SearchRequest(text=name))
            with self.reading() as (view, _):
                trees = [item.tree for item in recognised]
                view.columns.matching(trees, np.zeros(0, dtype=np.int64))

    def close(self) -> None:
        """Release the index."""
        self.index.close()

    def _asked(self, request: SearchRequest) -> _Asked:
        where = parse_filter(request.where) if request.where else None
        mix = self._mix(request)
        return _Asked(request, where, mix, self._encoded(request, mix))

    def _mix(self, request: SearchRequest) -> MixConfig:
        if request.similar_to is not None:
            return self.settings.similar
        if request.photo is None:
            return self.settings.text
        return self.settings.text_and_photo if request.query else self.settings.photo

    def _encoded(self, request: SearchRequest, mix: MixConfig) -> dict[str, np.ndarray]:
        if request.mode == "words" or (request.query is None and request.photo is None):
            return {}
        names = {channel.name for channel in mix.channels}
        vectors = {}
        if "vectors" in names:
            vectors["vectors"] = self.index.encode_queries([request.query], [request.photo])
        if request.photo is not None and "photo" in names and self.index.manifest.photo_width:
            vectors["photo"] = self.index.encode_photos([request.photo])
        return vectors

    def _found(self, view: View, language: Language, asked: _Asked) -> _Found:
        request = asked.request
        if request.similar_to is not None:
            wanted = self._like_product(view, request.similar_to, asked.where)
            return _Found(self._retrieved(view, language, wanted, asked.mix))
        if request.query is None and request.photo is None:
            return _Found(browse(view, asked.where))
        understanding, recognised = self._understood(language, request)
        if understanding and request.understand and "vectors" in asked.vectors:
            typed_1P = asked.vectors["vectors"]
            read_1P = self.respelled(view, understanding, request.photo, typed_1P)
            asked = replace(asked, vectors={**asked.vectors, "vectors": read_1P})
        words = request.query if request.mode != "vectors" else None
        wanted = self._wanted(asked, asked.vectors, words, recognised)
        candidates = self._retrieved(view, language, wanted, asked.mix)
        found = _Found(candidates, recognised, understanding)
        if len(candidates.merged.keys) or understanding is None:
            return found
        return self._relaxed(view, language, asked, found)

    def _relaxed(self, view: View, language: Language, asked: _Asked, found: _Found) -> _Found:
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
            wanted = self._gentler(asked, step.request)
            if not wanted.vectors and wanted.words is None:
                continue
            candidates = self._retrieved(view, language, wanted, asked.mix)
            found = _Found(candidates, step.request.recognised, found.understanding, tuple(notes))
            if len(candidates.merged.keys):
                break
        return found

    def _gentler(self, asked: _Asked, text: TextRequest) -> Wanted:
        vectors = dict(asked.vectors)
        if "vectors" in vectors and text.text != asked.request.query:
            photo = asked.request.photo
            vectors["vectors"] = self.index.encode_queries([text.text], [photo])
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
        names = {"vectors": "fused", "photo": "photo"}
        spec = self.index.collection.spec.vectors
        vectors = {
            channel: vector_1D
            for channel, name in names.items()
            if name in spec and (vector_1D := view.engine.vectors(keys, name)).any()
        }
        if not vectors:
            raise SearchError(f"Product {product_id!r} has neither text nor a photo to compare.")
        own = group_of(view, int(keys[0]))
        return Wanted(vectors=vectors, words=None, where=where, without=own)

    def _understood(
        self, language: Language, request: SearchRequest
    ) -> tuple[Understanding | None, tuple[Recognised, ...]]:
        if request.query is None:
            return None, ()
        understanding = language.vocabulary.understand(request.query)
        if not request.understand:
            return understanding, ()
        settings = self.settings
        return understanding, recognise(
            understanding, settings.precision, request.choices, settings.strongest
        )

    def _results(
        self, request: SearchRequest, found: _Found, shelf: Shelf, rows: pl.DataFrame
    ) -> tuple[Result, ...]:
        explanations = None
        if request.explain:
            pairs = zip(shelf.page.keys.tolist(), rows.iter_rows(named=True), strict=True)
            explanations = [explanation(shelf, found.candidates, key, row) for key, row in pairs]
        return results_of(shelf.page, rows, self._photo_path, explanations)

    def _assembled(
        self, asked: _Asked, found: _Found, shelf: Shelf, results: tuple[Result, ...]
    ) -> Answer:
        read, cut = found.understanding, found.candidates.cut
        return Answer(
            search_id=uuid.uuid4().hex,
            generation=self.index.generation,
            text=asked.request.query,
            where=asked.request.where,
            corrected=read.corrected if read and read.corrected != read.query else None,
            recognised=tuple(map(_shown, found.recognised)),
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
            text_weight=query_text_weight(asked.vectors.get("vectors"), self.index.manifest),
            took_ms=0.0,
            timings_ms={},
            results=results,
        )


def _shown(item: Recognised) -> RecognisedPart:
    return RecognisedPart(
        name=item.name,
        text=item.text,
        action=item.action,
        certainty=item.certainty,
        reason=item.reason,
    )


def open_searcher(folder: str | Path, generation: str | None = None) -> Searcher:
    """Open an index folder with its search settings and the shop's rules and synonyms."""
    root = Path(folder)
    index = open_index(root, generation)
    try:
        synonyms, rules = root / SYNONYMS_FILE, root / RULES_FILE
        return Searcher(
            index,
            load_search_settings(root / "generations" / index.generation),
            synonyms=load_synonyms(synonyms) if synonyms.exists() else NO_SYNONYMS,
            rules=load_rules(rules) if rules.exists() else None,
        )
    except BaseException:
        index.close()
        raise
