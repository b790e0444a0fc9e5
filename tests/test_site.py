"""The documentation: its commands are good ones, and it builds into a site that needs nothing from elsewhere."""

import functools
import http.server
import re
import shlex
import threading
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from tests.scripts import ROOT, load_script

import segbench
from segbench.configuration.arguments import arranged
from segbench.configuration.schema import validate

# docs/extending.md is executed as a whole (test_extending.py); its classes are in no folder here.
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "extending.md")


def commands():
    """What the pages give to run.py, a line of a block or between backticks, up to a comment or a closing word."""
    found = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        typed = re.findall(r"(?:python src/run\.py|segbench run) ([^`\n]+)", text)
        found += [(page.stem, line.partition(" # ")[0].strip()) for line in typed]
    return sorted({item for item in found if "..." not in item[1] and "--" not in item[1]})


@pytest.mark.slow
@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_of_the_documentation_is_a_valid_configuration(compose, page, line):
    parts = [part for part in shlex.split(line) if part != "-m"]
    own = [part for part in arranged(parts) if not part.startswith(("hydra", "--"))]
    if "-m" in shlex.split(line) or re.search(r"=[^\[{]*,", line):
        own = [re.sub(r"interval\((.*)\)", r"\1", part) for part in own]
        ((own, *_), *_) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(own), None)
    validate(compose(*own))


def test_the_citation_is_of_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == segbench.__version__


def test_links_lead_from_page_to_page():
    hook = load_script("docs/site.py")
    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    text = "[a](docs/own-data.md#one) [b](results/README.md) ![c](docs/survey.png) [d](https://x.org/docs/y) [e](#f)"
    assert hook.on_page_markdown(text, page, None, None) == (
        "[a](own-data.md#one) [b](results/overview.md) ![c](survey.png) [d](https://x.org/docs/y) [e](#f)"
    )
    page.file.src_uri = "results/digits.md"
    assert (
        hook.on_page_markdown("[a](../docs/scores.md) [b](README.md)", page, None, None)
        == "[a](../scores.md) [b](overview.md)"
    )


def test_the_notebook_is_a_page_of_text_code_and_what_it_showed():
    page = load_script("docs/site.py").as_markdown((ROOT / "docs" / "first_comparison.ipynb").read_text())
    assert page.startswith("# ")
    assert "```python\nfrom segbench.api import" in page
    # Blank lines would end the table for Markdown.
    shown = re.findall(r'<div class="shown">.*?</div>', page, flags=re.DOTALL)
    assert len(shown) >= 2
    assert not any("\n\n" in table for table in shown)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder))
        assert config.strict
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
    return folder


@pytest.mark.slow
def test_every_link_of_the_site_has_its_target(site):
    pages = {path: _read(path) for path in site.rglob("*.html")}
    assert len(pages) > 25
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"(https?|mailto|data|javascript):", link) or path.name == "404.html":
                continue
            name, _, anchor = unquote(link).partition("#")
            target = path if not name else (path.parent / name.partition("?")[0]).resolve()
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path.name}: {link}"
            if anchor and target in pages and not anchor.startswith("__"):
                assert anchor in pages[target].anchors, f"{path.name}: {link}"
        assert not [url for url in page.loaded if url.startswith(("http", "//"))], path.name


@pytest.mark.slow
def test_every_public_name_of_the_interface_is_in_the_reference(site):
    from segbench import api, losses, models

    anchors = _read(site / "reference.html").anchors
    public = [f"segbench.api.{name}" for name in api.__all__ if name != "Predictor"]
    public += [f"segbench.models.{name}" for name in models.__all__] + [
        f"segbench.losses.{name}" for name in losses.__all__
    ]
    assert len(public) > 20
    assert not [name for name in public if name not in anchors]


@pytest.mark.slow
@pytest.mark.browser
def test_pages_fit_a_narrow_screen_ask_no_other_host_and_can_be_searched(site, browser):
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_address[1]}/"
        page = browser.new_page(viewport={"width": 400, "height": 800})
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        for path in sorted(site.rglob("*.html")):
            page.goto(home + path.relative_to(site).as_posix())
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, path.name
        page.set_viewport_size({"width": 1400, "height": 800})
        page.goto(home + "index.html")
        page.fill("input.md-search__input", "jackknife")
        page.wait_for_selector(".md-search-result__link[href*='statistics.html']", timeout=60_000, state="attached")
        assert not [url for url in asked if not url.startswith((home, "data:", "blob:"))]
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.anchors, self.loaded = [], set(), []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors.update(found[key] for key in ("id", "name") if found.get(key))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") != "canonical" and found.get("href"):
            self.loaded.append(found["href"])
            self.links.append(found["href"])
        elif tag in {"script", "img", "source", "iframe"} and found.get("src"):
            self.loaded.append(found["src"])
            self.links.append(found["src"])


def _read(path):
    page = _Page()
    page.feed(path.read_text())
    return page
