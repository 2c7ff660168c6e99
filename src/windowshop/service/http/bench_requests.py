"""Models of the bodies of the workbench's calls."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StringConstraints

from windowshop.search import Mode
from windowshop.service.http.requests import Body, Name

FileName = Literal["search.yaml", "rules.yaml", "synonyms.yaml"]
MAX_CONTENT = 30_000_000
Path = Annotated[str, StringConstraints(min_length=1, max_length=256)]
DraftText = Annotated[str, StringConstraints(max_length=1_000_000)]
Value = StrictBool | float | Annotated[str, StringConstraints(max_length=64)]


class SideBody(Body):
    """One of two ways to search: a saved snapshot, or a generation with some settings changed.

    Beside a snapshot, the other fields say nothing.
    """

    snapshot: Name | None = None
    generation: Name | None = None
    changes: dict[Path, Value] = Field(
        default_factory=dict,
        max_length=64,
        description="Settings of search.yaml by their paths, as GET /workbench/settings has them.",
        examples=[{"text.channels.words.weight": 0.05}],
    )
    mode: Mode = "hybrid"
    understand: bool = True
    infer: bool = True
    ranker: bool = True
    rules: bool = True


class RunBody(Body):
    """Set of queries to measure one or two sides on."""

    set: str = Field(min_length=1, max_length=300, examples=["judged"])
    sides: list[SideBody] = Field(default_factory=lambda: [SideBody()], min_length=1, max_length=2)


class SetBody(Body):
    """Queries, with judgements where there are any, as pasted or read from a file."""

    name: Name = Field(examples=["summer"])
    content: str = Field(
        max_length=MAX_CONTENT,
        description="A table with a header (query, product_id, grade), TREC judgements with a line "
        "'id, tab, text' for each query, or a query a line.",
        examples=["query,product_id,grade\nred shoes,p1,3"],
    )


class SnapshotBody(Body):
    """Name under which a side of the latest run is kept."""

    name: Name = Field(examples=["monday"])
    side: int = Field(default=0, ge=0, le=1, strict=True)


class BenchSearchBody(Body):
    """Search by text as a side does it."""

    text: str = Field(min_length=1, max_length=1_000, pattern=r"\S")
    side: SideBody = SideBody()
    set: str | None = Field(
        default=None, max_length=300, description="Set whose grades the answer has."
    )
    drafts: dict[FileName, DraftText] = Field(
        default_factory=dict, description="Texts of files to search by, which are not saved."
    )
    limit: int = Field(default=10, ge=1, le=100)
    explain: bool = False


class SettingsBody(Body):
    """Settings to write into search.yaml of the current generation."""

    changes: dict[Path, Value] = Field(
        min_length=1, max_length=64, examples=[{"text.channels.words.weight": 0.05}]
    )


class FileBody(Body):
    """Text of a file that searches follow."""

    name: Literal["rules.yaml", "synonyms.yaml"] = Field(examples=["rules.yaml"])
    text: str = Field(max_length=1_000_000, examples=["rules: []"])
    version: str = Field(max_length=64, description="That of the text which was edited.")


class UndoBody(Body):
    """File whose latest edit is undone; again, and it is done again."""

    name: FileName = Field(examples=["rules.yaml"])
