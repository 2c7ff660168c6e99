"""README and docs say what is so: commands parse, links and named files exist, versions agree."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml
from tools.pictures import MAX_BYTES, PICTURES

import windowshop
from windowshop.cli.entry import app
from windowshop.config import TrainConfig, load_config
from windowshop.model.fusion import FUSIONS
from windowshop.study.config import base_training, load_study
from windowshop.study.seed import stages_of

ROOT = Path(__file__).parent.parent
TOP = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]


def shell_lines(page):
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def commands_of_the_docs():
    """Every `windowshop ...` line of a shell block."""
    return [
        pytest.param(line, id=f"{page.name}: {line}")
        for page in PAGES
        for line in shell_lines(page)
        if line.startswith("windowshop ")
    ]


@pytest.mark.parametrize("line", commands_of_the_docs())
def test_every_command_of_the_docs_parses(line):
    name, *arguments = shlex.split(line)[1:]
    command = typer.main.get_command(app).commands[name]
    context = command.make_context(name, arguments, resilient_parsing=False)
    assert context.params


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_named_in_the_text_exist(page):
    named = set(re.findall(r"`windowshop ([a-z-]+)", page.read_text(encoding="utf-8")))
    assert named <= set(typer.main.get_command(app).commands)


def test_the_two_commands_are_make_targets():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    used = [line.split()[1] for line in shell_lines(ROOT / "README.md") if line.startswith("make ")]
    assert used == ["demo", "test"]
    assert set(used) <= set(targets)


def test_every_page_is_in_the_navigation_of_the_site():
    named = re.findall(r"(\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == [path.name for path in sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and not (target.exists() and anchor in ("", *anchors(target))):
            broken.append(link)
    assert broken == []


def anchors(page):
    """Anchors of the headings of a page."""
    if page.suffix != ".md":
        return []
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return [heading.strip().replace(" ", "-") for heading in plain]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_architecture_names_every_package():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text.split("| package | what it does |")[1].split("\n\n")[0]
    packages = {path.parent.name for path in (ROOT / "src" / "windowshop").glob("*/__init__.py")}
    assert set(re.findall(r"^\| \[`(\w+)`\]", table, re.MULTILINE)) == packages


def test_the_picture_of_the_packages_has_each():
    drawn = (ROOT / "docs" / "images" / "packages.svg").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "src" / "windowshop").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"\w+", drawn))


def test_screenshots_are_small_and_stand_in_a_page_with_their_text():
    texts = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    files = {path.stem: path.stat().st_size for path in (ROOT / "docs" / "images").glob("*.webp")}
    assert set(files) == set(PICTURES)
    assert max(files.values()) <= MAX_BYTES
    for name in files:
        assert re.search(rf"!\[[^\]]{{20,}}\]\((docs/)?images/{name}\.webp\)", texts)


def test_the_changelog_begins_with_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (
        re.search(r"^## \[([^\]]+)\]", changelog, re.MULTILINE).group(1) == windowshop.__version__
    )


def test_the_training_page_has_the_default_shares_of_the_text_views():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    table = page.split("## Text views")[1].split("## ")[0]
    rows = dict(re.findall(r"\| (\S.*?) \| ([\d.]+) \|$", table, re.MULTILINE))
    found = {key.split(" | ")[1].strip("`"): float(share) for key, share in rows.items()}
    for stage in TrainConfig().stages:
        shares = {n: getattr(stage, n) for n in found if n.endswith("_share")}
        assert set(shares) == {
            f"{view}_share" for view in ("title", "description", "category", "bare_title")
        }
        assert found == {**shares, "what the others leave": 1 - sum(shares.values())}


def settings_of_the_docs(key, *, without=""):
    """Every YAML block of README and docs that has the key, and not the other, with its place."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"```ya?ml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for place, block in enumerate(blocks):
            content = yaml.safe_load(block)
            if key in content and without not in content:
                found.append(pytest.param(block, id=f"{page.name}-{place}"))
    assert found
    return found


@pytest.mark.parametrize("block", settings_of_the_docs("stages", without="variants"))
def test_every_training_of_the_docs_can_be_run(block, tmp_path):
    (tmp_path / "train.yaml").write_text(block)
    assert load_config(tmp_path / "train.yaml").trains_encoders


@pytest.mark.parametrize("block", settings_of_the_docs("variants"))
def test_every_study_of_the_docs_can_be_run(block, tmp_path):
    (tmp_path / "study.yaml").write_text(block)
    study = load_study(tmp_path / "study.yaml")
    base = base_training(study)
    for variant in study.variants:
        assert stages_of(base, variant, study.seeds[0]).stages


def test_the_training_page_has_the_default_settings():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    loss = TrainConfig().loss
    for share in (loss.drop_image, loss.drop_text, loss.wrong_image):
        assert f"({share:.0%})" in page
    assert f"{loss.text_image} L(t,v)" in page
    assert f"{loss.masked} L(q, p without image)" in page
    assert all(f"`{name}`" in page for name in FUSIONS if name != "experts")
