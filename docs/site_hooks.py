"""Put files of the repository that the pages link to into the site."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\(\.\./([^)#\s]+)")


def on_files(files: Files, *, config: Any) -> Files:  # noqa: ANN401
    """Add every linked file outside docs/ at its own path."""
    pages = [page.read_text(encoding="utf-8") for page in Path(config.docs_dir).glob("*.md")]
    for name in sorted({name for page in pages for name in LINK.findall(page)}):
        if files.get_file_from_path(name) is None:
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:  # noqa: ANN401
    """Point links at where those files lie in the site."""
    if "/" in page.file.src_uri:
        return markdown
    return LINK.sub(lambda link: f"]({link[1]}", markdown)
