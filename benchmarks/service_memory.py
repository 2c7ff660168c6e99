"""Memory of `windowshop serve` while it takes the largest photos there may be, and after.

    python benchmarks/service_memory.py INDEX DATA --json benchmarks/results/service_memory.json

A copy of the index is served on loopback. Idle is the resident memory once the model is loaded and
one small photo was written. Then come, each after the other: one write of many products, every one
with a PNG of 60 megapixels; four photo searches at once; and a photo search of each format. The
peak is over samples taken ten times a second.
"""

import argparse
import base64
import http.client
import io
import json
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from kept_figures import write_figures
from PIL import Image
from service import Server, free_port

from windowshop.data import read_dataset

WIDTH, HEIGHT = 8000, 7500
SAMPLE_S, SETTLE_S = 0.1, 5.0
FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": 50, "method": 0},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "JPEG": {"quality": 70},
    "JPEG, progressive": {"quality": 70, "progressive": True, "subsampling": 0},
}


class Memory:
    """Resident memory of a process, watched by a thread."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.idle = 0.0

    def now(self) -> float:
        """Megabytes."""
        lines = self._status.read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def over_idle(self, work: Callable[[], object]) -> dict[str, float]:
        """Do some work; its seconds, and the megabytes over idle at its peak and after it."""
        ended, peak = threading.Event(), [0.0]

        def watch() -> None:
            while not ended.wait(SAMPLE_S):
                peak[0] = max(peak[0], self.now())

        watcher = threading.Thread(target=watch)
        watcher.start()
        begun = time.perf_counter()
        work()
        took = time.perf_counter() - begun
        time.sleep(SETTLE_S)
        ended.set()
        watcher.join()
        return {
            "seconds": round(took, 1),
            "peak_over_idle_mb": round(peak[0] - self.idle),
            "after_over_idle_mb": round(self.now() - self.idle),
        }


def picture(number: int, kind: str) -> bytes:
    """An image file of 60 megapixels, another for each number."""
    y_H1, x_1W = np.ogrid[:HEIGHT, :WIDTH]
    pixels_HW3 = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels_HW3[..., 0] = x_1W * 255 // WIDTH
    pixels_HW3[..., 1] = y_H1 * 255 // HEIGHT
    pixels_HW3[..., 2] = number * 10 % 256
    buffer = io.BytesIO()
    Image.fromarray(pixels_HW3).save(buffer, kind.partition(",")[0], **FORMATS[kind])
    return buffer.getvalue()


def put(port: int, images: list[bytes]) -> None:
    """Write one product an image, all in one body."""
    rows = [
        {"product_id": f"large {i}", "title": "large", "photo_base64": base64.b64encode(c).decode()}
        for i, c in enumerate(images)
    ]
    status, answer = asked(port, "PUT", "/products", json.dumps({"products": rows}).encode())
    if status != 200 or any(r["status"] != "upserted" or "problem" in r for r in answer["results"]):
        raise SystemExit(f"{status}: {answer}")


def search(port: int, image: bytes) -> None:
    """Search by an image."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
    body = head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    status, answer = asked(port, "POST", "/search/image", body, kind)
    if status != 200:
        raise SystemExit(f"{status}: {answer}")


def asked(
    port: int, method: str, path: str, body: bytes, kind: str = "application/json"
) -> tuple[int, Any]:
    """Status and JSON of a call."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request(method, path, body, {"Content-Type": kind})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def together(calls: list[Callable[[], None]]) -> None:
    """Make all calls at once."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(server: Server, count: int) -> dict[str, Any]:
    """Figures of one server."""
    memory, port = Memory(server.pid), server.port
    small = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(small, "PNG")
    put(port, [small.getvalue()])
    search(port, small.getvalue())
    time.sleep(SETTLE_S)
    memory.idle = memory.now()
    images = [picture(number, "PNG") for number in range(count)]
    figures: dict[str, Any] = {
        "idle_mb": round(memory.idle),
        "photos": count,
        "megapixels": WIDTH * HEIGHT // 10**6,
        "write": memory.over_idle(lambda: put(port, images)),
        "searches": memory.over_idle(
            lambda: together([lambda image=image: search(port, image) for image in images[:4]])  # type: ignore[misc]
        ),
    }
    figures["formats"] = {}
    for kind in FORMATS:
        image = picture(0, kind)
        figures["formats"][kind] = memory.over_idle(lambda image=image: search(port, image))  # type: ignore[misc]
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index = shutil.copytree(options.index, Path(folder) / "index")
        command = [sys.executable, "-m", "windowshop", "serve", str(index)]
        server = Server(command, free_port())
        try:
            figures = measure(server, options.photos)
        finally:
            server.close()
    write_figures(figures, options.json, read_dataset(options.data))


if __name__ == "__main__":
    main()
