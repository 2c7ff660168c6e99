"""Damaged files of the database: the same searches, events and grades, or a named error."""

import shutil

import pytest
from support.faults import outcomes, some
from support.logs import judging_in, logging_to
from support.services import made_answer

from windowshop.index import DATABASE_FILE, MARK_FILE
from windowshop.search.request import SearchRequest
from windowshop.service.http.requests import FeedbackBody, JudgementBody
from windowshop.service.logs.feedback import read_log
from windowshop.service.logs.judgements import judged_tables


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The files of a database after its end, and of one whose process died."""
    folder = tmp_path_factory.mktemp("feedback")
    with logging_to(folder / "closed") as log, judging_in(folder / "closed") as judges:
        for i in range(60):
            name = f"{i:032x}"
            log.search(made_answer(name, text=f"shoe {i}"), SearchRequest(text=f"shoe {i}"))
            event = {"search_id": name, "product_id": "p1", "position": 1, "event": "click"}
            log.event(FeedbackBody(**event))
            judges.add(JudgementBody(query=f"shoe {i}", product_id="p1", grade=i % 4))
        shutil.copytree(folder / "closed", folder / "killed")
    return folder


@pytest.mark.parametrize(
    ("kind", "files"), [("closed", {DATABASE_FILE, MARK_FILE}), ("killed", None)]
)
def test_a_damaged_database_gives_the_same_log_or_a_named_error(folders, tmp_path, kind, files):
    used = tmp_path / "used"
    assert files is None or {path.name for path in (folders / kind).iterdir()} == files

    def answer(folder):
        shutil.copytree(folder, used)  # a reader makes files of its own
        try:
            return *read_log(used), *judged_tables(used)
        finally:
            shutil.rmtree(used)

    def same(one, other):
        return all(table.equals(another) for table, another in zip(one, other, strict=True))

    equal, named, wrong = outcomes(
        "searches, events and grades", folders / kind, tmp_path, answer, same, some(40, 600)
    )
    assert wrong == []
    assert equal > 40  # marks, indexes and room that holds nothing
    assert named > 10
