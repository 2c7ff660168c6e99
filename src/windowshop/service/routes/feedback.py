"""Routes of feedback, events and judgements."""

from collections.abc import Iterable
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from windowshop.service.http.bodies import json_body, parse, read_json
from windowshop.service.http.errors import ServiceError, from_validation
from windowshop.service.http.event_requests import (
    InsightsBody,
    InsightsEvent,
    Report,
    UbiBody,
    UbiEvent,
)
from windowshop.service.http.requests import Event, FeedbackBody, JudgementBody
from windowshop.service.http.responses import (
    EventsAnswer,
    IgnoredEvent,
    Judgement,
    JudgementsAnswer,
    NotedAnswer,
)
from windowshop.service.state import ServiceState

ACTIONS = get_args(Event)


def feedback_routes(service: ServiceState) -> APIRouter:
    """Return the router; what a call sends is committed before it is acknowledged."""
    router = APIRouter(tags=["feedback"])

    @router.post("/feedback", openapi_extra=json_body(FeedbackBody))
    async def feedback(request: Request) -> NotedAnswer:
        """Report a click, a product put into the cart, or a purchase, under its search."""
        body = await read_json(request, FeedbackBody)
        is_new = await service.noting.run(lambda: _settled(service, body))
        return NotedAnswer(status="noted" if is_new else "known")

    @router.post("/events", openapi_extra=json_body(UbiBody))
    async def events(request: Request) -> EventsAnswer:
        """Report clicks, carts and purchases in the form of User Behavior Insights 1.3."""
        body = await read_json(request, UbiBody)
        return await service.noting.run(lambda: _note(service, body.root))

    @router.post("/1/events", openapi_extra=json_body(InsightsBody))
    async def insights(request: Request) -> EventsAnswer:
        """Report clicks, carts and purchases as InstantSearch front ends do."""
        body = parse(await request.body(), InsightsBody)
        return await service.noting.run(lambda: _note(service, body.events))

    @router.post("/judgements", openapi_extra=json_body(JudgementBody))
    async def judge(request: Request) -> NotedAnswer:
        """Grade a product for a query, 0 to 3; a judge's latest counts, and null takes it away."""
        body = await read_json(request, JudgementBody)
        await service.noting.run(lambda: service.judgements.add(body))
        return NotedAnswer(status="noted")

    @router.get("/judgements")
    async def judgements(
        query: Annotated[str, Query(max_length=1_000)],
        judge: Annotated[str | None, Query(max_length=256)] = None,
    ) -> JudgementsAnswer:
        """The grades of a query, of all judges together or of one."""
        found = await service.noting.run(lambda: service.judgements.of(query, judge))
        return JudgementsAnswer(judgements=[Judgement(**grade) for grade in found])

    return router


def _note(service: ServiceState, events: Iterable[UbiEvent | InsightsEvent]) -> EventsAnswer:
    """Note what events report; those ignored are named by their place in the request."""
    counts = {True: 0, False: 0}
    ignored = []
    for at, report in ((at, one) for at, event in enumerate(events) for one in event.reports()):
        outcome = _noted(service, report)
        if isinstance(outcome, str):
            ignored.append(IgnoredEvent(event=at, reason=outcome))
        else:
            counts[outcome] += 1
    return EventsAnswer(
        status=200, message="OK", noted=counts[True], known=counts[False], ignored=ignored
    )


def _settled(service: ServiceState, body: FeedbackBody) -> bool:
    """Log an event under its search, which may still wait to be recorded."""
    service.typed.settle(body.search_id)
    return _logged(service, body)


def _logged(service: ServiceState, body: FeedbackBody) -> bool:
    """Log an event and count it, unless it is known; returns whether it was new."""
    is_new = service.feedback.event(body)
    if is_new:
        service.metrics.events.labels(body.event).inc()
    return is_new


def _noted(service: ServiceState, report: Report) -> bool | str:
    """Note a report; returns whether it was new, or why it cannot be noted."""
    if report.action not in ACTIONS:
        return f"{report.action!r} is none of {', '.join(ACTIONS)}."
    position = report.position
    try:
        service.typed.settle(report.search_id)
        if position is None:
            position = service.feedback.position(report.search_id, report.product_id)
        if position is None:
            return "The event has no position, and its search did not show the product."
        body = FeedbackBody(
            search_id=report.search_id,
            product_id=report.product_id,
            position=position,
            event=report.action,  # type: ignore[arg-type]
        )
        return _logged(service, body)
    except ValidationError as error:
        if any(found["loc"] == ("search_id",) for found in error.errors()):
            return f"The event's query {report.search_id!r} is not the search_id of an answer."
        return str(from_validation(error))
    except ServiceError as error:
        if error.code != "unknown_search":
            raise
        return str(error)
