import ir_measures
import pytest

from windowshop.data import read_dataset
from windowshop.evaluation import evaluate, write_trec

pytestmark = pytest.mark.slow


def test_a_reader_of_trec_files_gets_the_same_figures(colours, colours_model, tmp_path):
    dataset = read_dataset(colours / "data")
    evaluation = evaluate(colours_model, dataset, "dev", cache_folder=colours / "cache")
    paths = write_trec(evaluation, tmp_path)
    assert {path.name for path in paths} >= {"qrels.txt", "fused.run", "bm25.run"}
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.txt")))
    measure = ir_measures.parse_measure("nDCG@10")
    for system in ("fused", "bm25"):
        run = ir_measures.read_trec_run(str(tmp_path / f"{system}.run"))
        found = ir_measures.calc_aggregate([measure], qrels, run)[measure]
        assert found == pytest.approx(evaluation.tables[system]["all"]["ndcg@10"].mean)


def test_white_space_in_ids_does_not_break_fields(colours, colours_model, tmp_path):
    from dataclasses import replace

    dataset = read_dataset(colours / "data")
    evaluation = evaluate(colours_model, dataset, "dev", cache_folder=colours / "cache")
    odd = replace(
        evaluation, qrels={"q 1": {"p\t%1": 2}}, runs={"fused": {"q 1": {"b": 0.5, "p\t%1": 0.75}}}
    )
    write_trec(odd, tmp_path)
    assert (tmp_path / "qrels.txt").read_text() == "q%201 0 p%09%251 2\n"
    assert (tmp_path / "fused.run").read_text().splitlines() == [
        "q%201 Q0 p%09%251 1 0.75 fused",
        "q%201 Q0 b 2 0.5 fused",
    ]


def test_ties_keep_the_order_of_the_run(colours, colours_model, tmp_path):
    from dataclasses import replace

    dataset = read_dataset(colours / "data")
    evaluation = evaluate(colours_model, dataset, "dev", cache_folder=colours / "cache")
    tied = replace(evaluation, runs={"fused": {"q": {"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.5}}})
    write_trec(tied, tmp_path)
    scores = [float(line.split()[4]) for line in (tmp_path / "fused.run").read_text().splitlines()]
    assert scores == sorted(set(scores), reverse=True)
    assert scores[0] == 1.0
    assert scores[-1] == 0.5
