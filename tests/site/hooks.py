"""Adds to the site what lies outside of ``docs/``: the README, what pages link to, notebooks.

Pages on disk link to each other and to files of the repository, as they are read there. In the site
the first page is the README, linked Markdown files are pages of the site, notebooks are pages, and
other linked files are copied, so that every link works offline.
"""

import json
import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.config.config_options import ExtraScriptValue
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[2]
LINK: Final = re.compile(r"(!?\[[^\]]*\]\()([^)#\s]+)(#[^)\s]*)?(\))")
IN_FENCE: Final = re.compile(r"(^```.*?^```$|^    .*?$)", re.MULTILINE | re.DOTALL)
OUTSIDE: Final = "repository"
"""Where in the site files of the repository are, besides those of ``docs/``."""
NODE: Final = ROOT / ".cache/node/node_modules"
"""Put there by ``.ci/run``."""
MERMAID: Final = NODE / "mermaid/dist/mermaid.min.js"
"""Draws the diagrams. Without it a browser shows their text."""
SEARCH: Final = NODE / "iframe-worker/shim/index.js"
"""Lets a site that is read from a folder be searched."""
REMOTE_SEARCH: Final = "https://unpkg.com/iframe-worker/shim"
"""Where the theme would have a browser load it from."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and copies of what is outside of ``docs/``."""
    wanted = {
        path
        for page in files.documentation_pages()
        for path in _outside(page.content_string, page.src_uri)
    }
    _add_page(files, config, "index.md", (ROOT / "README.md").read_text("utf-8"))
    wanted |= _outside((ROOT / "README.md").read_text("utf-8"), "../README.md")
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        uri = f"notebooks/{notebook.stem}.md"
        _add_page(files, config, uri, notebook_text(json.loads(notebook.read_text("utf-8"))))
    done: set[str] = set()
    while missing := sorted(wanted - done):
        for path in missing:
            done.add(path)
            wanted |= _add_outside(files, config, path)
    for script in (MERMAID, SEARCH):
        if script.exists():
            uri = f"assets/{script.parts[len(NODE.parts)]}.js"
            files.append(File.generated(config, uri, abs_src_path=str(script)))
    if MERMAID.exists():
        config.extra_javascript.append(ExtraScriptValue("assets/mermaid.js"))
    return files


def on_post_page(output: str, page: Any, config: MkDocsConfig) -> str:
    """Load nothing from elsewhere."""
    there = posixpath.relpath(
        "assets/iframe-worker.js", posixpath.dirname(page.file.dest_uri) or "."
    )
    return output.replace(REMOTE_SEARCH, there)


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to where their files are in the site."""
    return map_links(markdown, lambda target: site_link(page.file.src_uri, target))


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """The same for the page of a missing page."""
    return output_content.replace(REMOTE_SEARCH, "assets/iframe-worker.js")


def site_link(page: str, target: str) -> str:
    """A link of a page, as the site has it.

    Args:
        page: Where the page is in the site.
        target: What it links to, relative to where its file is in the repository.
    """
    if "://" in target or target.startswith(("#", "mailto:")):
        return target
    own = page_origin(page)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(own), target))
    if path == "README.md":
        there = "index.md"
    elif path.startswith("docs/"):
        there = _page_of(path).removeprefix("docs/").replace(".ipynb", ".md")
    else:
        there = f"{OUTSIDE}/{_file_of(path)}"
    return posixpath.relpath(there, posixpath.dirname(page) or ".")


def page_origin(page: str) -> str:
    """Where in the repository a page's text comes from."""
    if page == "index.md":
        return "README.md"
    if page.startswith(f"{OUTSIDE}/"):
        return page.removeprefix(f"{OUTSIDE}/")
    return f"docs/{page}"


def map_links(markdown: str, change: Any) -> str:
    """A text with the targets of its links changed, but for what is code."""

    def changed(match: re.Match[str]) -> str:
        before, target, place, after = match.groups()
        return f"{before}{change(target)}{place or ''}{after}"

    parts = IN_FENCE.split(markdown)
    return "".join(part if i % 2 else LINK.sub(changed, part) for i, part in enumerate(parts))


def notebook_text(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: its texts, and its code in fences."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return "\n\n".join(
        text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in cells if text
    )


def _outside(markdown: str, page: str) -> set[str]:
    """Files outside of ``docs/`` that a page links to, by their paths in the repository."""
    found: set[str] = set()

    def note(target: str) -> str:
        if "://" not in target and not target.startswith(("#", "mailto:")):
            folder = posixpath.dirname(posixpath.join("docs", page))
            path = posixpath.normpath(posixpath.join(folder, target))
            if not path.startswith(("docs/", "README.md")):
                found.add(path)
        return target

    map_links(markdown, note)
    return found


def _file_of(path: str) -> str:
    """What is shown of a path: of a folder its README."""
    return f"{path}/README.md" if (ROOT / path).is_dir() else path


def _page_of(path: str) -> str:
    """The page that stands for a folder of the documentation: its README, or its first."""
    if not (ROOT / path).is_dir():
        return path
    pages = sorted((ROOT / path).glob("*.md")) or sorted((ROOT / path).glob("*.ipynb"))
    readme = ROOT / path / "README.md"
    return f"{path}/{(readme if readme in pages else pages[0]).name}"


def _add_outside(files: Files, config: MkDocsConfig, path: str) -> set[str]:
    """Add a file of the repository; returns what it links to itself."""
    path = _file_of(path)
    source = ROOT / path
    if not source.is_file() or files.get_file_from_path(f"{OUTSIDE}/{path}"):
        return set()
    if source.suffix != ".md":
        files.append(File.generated(config, f"{OUTSIDE}/{path}", abs_src_path=str(source)))
        return set()
    text = source.read_text("utf-8")
    _add_page(files, config, f"{OUTSIDE}/{path}", text)
    return _outside(text, posixpath.join("..", path))


def _add_page(files: Files, config: MkDocsConfig, uri: str, text: str) -> None:
    files.append(File.generated(config, uri, content=text))
