"""Search of an index as tools of the Model Context Protocol, for assistants.

`search` and `fetch` are as ChatGPT's connectors want them, `similar` is ours, the others are those
of the Universal Commerce Protocol (ucp.dev).
"""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from windowshop._version import __version__
from windowshop.data import parse_attributes
from windowshop.errors import SearchError, WindowshopError
from windowshop.search import Answer, Result, Searcher, SearchRequest
from windowshop.service.agents.catalog import Catalog, messages_of
from windowshop.service.agents.shapes import Row, Shaper, link_of
from windowshop.service.config import ServiceConfig
from windowshop.service.http.catalog_requests import CatalogLookup, CatalogProduct, CatalogSearch

INSTRUCTIONS = (
    "Products of a shop. `search` finds them by words, `similar` by one of them, `fetch` tells all "
    "about one. `certain` is false where nothing is quite what was asked: say so to the buyer."
)
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
Given = ParamSpec("Given")
Told = TypeVar("Told")
Meta = Annotated[dict[str, Any] | None, Field(description="Who asks (`ucp-agent`).")]
Limit = Annotated[int, Field(ge=1, le=100, description="Most results.")]


class Found(BaseModel):
    """Product of a list."""

    id: str
    title: str
    url: str = Field(description="Address of the product's page; empty where the shop states none.")
    brand: str | None
    price: float | None
    currency: str | None = Field(description="ISO code of the price's currency, where it is known.")
    category: str | None


class Results(BaseModel):
    """Products, the best first."""

    results: list[Found]
    total: int = Field(description="All products that were found.")
    certain: bool = Field(description="Whether these are what was asked, or only the closest.")
    note: str = Field(description="How the query was read, and what was not found.")


class Document(BaseModel):
    """All about one product."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, str]


def run_mcp(searcher: Searcher, port: int | None = None, currency: str = "") -> None:
    """Serve the tools until the client goes: by stdio, or by HTTP on a port of this machine."""
    server = mcp_server(searcher, ServiceConfig(currency=currency).currency)
    if port is None:
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=port, stateless_http=True)


def mcp_server(searcher: Searcher, currency: str = "") -> MCPServer:
    """Return the server of an open index; `currency` is the ISO code of its prices."""
    server = MCPServer("windowshop", instructions=INSTRUCTIONS, version=__version__)
    _add_search(server, searcher, currency)
    _add_catalog(server, Catalog(searcher, Shaper(currency, "")))
    return server


def _add_search(server: MCPServer, searcher: Searcher, currency: str) -> None:
    @server.tool(annotations=READS)
    @_named
    def search(
        query: Annotated[str, Field(description="What a buyer would type.", max_length=4_096)],
        limit: Limit = 10,
        where: Annotated[
            str | None,
            Field(description="A filter, for example: price < 50 and brand = 'Nike'"),
        ] = None,
    ) -> Results:
        """Search products by words; prices, brands, sizes and "not" in them count as such."""
        request = SearchRequest(text=query, where=where, collapse=True, limit=limit)
        return _results(searcher.answer(request), currency)

    @server.tool(annotations=READS)
    @_named
    def similar(
        id: Annotated[str, Field(description="Id of a product.")],
        limit: Limit = 10,
        where: Annotated[str | None, Field(description="A filter.")] = None,
    ) -> Results:
        """Find products that look and read like one."""
        _row(searcher, id)
        request = SearchRequest(similar_to=id, where=where, limit=limit)
        return _results(searcher.answer(request), currency)

    @server.tool(annotations=READS)
    @_named
    def fetch(id: Annotated[str, Field(description="Id of a product.")]) -> Document:
        """Tell all that the shop says of one product."""
        row = _row(searcher, id)
        attributes = parse_attributes(row.get("attributes"))
        stated = {"currency": currency} if currency and row.get("price") is not None else {}
        facts = {**stated, **_facts(row), **attributes}
        texts = [row.get("title"), row.get("description")]
        lines = [text for text in texts if text] + [f"{name}: {x}" for name, x in facts.items()]
        return Document(
            id=id,
            title=row.get("title") or id,
            text="\n".join(lines),
            url=link_of(row) or "",
            metadata=facts,
        )


def _add_catalog(server: MCPServer, shop: Catalog) -> None:
    @server.tool(annotations=READS)
    @_named
    def search_catalog(catalog: CatalogSearch, meta: Meta = None) -> dict[str, Any]:
        """Search products by the Universal Commerce Protocol; prices are in minor units."""
        return shop.search(catalog)[0]

    @server.tool(annotations=READS)
    @_named
    def lookup_catalog(catalog: CatalogLookup, meta: Meta = None) -> dict[str, Any]:
        """Return products by ids of products or variants, by the Universal Commerce Protocol."""
        return shop.lookup(catalog)

    @server.tool(annotations=READS)
    @_named
    def get_product(catalog: CatalogProduct, meta: Meta = None) -> dict[str, Any]:
        """Return one product and its variants by the Universal Commerce Protocol."""
        return shop.product(catalog)


def _results(answer: Answer, currency: str) -> Results:
    certainty = answer.certainty
    return Results(
        results=[_found(result, currency) for result in answer.results],
        total=answer.total,
        certain=certainty is None or certainty.found == "certain",
        note=" ".join(message["content"] for message in messages_of(answer)),
    )


def _found(result: Result, currency: str) -> Found:
    priced = result.price is not None
    return Found(
        id=result.product_id,
        title=result.title or result.product_id,
        url=link_of(result.fields) or "",
        brand=result.brand,
        price=result.price,
        currency=(result.currency or currency or None) if priced else None,
        category=result.category,
    )


def _row(searcher: Searcher, product_id: str) -> Row:
    row = searcher.product(product_id)
    if row is None:
        raise SearchError(f"There is no product {product_id!r}. Search for one that there is.")
    return row


def _facts(row: Row) -> dict[str, str]:
    """Return the columns that say something of the product, as texts."""
    left = ("product_id", "title", "description", "attributes", "image", "images")
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in row.items()
        if name not in left and not name.startswith("_") and value not in (None, [])
    }


def _named(tool: Callable[Given, Told]) -> Callable[Given, Told]:
    """Let a tool tell named errors to the assistant, and nothing of others."""

    @wraps(tool)
    def told(*args: Given.args, **kwargs: Given.kwargs) -> Told:
        try:
            return tool(*args, **kwargs)
        except WindowshopError as error:
            raise ToolError(str(error)) from None

    return told
