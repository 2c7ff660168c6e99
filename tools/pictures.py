"""Write the screenshots of README and docs: the pages, over an index of the demo's shop.

A copy of the index is served, without what was edited in it, so that it stays as it is.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from tools.dist import free_port, wait_for
from tools.packages import ROOT

IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 150_000
LEFT_OUT = ("*.lock", "page.yaml", "workbench", "rules.yaml", "synonyms.yaml")
CARD = ".card[data-id]"
MEASURED = '.measure[aria-busy="false"] .means'


def page(tab: Page, address: str) -> None:
    """Search on the shop's page."""
    tab.goto(f"{address}/?q=red+checked+dress")
    tab.wait_for_selector(f"#cards:not([aria-busy]) {CARD}")


def measure(tab: Page, address: str) -> None:
    """Raise the weight of words, and open the query that lost most."""
    tab.goto(f"{address}/workbench?do=measure&set=data")
    tab.wait_for_selector(f"{MEASURED} td b")
    weight = tab.locator('[data-path="text.channels.words.weight"] input[type=number]')
    weight.fill("0.8")
    weight.press("Enter")
    tab.wait_for_selector(f'{MEASURED} [data-side="difference"]')
    tab.locator(".query").first.click()
    tab.wait_for_selector(f".pair {CARD}")
    tab.wait_for_selector(f".pair.judging {CARD}:focus")  # which scrolls to it
    tab.evaluate("window.scrollTo(0, 0)")


def rules(tab: Page, address: str) -> None:
    """Pin the sixth product of a search, and explain the first one beside it."""
    tab.goto(f"{address}/workbench?do=rules&q=red+dress")
    tab.wait_for_selector(f".pair {CARD}")
    changed = tab.locator(".pair .column").nth(1)
    changed.get_by_text("Pin to the top").nth(5).click()
    tab.wait_for_selector('.pair [data-move="down"]')
    tab.locator(".pair .column").first.locator(".why summary").first.click()
    tab.evaluate("window.scrollTo(0, 0)")


PICTURES: dict[str, tuple[Callable[[Page, str], None], int]] = {
    "page": (page, 800),
    "measure": (measure, 1200),
    "rules": (rules, 800),
}
"""Name of each, what is done before it is taken, and its height in pixels."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a copy of the index of a demo's folder; its address."""
    port = free_port()
    with tempfile.TemporaryDirectory() as temporary:
        index = Path(temporary) / "demo" / "index"
        shutil.copytree(folder / "index", index, ignore=shutil.ignore_patterns(*LEFT_OUT))
        command = [sys.executable, "-m", "windowshop", "serve", str(index), "--port", str(port)]
        service = subprocess.Popen([*command, "--judged", str(folder / "data")])
        try:
            address = f"http://127.0.0.1:{port}"
            try:
                wait_for(f"{address}/ready", service)
            except OSError:
                sys.exit("The service did not start: see above. Make the demo first (`make demo`).")
            yield address
        finally:
            service.terminate()
            service.wait()


def main(folder: Path) -> None:
    """Take every picture, and write it unless it is too large."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("No chromium on the path: install Debian's package `chromium`.")
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for name, (prepare, height) in PICTURES.items():
            size: ViewportSize = {"width": 1400, "height": height}
            tab = browser.new_page(viewport=size, color_scheme="light", reduced_motion="reduce")
            prepare(tab, address)
            tab.mouse.move(0, 0)
            tab.wait_for_load_state("networkidle")
            content = io.BytesIO()
            Image.open(io.BytesIO(tab.screenshot())).save(content, "WEBP", quality=80, method=6)
            if len(content.getvalue()) > MAX_BYTES:
                sys.exit(f"{name}: {len(content.getvalue())} bytes, more than {MAX_BYTES}.")
            (IMAGES / f"{name}.webp").write_bytes(content.getvalue())
            print(f"{name}.webp: {len(content.getvalue())} bytes")
        browser.close()


if __name__ == "__main__":
    main(ROOT / "build" / "demo" if len(sys.argv) < 2 else Path(sys.argv[1]))
