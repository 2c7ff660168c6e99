"""Tools for assistants, called by the client of the protocol's own package."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from ucp_sdk.models.schemas.shopping.catalog_lookup import GetProductResponse, LookupResponse
from ucp_sdk.models.schemas.shopping.catalog_search import SearchResponse

from windowshop.search import open_searcher
from windowshop.service.agents.mcp_tools import mcp_server

TOOLS = {"search", "fetch", "similar", "search_catalog", "lookup_catalog", "get_product"}


@pytest.fixture(scope="module")
def server(page_index):
    searcher = open_searcher(page_index, read_only=True)
    yield mcp_server(searcher, "EUR")
    searcher.close()


def asking(server, *calls):
    """Answers of tools; the last element is the list of tools."""

    async def run():
        async with Client(server) as client:
            told = [await client.call_tool(name, given) for name, given in calls]
            return [*told, await client.list_tools()]

    return asyncio.run(run())


def content(told):
    assert not told.is_error, told.content
    assert json.loads(told.content[0].text) == told.structured_content
    return told.structured_content


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_every_tool_is_described_and_reads_only(server):
    (listed,) = asking(server)
    assert {tool.name for tool in listed.tools} == TOOLS
    for tool in listed.tools:
        assert tool.description
        assert tool.annotations.read_only_hint


def test_products_are_found_and_fetched(server):
    found, *_ = asking(server, ("search", {"query": "nike red shoe", "limit": 3}))
    results = content(found)["results"]
    assert len(results) == 3
    assert content(found)["certain"]
    assert {"Nike"} == {result["brand"] for result in results}
    assert {"EUR"} == {result["currency"] for result in results}
    fetched, alike, _ = asking(
        server,
        ("fetch", {"id": results[0]["id"]}),
        ("similar", {"id": results[0]["id"], "where": "brand = 'Puma'"}),
    )
    document = content(fetched)
    assert document["title"] == results[0]["title"]
    assert document["metadata"]["colour"] in document["title"]
    assert document["metadata"]["currency"] == "EUR"
    assert "Made by Nike." in document["text"]
    assert {"Puma"} == {result["brand"] for result in content(alike)["results"]}


def test_what_was_not_found_is_said(server):
    told, _ = asking(server, ("search", {"query": "qwrtzp"}))
    assert not content(told)["certain"]
    assert content(told)["note"]


@pytest.mark.parametrize(("tool", "given", "message"), [
    ("search", {"query": "shoe", "where": "prize < 3"}, "prize"),
    ("fetch", {"id": "nothing"}, "no product 'nothing'"),
    ("similar", {"id": "nothing"}, "no product 'nothing'"),
    ("search", {"query": "shoe", "limit": 0}, "limit"),
])  # fmt: skip
def test_an_assistant_is_told_what_was_wrong(server, tool, given, message):
    told, _ = asking(server, (tool, given))
    assert told.is_error
    assert message in told.content[0].text


def test_the_catalogue_answers_by_the_protocols_models(server):
    meta = {"ucp-agent": {"profile": "https://agent.example/profile"}}
    calls = [
        ("search_catalog", {"meta": meta, "catalog": {"query": "shoe"}}, SearchResponse),
        ("lookup_catalog", {"meta": meta, "catalog": {"ids": ["g1", "p3"]}}, LookupResponse),
        ("get_product", {"catalog": {"id": "g1"}}, GetProductResponse),
    ]
    *answers, _ = asking(server, *[call[:2] for call in calls])
    for told, (_, _, model) in zip(answers, calls, strict=True):
        model.model_validate(content(told))


def test_the_command_serves_by_stdio(colours_index):
    command = ["-m", "windowshop", "mcp", str(colours_index)]

    async def run():
        transport = stdio_client(
            StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
        )
        async with Client(transport) as client:
            return await client.call_tool("search", {"query": "red shoe"})

    assert content(asyncio.run(run()))["results"]


def test_the_command_serves_by_http(colours_index):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "windowshop", "mcp", str(colours_index), "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            end = time.monotonic() + 60
            while not listens(port):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.2)
            told, listed = asking(f"http://127.0.0.1:{port}/mcp", ("search", {"query": "red shoe"}))
            assert content(told)["results"]
            assert {tool.name for tool in listed.tools} == TOOLS
        finally:
            process.terminate()
