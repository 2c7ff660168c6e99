"""Routes of the workbench: sets of queries, runs of them, and searches by changed settings."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from windowshop.errors import ConfigError
from windowshop.service.bench.edits import Edited
from windowshop.service.bench.knobs import knobs_of
from windowshop.service.http.bench_requests import (
    BenchSearchBody,
    FileBody,
    FileName,
    RunBody,
    SetBody,
    SettingsBody,
    SnapshotBody,
    UndoBody,
)
from windowshop.service.http.bodies import json_body, read_json
from windowshop.service.http.errors import ServiceError, bytes_response, json_response, to_json
from windowshop.service.http.responses import StateAnswer
from windowshop.service.state import ServiceState

Name = Annotated[str, Query(min_length=1, max_length=256)]


def bench_routes(service: ServiceState) -> APIRouter:
    """Return the router; all of it needs a key that may write."""
    router = APIRouter(tags=["workbench"])
    _add_sets(router, service)
    _add_runs(router, service)
    _add_snapshots(router, service)
    _add_settings(router, service)
    _add_files(router, service)
    return router


def _add_sets(router: APIRouter, service: ServiceState) -> None:
    sets, working = service.bench.sets, service.working

    @router.get("/workbench/sets")
    async def query_sets() -> Response:
        """Sets of queries: judged here, of the judged data, of the log, and those kept here.

        `problems` tell which cannot be read.
        """
        found = await working.run(sets.listed)
        return json_response({"sets": found.heads, "problems": found.problems})

    @router.put("/workbench/sets", openapi_extra=json_body(SetBody))
    async def put_set(request: Request) -> Response:
        """Keep a set of queries, with judgements where it has any, in place of one of its name."""
        body = await read_json(request, SetBody)
        added = await working.run(lambda: sets.add(body.name, body.content).head())
        return json_response(added)

    @router.delete("/workbench/sets")
    async def delete_set(name: Name) -> StateAnswer:
        """Delete a set that was kept."""
        await working.run(lambda: sets.delete(name))
        return StateAnswer(status="done")

    @router.get("/workbench/agreement")
    async def agreement() -> Response:
        """Agreement of judges who graded the same pairs: kappa with quadratic weights."""
        return json_response({"agreements": await working.run(service.bench.agreements)})


def _add_runs(router: APIRouter, service: ServiceState) -> None:
    bench, working = service.bench, service.working

    async def told() -> Response:
        run = bench.runs.latest
        about = None if run is None else await working.run(lambda: bench.told(run))
        return json_response({"run": about})

    @router.post("/workbench/run", openapi_extra=json_body(RunBody))
    async def start(request: Request) -> Response:
        """Measure a set on one or two sides in the background; one run at a time."""
        body = await read_json(request, RunBody)
        for side in body.sides:
            bench.check(side)
        queries = await working.run(lambda: bench.queries(body))
        bench.runs.start(body, queries)
        return await told()

    @router.get("/workbench/run")
    async def state() -> Response:
        """The latest run: how far it is, then means, intervals, and each query's values."""
        return await told()

    @router.delete("/workbench/run")
    async def cancel() -> Response:
        """Cancel the run that is under way."""
        await bench.runs.cancel()
        return await told()


def _add_snapshots(router: APIRouter, service: ServiceState) -> None:
    bench, working = service.bench, service.working

    @router.get("/workbench/snapshots")
    async def snapshots() -> Response:
        """Snapshots, with their sets and the means that they had."""
        heads, problems = await working.run(bench.snapshots.heads)
        return json_response({"snapshots": heads, "problems": problems})

    @router.put("/workbench/snapshots", openapi_extra=json_body(SnapshotBody))
    async def put_snapshot(request: Request) -> StateAnswer:
        """Keep a side of the latest run under a name, in place of one of that name."""
        body = await read_json(request, SnapshotBody)
        await working.run(lambda: bench.save_snapshot(body.name, body.side))
        return StateAnswer(status="done")

    @router.delete("/workbench/snapshots")
    async def delete_snapshot(name: Name) -> StateAnswer:
        """Delete a snapshot."""
        await working.run(lambda: bench.snapshots.delete(name))
        return StateAnswer(status="done")


def _add_settings(router: APIRouter, service: ServiceState) -> None:
    bench = service.bench

    @router.get("/workbench/settings")
    async def settings() -> Response:
        """Settings of searches by text that can be changed, as they are served."""

        def found() -> dict[str, Any]:
            with service.pool.lease() as searcher:
                learned = tuple(searcher.learned)
                knobs = knobs_of(searcher.settings, learned=learned)
            return {"settings": [asdict(knob) for knob in knobs], "learned": learned}

        return json_response(await service.searching.run(found))

    @router.post("/workbench/search", openapi_extra=json_body(BenchSearchBody))
    async def search(request: Request) -> Response:
        """Search as a side does, with the grades that the set has of the query."""
        body = await read_json(request, BenchSearchBody)
        await service.working.run(lambda: bench.prepare(body))
        answer = await service.searching.run(lambda: bench.shown(body))
        named = body.set or "judged"
        grades = await service.working.run(lambda: bench.sets.grades(named, body.text))
        return bytes_response(b'{"answer":' + answer + b',"grades":' + to_json(grades) + b"}")


def _add_files(router: APIRouter, service: ServiceState) -> None:
    edits, administering = service.bench.edits, service.administering

    @router.put("/workbench/settings", openapi_extra=json_body(SettingsBody))
    async def save_settings(request: Request) -> Edited:
        """Write changed settings as the current generation's search.yaml, and search by them."""
        body = await read_json(request, SettingsBody)
        return await administering.run(lambda: edits.save_settings(body.changes))

    @router.get("/workbench/file")
    async def read_file(name: FileName) -> Edited:
        """A file that searches follow, as it lies in the folder."""
        return await administering.run(lambda: edits.read(name))

    @router.put("/workbench/file", openapi_extra=json_body(FileBody))
    async def write_file(request: Request) -> Edited:
        """Write rules.yaml or synonyms.yaml, once it is checked, and search by it."""
        body = await read_json(request, FileBody)
        return await administering.run(lambda: edits.write(body.name, body.text, body.version))

    @router.post("/workbench/undo", openapi_extra=json_body(UndoBody))
    async def undo(request: Request) -> Edited:
        """Take the latest edit of a file back."""
        body = await read_json(request, UndoBody)
        return await administering.run(lambda: edits.undo(body.name))

    @router.post("/admin/reread")
    async def reread() -> StateAnswer:
        """Search by the settings, rules and synonyms that lie in the folder now."""
        try:
            await administering.run(service.pool.reread)
        except ConfigError as error:
            message = str(error).replace(f"{service.pool.folder}/", "")
            raise ServiceError(409, "cannot_reread", message) from None
        return StateAnswer(status="done")
