"""Classes that a query means and does not name: heads, held-out errors, actions."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import xxhash
from scipy.stats import binomtest
from support.tabled_index import TabledIndex

from windowshop.data.dataset import PRODUCT_SCHEMA, QUERY_SCHEMA, Dataset, complete_columns
from windowshop.data.filter_grammar import Comparison, Under
from windowshop.errors import ConfigError, IndexFolderError, SearchError
from windowshop.files import check_folder
from windowshop.progress import SilentReporter
from windowshop.search.certainty.config import CertaintyConfig
from windowshop.search.classifier.classes import read_classes
from windowshop.search.classifier.examples import Examples, judged_examples, made_examples, shares
from windowshop.search.classifier.fit import fit_heads, log_softmax, temperature
from windowshop.search.classifier.inference import (
    ClassifierConfig,
    Inference,
    highest_loss,
    permit,
)
from windowshop.search.classifier.model import (
    CLASSIFIER,
    CLASSIFIER_FOLDER,
    HeldOut,
    load_classifier,
    save_classifier,
)
from windowshop.search.classifier.train import train_classifier
from windowshop.search.request import SearchRequest
from windowshop.search.searcher import Searcher
from windowshop.search.settings import SearchSettings
from windowshop.search.tuning.choose import TuneConfig, tune
from windowshop.search.understanding.recognition import PrecisionConfig

pytestmark = pytest.mark.slow

WIDTH = 24
KINDS = {"Sofas": "couch", "Lamps": "light", "Rugs": "carpet"}
"""Category -> another word for it, which no product has."""
WORDS = {"sofa": 0, "couch": 0, "lamp": 1, "light": 1, "rug": 2, "carpet": 2}
WORDS |= {f"{word}s": axis for word, axis in WORDS.items()}


def embed(text):
    """A vector in which words of one meaning are one direction, and any other word is noise."""
    x_W = np.zeros(WIDTH)
    for word in text.lower().replace(">", " ").split():
        if word in WORDS:
            x_W[WORDS[word]] += 2
        else:
            rng = np.random.default_rng(xxhash.xxh3_64_intdigest(word.encode()))
            x_W[3:] += 0.3 * rng.normal(size=WIDTH - 3)
    return (x_W / max(np.linalg.norm(x_W), 1e-9)).astype(np.float32)


class MeaningIndex(TabledIndex):
    """An index whose encoder knows what words mean."""

    def __init__(self, folder, products, x_NW):
        super().__init__(folder / "c", products, x_NW, folder)
        self.folder = folder

    def encode_queries(self, texts, images):
        return np.stack([embed(text or "") for text in texts])


def products():
    rows = [
        {
            "product_id": f"p{place}{kind[0]}",
            "title": f"model {'abcdefgh'[place % 8]}{place}",
            "brand": ("Acme", "Bolt")[place % 2] if kind != "Rugs" else "Rugsby",
            "category": f"Home > {kind}",
            "mood": "calm" if place % 2 else "wild",
        }
        for kind in KINDS
        for place in range(20)
    ]
    return complete_columns(pl.DataFrame(rows), PRODUCT_SCHEMA)


def dataset(root, num_held_out=300):
    """Shoppers ask by the other words; half of the training queries are by the catalogue's own."""
    queries, qrels = [], []
    for number in range(120 + num_held_out):
        kind, other = list(KINDS.items())[number % 3]
        is_train = number < 120
        word = kind.lower() if is_train and number % 2 else other
        query_id = f"q{number}"
        split = "train" if is_train else "dev"
        queries.append({"query_id": query_id, "query": f"{word} no{number}", "split": split})
        qrels += [
            {"query_id": query_id, "product_id": f"p{place}{kind[0]}", "grade": 3}
            for place in range(number % 5, 20)
        ]
    table = complete_columns(pl.DataFrame(queries), QUERY_SCHEMA)
    return Dataset(root=root, products=products(), queries=table, qrels=pl.DataFrame(qrels))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    table = products()
    x_NW = np.stack([embed(f"{c} {t}") for c, t in table.select("category", "title").iter_rows()])
    with closing(MeaningIndex(tmp_path_factory.mktemp("home"), table, x_NW)) as made:
        yield made


@pytest.fixture(scope="module")
def data(index):
    return dataset(index.folder)


@pytest.fixture(scope="module")
def classifier(index, data):
    return train_classifier(index, data, "dev", SilentReporter())


@pytest.fixture
def search(index, classifier):
    def answer(text, strongest="filter", **options):
        settings = SearchSettings(
            precision=PrecisionConfig(min_products=1, min_coverage=0),
            classifier=ClassifierConfig(strongest=strongest),
            certainty=CertaintyConfig(min_probability=0),
        )
        searcher = Searcher(index, settings, classifier=classifier)
        return searcher.answer(SearchRequest(text=text, limit=60, **options))

    return answer


def inferred(answer):
    return {part.name: part for part in answer.recognised if part.kind == "inferred"}


def kinds_of(answer):
    return [result.category.split(" > ")[1] for result in answer.results]


# Classes and shares.


def test_classes_are_levels_of_the_category_and_values_that_enough_products_have():
    rare = products().with_columns(
        mood=pl.when(pl.col("product_id") == "p0S").then(pl.lit("rare")).otherwise("mood")
    )
    classes = read_classes(rare)
    found = {head.name: head.values for head in classes.heads}
    # All products are of "Home", so nobody needs to infer it; a brand is never inferred.
    assert set(found) == {"category, level 2", "mood"}
    assert set(found["category, level 2"]) == {f"Home > {kind}" for kind in KINDS}
    assert set(found["mood"]) == {"calm", "wild"}
    trees = {head.name: head.tree(0) for head in classes.heads}
    assert trees["mood"] == Comparison("mood", "=", found["mood"][0])
    assert trees["category, level 2"] == Under(
        "category", tuple(found["category, level 2"][0].split(" > "))
    )


def test_products_are_counted_in_every_category_and_value_that_they_have():
    rows = [
        {
            "product_id": f"p{i}",
            "category": "A > B" if i % 2 else "A > C",
            "sizes": ["S", "m"] if i % 2 else ["M"],
        }
        for i in range(12)
    ]
    table = pl.DataFrame(rows).with_columns(title=pl.lit("x"))
    classes = read_classes(table)
    sizes = next(head for head in classes.heads if head.column == "sizes")
    start = int(classes.starts[classes.heads.index(sizes)])
    own = classes.of_NK[:, start : start + len(sizes.values)].toarray()
    by_value = dict(zip(sizes.values, own.T, strict=True))
    assert by_value["M"].sum() == 12  # however it is written
    assert by_value["S"].sum() == 6


def test_shares_are_of_the_products_that_state_the_column():
    table = pl.DataFrame(
        {
            "product_id": [f"p{i}" for i in range(15)],
            "title": ["x"] * 15,
            "colour": ["red"] * 5 + ["blue"] * 5 + [None] * 5,
        }
    )
    classes = read_classes(table)
    relevant = np.zeros((2, 15), dtype=np.float32)
    relevant[0, [0, 1, 2, 5, 10, 11]] = 1  # three red ones, one blue one, two that say nothing
    relevant[1, [12]] = 1
    from scipy import sparse

    examples = Examples(("a", "b"), sparse.csr_matrix(relevant), np.ones(2, np.float32))
    shares_QK, stated_QH = shares(examples, classes)
    by_value = dict(zip(classes.heads[0].values, shares_QK[0].tolist(), strict=True))
    assert by_value == pytest.approx({"red": 0.75, "blue": 0.25})
    assert stated_QH[:, 0].tolist() == pytest.approx([4 / 6, 0])


def test_the_catalogue_makes_texts_of_its_values_with_all_products_that_have_them(data):
    classes = read_classes(data.products)
    made = made_examples(data.products, classes)
    assert {"Sofas", "Lamps", "Rugs", "calm", "wild"} <= set(made.texts)
    rows = made.relevant_QN.tolil().rows
    of_kind = data.products["category"].str.ends_with("Sofas").to_numpy()
    mood = data.products["mood"].to_numpy() == "calm"
    both = made.texts.index("calm Sofas") if "calm Sofas" in made.texts else None
    both = made.texts.index("Sofas calm") if both is None else both
    assert rows[both] == np.flatnonzero(of_kind & mood).tolist()


def test_judged_texts_take_the_products_that_the_index_has(data):
    ids = [i for i in data.products["product_id"].to_list() if i != "p19S"]
    held = judged_examples(data, "dev", ids)
    assert len(held.texts) == 300
    assert held.relevant_QN.sum(axis=1).max() == 20
    assert (held.weight_Q == 1).all()


# Fit.


def test_probabilities_are_the_shares_that_vectors_tell():
    rng = np.random.default_rng(0)
    side = rng.integers(0, 2, 400)
    x = np.stack([side * 2.0 - 1, rng.normal(size=400)], axis=1).astype(np.float32)
    share = np.where(side, 0.9, 0.2)
    target = np.stack([share, 1 - share], axis=1).astype(np.float32)
    w = fit_heads(x, target, np.ones((400, 1)), [0, 2], penalty=1e-6)
    found = np.exp(log_softmax(x @ w[:, :-1].T + w[:, -1], [0, 2]))
    assert found[:, 0] == pytest.approx(share, abs=0.02)


def test_a_temperature_tames_heads_that_are_too_sure():
    rng = np.random.default_rng(0)
    logits = np.where(rng.random((500, 1)) < 0.5, 8.0, -8.0) * np.array([[1, -1]])
    right = (logits.argmax(axis=1) == 0) ^ (rng.random(500) < 0.2)
    target = np.stack([right, ~right], axis=1).astype(np.float32)
    divisor = temperature(logits.astype(np.float32), target)
    assert np.exp(log_softmax(logits / divisor, [0, 2])).max() == pytest.approx(0.8, abs=0.05)
    assert temperature(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)) == 1


# Bounds.


@pytest.mark.parametrize(("lost", "total"), [(0, 1), (0, 60), (3, 60), (59, 60), (60, 60)])
def test_the_bound_is_that_of_clopper_and_pearson(lost, total):
    losses = np.array([1.0] * lost + [0.0] * (total - lost))
    exact = binomtest(lost, total, alternative="less").proportion_ci(0.95, method="exact").high
    assert highest_loss(losses, 0.05) == pytest.approx(exact)


def held(probability, loss, count):
    return HeldOut(np.full(count, probability), np.full(count, loss), np.full(count, loss))


def test_a_head_acts_from_the_lowest_probability_at_which_it_is_right():
    many, config = 400, ClassifierConfig()
    sure, doubtful = held(0.92, 0.0, many), held(0.75, 0.5, many)
    both = HeldOut(
        *(
            np.concatenate([getattr(sure, name), getattr(doubtful, name)])
            for name in HeldOut.__slots__
        )
    )
    permission = permit(both, "filter", config)
    assert (permission.action, permission.threshold, permission.num_queries) == (
        "filter",
        0.8,
        many,
    )
    assert permission.bound < 0.02
    assert permit(both, "boost", config).threshold == 0.8
    assert permit(doubtful, "boost", config).action == "off"


def test_too_few_held_out_queries_allow_nothing():
    config = ClassifierConfig()
    assert permit(held(0.99, 0.0, 40), "boost", config).action == "off"
    assert permit(held(0.99, 0.0, 50), "boost", config).action == "boost"
    assert permit(held(0.99, 0.0, 200), "filter", config).action == "off"
    assert permit(held(0.99, 0.0, 250), "filter", config).action == "filter"
    assert permit(held(0.99, 0.0, 0), "filter", config).action == "off"
    wide = ClassifierConfig(max_lost_filter=0.2)
    assert permit(held(0.99, 0.0, 40), "filter", wide).action == "filter"


def test_products_that_state_nothing_are_lost_to_a_filter_and_not_to_a_boost():
    unstated = HeldOut(np.full(300, 0.99), np.full(300, 0.5), np.zeros(300))
    config = ClassifierConfig()
    assert permit(unstated, "filter", config).action == "off"
    assert permit(unstated, "boost", config).action == "boost"


@pytest.mark.parametrize("name", ["max_lost_filter", "max_lost_boost", "confidence"])
def test_a_bound_out_of_range_is_named(name):
    with pytest.raises(ConfigError, match=f"{name}=1 must lie between"):
        ClassifierConfig(**{name: 1})


# The whole way.


def test_another_word_for_a_category_filters_by_it(search):
    answer = search("couch")
    part = inferred(answer)["category: Sofas"]
    assert part.action == "filter"
    assert part.certainty > 0.8
    assert "held-out queries" in part.reason
    assert kinds_of(answer) == ["Sofas"] * 20
    # The mood is no more likely to be calm than wild.
    assert set(inferred(answer)) == {"category: Sofas"}


def test_what_is_surely_meant_is_named_and_its_list_stays_whole(index, classifier):
    settings = SearchSettings(
        precision=PrecisionConfig(min_products=1, min_coverage=0),
        certainty=CertaintyConfig(min_probability=1.0),
    )
    searcher = Searcher(index, settings, classifier=classifier)
    answer = searcher.answer(SearchRequest(text="couch", limit=50))
    assert answer.certainty.found == "closest"
    assert answer.certainty.text.startswith('No product has "couch". Likely meant: ')
    assert answer.certainty.text.endswith("Sofas.")
    assert answer.total == 20 > settings.certainty.max_closest
    plain = searcher.answer(SearchRequest(text="couch", limit=50, infer=False))
    assert plain.total == settings.certainty.max_closest
    assert "Likely meant" not in plain.certainty.text


def test_a_shop_that_allows_boosts_alone_loses_nothing(search):
    answer = search("couch", strongest="boost", explain=True)
    assert inferred(answer)["category: Sofas"].action == "boost"
    assert kinds_of(answer)[:20] == ["Sofas"] * 20
    assert set(kinds_of(answer)) == set(KINDS)
    names = [result.explanation.boosted_by for result in answer.results]
    assert names == [("category: Sofas",)] * 20 + [()] * 40


@pytest.mark.parametrize(
    ("strongest", "options"),
    [("off", {}), ("filter", {"infer": False}), ("filter", {"understand": False})],
)
def test_it_can_be_switched_off(search, strongest, options):
    answer = search("couch", strongest=strongest, **options)
    assert inferred(answer) == {}
    assert set(kinds_of(answer)) == set(KINDS)


def test_an_explained_answer_has_what_may_not_act_too(search):
    quiet = inferred(search("couch", strongest="off", explain=True))["category: Sofas"]
    assert quiet.action == "off"
    assert "likely by its meaning; the search settings infer nothing" in quiet.reason
    moods = [p for n, p in inferred(search("couch", explain=True)).items() if n.startswith("mood")]
    assert {part.action for part in moods} <= {"off"}
    assert all("do not show that it is right often enough" in part.reason for part in moods)
    acting = inferred(search("couch", explain=True))["category: Sofas"]
    assert acting.action == "filter"


def test_a_choice_counts_more(search):
    off = search("couch", choices={"category: Sofas": "off"})
    assert inferred(off)["category: Sofas"].action == "off"
    assert set(kinds_of(off)) == set(KINDS)
    with pytest.raises(SearchError, match="switched to 'on'"):
        search("couch", choices={"category: Sofas": "on"})


def test_what_is_named_goes_before_what_is_inferred(search):
    answer = search("couch with lamps")
    assert inferred(answer) == {}
    assert "category: Lamps" in {part.name for part in answer.recognised}


def test_a_query_that_says_nothing_infers_nothing(search):
    assert inferred(search("model")) == {}
    assert inferred(search("p3S")) == {}


def test_words_alone_infer_nothing(search):
    assert inferred(search("couch model", mode="words")) == {}


def test_an_inferred_filter_gives_way_to_what_is_named(search):
    """No sofa is by Rugsby: the brand stays, and sofas are no more than preferred."""
    answer = search("couch rugsby")
    assert inferred(answer)["category: Sofas"].action == "boost"
    assert "Without the inferred filter category: Sofas." in answer.relaxed
    assert "Rugsby" in [result.brand for result in answer.results]
    fits = search("couch acme")
    assert inferred(fits)["category: Sofas"].action == "filter"
    assert fits.relaxed == ()


def test_an_inferred_filter_gives_way_where_it_leaves_nothing(search):
    answer = search("couch", where='category under "Home > Rugs"')
    assert inferred(answer)["category: Sofas"].action == "boost"
    assert set(kinds_of(answer)) == {"Rugs"}
    assert answer.relaxed == ("Without the inferred filter category: Sofas.",)


def test_held_out_queries_that_name_a_value_are_judged_by_heads_that_never_read_it(index, data):
    """Without the other words in training, heads know sofas by "sofas" alone, and that is new."""
    named = data.queries.with_columns(
        query=pl.col("query")
        .str.replace("couch", "sofas")
        .str.replace("light", "lamps")
        .str.replace("carpet", "rugs")
    )
    own = train_classifier(index, replace(data, queries=named), "dev", SilentReporter())
    place = next(i for i, head in enumerate(own.heads) if head.column == "category")
    by_new_names = own.held_out[place]
    assert len(by_new_names.probability_R) == 300
    read = own.guess(embed("sofas")[None])[place]
    assert read.head.words(read.place) == "Sofas"
    assert by_new_names.probability_R.max() < read.probability
    assert by_new_names.unfiltered_R.mean() > 0.3
    assert permit(by_new_names, "boost", ClassifierConfig()).action == "off"


def test_the_best_of_tuning_is_kept_where_no_figure_falls(index, data):
    searcher = Searcher(index, SearchSettings(precision=PrecisionConfig(min_products=1)))
    tuning = tune(searcher, data, TuneConfig(), SilentReporter())
    found = tuning.inferring
    assert tuning.settings.classifier == found.config
    for measure in ("ndcg@10", "recall@100"):
        chosen = found.figures[found.config.strongest]
        assert chosen[measure] >= found.figures["off"][measure]
    text = "\n".join(found.lines())
    assert "category, level 2: filter from" in text
    assert "Not shown to be right often enough: mood." in text
    heads = found.to_json()["heads"]
    assert heads["category, level 2"]["held_out_queries"] == 300
    assert tune(searcher, data, TuneConfig(classifier=False), SilentReporter()).inferring is None


def test_too_few_queries_infer_nothing_and_say_so(index):
    few = dataset(index.folder, num_held_out=9)
    searcher = Searcher(index, SearchSettings())
    found = tune(searcher, few, TuneConfig(), SilentReporter()).inferring
    assert not found.inference.acts
    assert found.figures == {}
    assert "Not shown to be right often enough: category, level 2, mood" in "\n".join(found.lines())


# On disk.


def test_a_classifier_is_read_as_it_was_written(classifier, tmp_path):
    save_classifier(classifier, tmp_path)
    save_classifier(classifier, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [CLASSIFIER_FOLDER]
    read = load_classifier(tmp_path, classifier.model_key)
    vector = embed("couch")[None]
    assert read.guess(vector) == classifier.guess(vector)
    config = ClassifierConfig()
    permissions = Inference(classifier, config).permissions
    for head, own in Inference(read, config).permissions.items():
        for one, other in zip(own, permissions[head], strict=True):
            assert (one.action, one.threshold) == (other.action, other.threshold)
    assert load_classifier(tmp_path / "elsewhere", "k") is None


def test_damage_and_another_model_are_named(classifier, tmp_path):
    save_classifier(classifier, tmp_path)
    with pytest.raises(IndexFolderError, match="reads the vectors of another model"):
        load_classifier(tmp_path, "other")
    weights = tmp_path / CLASSIFIER_FOLDER / "heads.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(IndexFolderError, match=r"is damaged.*Remove the folder, or run"):
        load_classifier(tmp_path, classifier.model_key)
    assert check_folder(tmp_path / CLASSIFIER_FOLDER, CLASSIFIER).damage
