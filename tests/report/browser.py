"""Look at a page in a real browser: ``python -m tests.report.browser PAGE``, in a process of its own.

Prints one JSON document: the violations that axe finds and how much wider than the window the page is, at
each width; what the page loaded; and the pages that it prints on. Contrast is looked at in both colour
schemes; whatever else axe looks at is the same in both. A process of its own, because Playwright and gevent
each want the event loop for themselves.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

WIDTHS = (360, 800, 1280)
SCHEMES = ("light", "dark")
LOOKS = [(width, scheme) for scheme in SCHEMES for width in WIDTHS]
_ONLY = {"resultTypes": ["violations"]}
"""Of what passes axe would describe every element."""
_CONTRAST = "color-contrast"


def find_browser() -> str | None:
    """The Chromium or Chrome of this machine; None: there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if found := shutil.which(name):
            return found
    return None


def rules(scheme: str) -> dict[str, Any]:
    """What axe is to look at."""
    return {"runOnly": {"type": "rule", "values": [_CONTRAST]}} if scheme != SCHEMES[0] else {}


def looks(browser: Browser, page: Path, scheme: Any) -> Iterator[dict[str, Any]]:
    """One look at each width: axe's violations, what scrolls sideways, what was loaded."""
    tab = browser.new_page(color_scheme=scheme)
    loaded: list[str] = []
    tab.on("request", lambda request: loaded.append(request.url))
    tab.goto(page.resolve().as_uri())
    # Folded parts are read, too.
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        found = Axe().run(tab, options={**_ONLY, **rules(scheme)}).response["violations"]
        wider = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        yield {
            "width": width,
            "scheme": scheme,
            "violations": [
                {
                    "id": each["id"],
                    "impact": each["impact"],
                    "nodes": [node["html"] for node in each["nodes"]][:3],
                }
                for each in found
            ],
            "wider_by": wider,
            "loaded": [url for url in loaded if not url.startswith(("file:", "data:"))],
        }
    tab.close()


def touched(browser: Browser, page: Path) -> dict[str, Any]:
    """Use the first chart that answers: hover over it, switch a series off, zoom in and out again."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page.resolve().as_uri())
    chart = tab.locator("figure.chart:has(svg[data-points])").first
    drawing = chart.locator("svg")
    drawing.hover()
    said = chart.locator(".tip").inner_text()
    switch = chart.locator("button").first
    name = switch.inner_text()
    switch.click()
    hidden = drawing.locator(f'[data-series="{name}"]').first.evaluate("each => each.style.display")
    whole = drawing.get_attribute("viewBox")
    chart.get_by_label("zoom in").click()
    zoomed = drawing.get_attribute("viewBox")
    chart.get_by_label("the whole chart").click()
    found = {
        "said": said,
        "pressed": switch.get_attribute("aria-pressed"),
        "hidden": hidden,
        "zooms": zoomed != whole,
        "errors": errors,
    }
    tab.close()
    return found


def printed(browser: Browser, page: Path) -> bytes:
    """The page as A4 in PDF."""
    tab = browser.new_page()
    tab.goto(page.resolve().as_uri())
    document = tab.pdf(format="A4", print_background=True)
    tab.close()
    return document


def main() -> None:
    """Look at the page named on the command line."""
    page = Path(sys.argv[1])
    with sync_playwright() as playwright:
        # Chromium refuses to run as root with its sandbox; the page is our own and loads nothing.
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        found = [look for scheme in SCHEMES for look in looks(browser, page, scheme)]
        pdf = printed(browser, page)
        answers = touched(browser, page)
        if len(sys.argv) > 2:
            Path(sys.argv[2]).write_bytes(pdf)
        browser.close()
    json.dump({"looks": found, "pdf_pages": pdf.count(b"/Type /Page\n"), "touched": answers}, sys.stdout)


if __name__ == "__main__":
    main()
