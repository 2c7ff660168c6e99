"""Routes of feedback and judgements."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from windowshop.service.http.bodies import json_body, read_json
from windowshop.service.http.requests import FeedbackBody, JudgementBody
from windowshop.service.http.responses import Judgement, JudgementsAnswer, NotedAnswer
from windowshop.service.state import ServiceState


def feedback_routes(service: ServiceState) -> APIRouter:
    """Return the router; what a call sends is committed before it is acknowledged."""
    router = APIRouter(tags=["feedback"])

    @router.post("/feedback", openapi_extra=json_body(FeedbackBody))
    async def feedback(request: Request) -> NotedAnswer:
        """Report a click, a product put into the cart, or a purchase, under its search."""
        body = await read_json(request, FeedbackBody)
        is_new = await service.noting.run(lambda: service.feedback.event(body))
        if is_new:
            service.metrics.events.labels(body.event).inc()
        return NotedAnswer(status="noted" if is_new else "known")

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
