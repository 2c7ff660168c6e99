"""Bodies of requests as an ASGI application receives them."""

import asyncio


def body(*parts, pause=0.0):
    """A `receive` that gives these parts."""
    left = iter(
        [
            {"type": "http.request", "body": part, "more_body": i + 1 < len(parts)}
            for i, part in enumerate(parts)
        ]
    )

    async def receive():
        await asyncio.sleep(pause)
        return next(left, {"type": "http.disconnect"})

    return receive


async def drained(receive):
    content = b""
    while True:
        message = await receive()
        content += message["body"]
        if not message["more_body"]:
            return content
