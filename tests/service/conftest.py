import shutil
from pathlib import Path

import pytest

AXE = Path(__file__).parent / "axe"


@pytest.fixture(scope="session")
def page_index(tmp_path_factory, colours_model):
    """An index of the shop of `browsing`, in two generations."""
    from support.browsing import index_shop

    return index_shop(colours_model, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def page_address(page_index):
    """Where that shop is served, with its page."""
    from support.browsing import served

    with served(page_index) as address:
        yield address


@pytest.fixture
def open_page(browser, page_address):
    """Opens an address of the shop's page; what the console complained of fails the test."""
    contexts, complaints = [], []

    def open_at(query="", address=page_address, expected=(), **options):
        contexts.append(browser.new_context(**{"reduced_motion": "reduce", **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))

        def heard(message):
            if message.type in ("error", "warning") and not any(
                x in message.text for x in expected
            ):
                complaints.append(message.text)

        page.on("console", heard)
        page.goto(address + query)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def axe_script(tmp_path_factory):
    """The checker of accessibility, as a script."""
    from support.npm import install

    folder = shutil.copytree(AXE, tmp_path_factory.mktemp("axe") / "axe")
    install(folder)
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def violations(axe_script):
    """Returns what axe finds on a page, by rule."""

    def found(page):
        page.evaluate(f"() => {{ {axe_script} }}")
        told = page.evaluate("axe.run().then((found) => found.violations)")
        return {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in told}

    return found
