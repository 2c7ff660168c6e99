import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import windowshop

ROOT = Path(windowshop.__file__).parent

# From what enters (files) to what leaves (answers): a module may import earlier lines only.
LAYERS = """
errors
ragged files
config
jsontext
lists
tables
catalog
images
augment
progress
photos
findings
product_text photo_lists
uploads
check
encoders.layout
encoders.base
encoders.text encoders.image encoders.clip
encoders
store
features
manifests
microbatch
query_encoder
losses
layers
tuning
tape
fusions.base
fusions.attention fusions.average fusions.concat fusions.experts
fusions.gated fusions.query_weighted fusions.single
fusions.query_experts
fusions
pooling
towers
batches
live
pairs
negatives
nearest
metrics
significance
diagnostics
bm25
retrieval
candidates
objectives
finetune
train
checkpoint
workbench
mixing
systems
fit
model
mine
slices
evaluate
report
filters
predicates
records
ledger
engines.gate engines.words
engines.base
engines.native engines.sizes
engines.originals
engines.vectors
engines.exact engines.floats
engines.zvec_store
engines.text_index
engines.flat engines.zvec
engines
engines.columns
engines.checkpoints engines.replay
engines.state
engines.collection
engines.generations
shelf
ranking
ranking.tokens ranking.pins ranking.settings_file ranking.calibration ranking.picks
ranking.attributes
ranking.spelling ranking.phrases ranking.price_phrases ranking.synonyms ranking.facets
ranking.merge ranking.vocabulary ranking.reading ranking.result_set
ranking.cutoff ranking.precision ranking.lexical
ranking.merchandising ranking.fallback
query_graph
spaces
index
search.request search.settings search.words search.query_vectors
search.answer search.retrieve
search.arrange
search.explain search.results
search.searcher
search
tune.probes
tune.judging tune.trials
tune.curves
tune.bench
tune.cutting
tune.choice
tune.report
tune
page
showcase
drawing
demo
firstrun
study.memory
study.config
study.results
study.ablations
study.defaults
study.training
study.changes
study.rankings
study.slicing
study.insights
study.seed
study.preparing
study.workers
study.falsifiers
study.comparison
study.tables
study.plots
study.html
study.report
study.runner
study
service.config
service.errors
service.workers service.keys service.limits service.metrics service.photos service.schema
service.suggest service.protocol
service.answers service.carried service.described
service.feedback service.judgements
service.products
service.upkeep
service.stream service.shop service.clicks service.calls service.reading
service.desk
service.edge
service.search_routes service.product_routes service.log_routes service.admin_routes
service.app
service.server
service
commands
commands.options
commands.training commands.searching commands.demos
cli
__main__
"""
RANKS = {name: rank for rank, line in enumerate(LAYERS.split("\n")) for name in line.split()}


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(path): path for path in ROOT.rglob("*.py")}


def imported(path):
    """The package's own modules that a file imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            source = (node.module or "").split(".")
            names = [".".join([*source, alias.name]) for alias in node.names]
            found |= {name if own(name) in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {own(name) for name in found if own(name) is not None} - {""}


def own(name):
    """The name below the package, None for other packages'."""
    if name == "windowshop":
        return ""
    return name.removeprefix("windowshop.") if name.startswith("windowshop.") else None


IMPORTS = {module: imported(path) for module, path in MODULES.items()}


def test_every_module_has_its_layer():
    assert set(RANKS) == set(MODULES) - {""}


def test_imports_name_modules_that_exist():
    assert set().union(*IMPORTS.values()) <= set(MODULES)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {""}))
def test_imports_point_one_way(module):
    later = {name for name in IMPORTS[module] if RANKS[name] >= RANKS[module]}
    assert not later, f"{module} imports {later}, which do not come before it"


def test_the_package_itself_names_only_what_it_hands_out():
    assert IMPORTS[""] == {"model", "search"}  # both on first use


def test_every_public_name_is_declared():
    public = {n for n, v in vars(windowshop).items() if n[0] != "_" and not inspect.ismodule(v)}
    public -= {"TYPE_CHECKING"}
    assert public | {"__version__", "load", "open_searcher"} == set(windowshop.__all__)
    for name in windowshop.__all__:
        assert getattr(windowshop, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'train_everything'"):
        _ = windowshop.train_everything


HEAVY = ("torch", "transformers", "sentence_transformers", "polars", "ir_measures", "PIL")


@pytest.mark.parametrize("module", ["windowshop", "windowshop.cli", "windowshop.config"])
def test_importing_is_light_and_has_no_effects(module, tmp_path):
    code = (
        "import os, sys, threading, warnings\n"
        "before = dict(os.environ), list(warnings.filters)\n"
        f"import {module}\n"
        "assert (dict(os.environ), list(warnings.filters)) == before\n"
        "assert threading.active_count() == 1\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert list(tmp_path.iterdir()) == []
