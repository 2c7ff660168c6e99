"""Generated requests of every described call: none may be answered with a fault of ours."""

import shutil

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.services import serving

EXAMPLES = 15
"""Of each call and kind of data."""


@pytest.fixture(scope="module")
def client(colours_index, tmp_path_factory):
    index = shutil.copytree(colours_index, tmp_path_factory.mktemp("schema") / "index")
    with serving(index) as client:
        yield client


@pytest.fixture(scope="module")
def calls(client):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    return {operation.ok().label: operation.ok() for operation in schema.get_all_operations()}


CALLS = [
    "POST /search",
    "GET /search",
    "POST /search/image",
    "GET /products/{id}/similar",
    "GET /facets",
    "GET /suggest",
    "GET /products/{id}",
    "GET /products/{id}/photo",
    "PUT /products",
    "DELETE /products",
    "POST /feedback",
    "POST /judgements",
    "GET /judgements",
    "POST /ucp/catalog/search",
    "POST /ucp/catalog/lookup",
    "POST /ucp/catalog/product",
    "POST /1/indexes/*/queries",
    "POST /1/indexes/{index}/query",
    "POST /1/indexes/{index}/facets/{facet}/query",
    "POST /1/events",
    "POST /events",
    "PUT /workbench/sets",
    "DELETE /workbench/sets",
    "POST /workbench/run",
    "POST /workbench/search",
    "PUT /workbench/snapshots",
    "DELETE /workbench/snapshots",
    "PUT /workbench/settings",
    "GET /workbench/file",
    "PUT /workbench/file",
    "POST /workbench/undo",
    "GET /info",
    "GET /page",
    "GET /workbench/sets",
    "GET /workbench/run",
    "GET /workbench/snapshots",
    "GET /workbench/agreement",
    "DELETE /workbench/run",
    "GET /workbench/settings",
    "POST /admin/switch",
    "POST /admin/rollback",
    "POST /admin/optimise",
    "POST /admin/compact",
    "POST /admin/reread",
    "GET /health",
    "GET /ready",
    "GET /metrics",
    "GET /.well-known/ucp",
]


def test_every_call_is_described(calls):
    assert set(calls) == set(CALLS)


TAKE_ANYTHING = {"GET /products/{id}", *CALLS[-17:]} - {"POST /admin/switch"}
"""Nothing that could be sent to them is wrong by its form."""
WRONG = [label for label in CALLS if label not in TAKE_ANYTHING]
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
PLANS = [(label, GenerationMode.POSITIVE) for label in CALLS]
PLANS += [(label, GenerationMode.NEGATIVE) for label in WRONG]


@pytest.mark.parametrize(("label", "mode"), PLANS)
def test_generated_requests_are_answered_as_described(client, calls, label, mode):
    @given(case=calls[label].as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case):
        kwargs = case.as_transport_kwargs(base_url="http://localhost")
        sent = requests.Request(**kwargs).prepare()
        told = client.request(
            sent.method, sent.url, content=sent.body or b"", headers=dict(sent.headers)
        )
        case.validate_response(told, checks=CHECKS)

    check()
