"""The built book in a browser, from file://: mathematics, figures, answers, no noise, nothing from outside."""

import os
import shutil

import pytest

from book import ROOT, pages

HTML = ROOT / "_build/html"
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
# The theme tells its own doings at this level; what matters is a warning or an error.
CHATTER = {"log", "debug", "info"}


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        reason = "no Chromium on this machine, so the pages were not looked at (apt-get install chromium)"
        needed = os.environ.get("VI_LAB_NEEDS_BROWSER") or os.environ.get("CI")
        pytest.fail(reason) if needed else pytest.skip(reason)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=LOOKS)
def look(request, browser):
    context = browser.new_context(**LOOKS[request.param])
    yield context
    context.close()


@pytest.fixture
def visit(look):
    """Opens a page of the book and collects what it says and what it asks for."""
    tab = look.new_page()
    tab.said, tab.asked = [], []
    tab.on("console", lambda message: message.type in CHATTER or tab.said.append(message.text))
    tab.on("pageerror", lambda error: tab.said.append(str(error)))
    tab.on("requestfailed", lambda request: tab.said.append(f"failed: {request.url}"))
    tab.on("request", lambda request: tab.asked.append(request.url))

    def open_page(name):
        tab.goto((HTML / f"{name}.html").as_uri())
        tab.wait_for_load_state("networkidle")
        tab.wait_for_function("() => !window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)")
        return tab

    yield open_page
    tab.close()


@pytest.mark.parametrize("name", pages())
def test_a_page_is_whole_and_keeps_to_itself(visit, name):
    tab = visit(name)
    assert tab.said == []
    assert [url for url in tab.asked if not url.startswith(("file://", "data:"))] == []
    assert tab.locator("mjx-merror").count() == 0
    assert "{glue" not in tab.inner_text("article")
    written = tab.locator("article span.math, article div.math")
    assert written.count() == tab.locator("article :is(span.math, div.math):has(mjx-container)").count()
    for image in tab.locator("article img").all():
        source = image.get_attribute("src")
        assert image.get_attribute("alt"), f"{source} has no alternative text"
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)"), f"{source} is not shown"
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(wide) <= 0, "the page scrolls sideways"


@pytest.mark.parametrize("name", [page for page in pages() if page.removeprefix("chapters/")[0].isdigit()])
def test_a_chapter_has_mathematics_figures_and_predictions(visit, name):
    tab = visit(name)
    assert tab.locator("article mjx-container").count() > 10
    assert tab.locator("article figure img").count() >= 3
    assert tab.locator(".prediction").count() >= 3
    assert tab.locator("sup.claim a").count() >= 3


def test_a_prediction_is_answered_by_the_keyboard(visit):
    tab = visit("intro")
    choices = tab.locator("#intro-predict details")
    summaries = tab.locator("#intro-predict summary")
    summaries.nth(0).focus()
    tab.keyboard.press("Enter")
    assert choices.nth(0).evaluate("choice => choice.open")
    assert choices.nth(0).locator(".prediction-verdict").inner_text() == "Not quite."
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    assert choices.nth(1).evaluate("choice => choice.open")
    assert choices.nth(1).locator(".prediction-verdict").inner_text() == "Yes."
    assert not choices.nth(0).evaluate("choice => choice.open"), "one answer at a time"
    assert tab.get_by_role("group", name="You read a page").count() == 1


TABBED = [path.stem for path in sorted(ROOT.glob("chapters/*.md")) if "{tab-set}" in path.read_text("utf8")]


@pytest.mark.parametrize("name", TABBED)
def test_tabs_are_changed_by_the_keyboard(visit, name):
    tab = visit(f"chapters/{name}")
    tabs = tab.locator(".sd-tab-set").first
    shown = [content.is_visible() for content in tabs.locator("> .sd-tab-content").all()]
    assert shown == [True] + [False] * (len(shown) - 1)
    tabs.locator("> input").first.focus()
    tab.keyboard.press("ArrowRight")
    assert tabs.locator("> .sd-tab-content").nth(1).is_visible()
    outlined = "label => getComputedStyle(label).outlineStyle"
    assert tabs.locator("> input:focus + label").evaluate(outlined) != "none", "which tab has the focus is not seen"
    assert tab.said == []


def test_figures_stand_on_the_panel_that_their_colors_were_chosen_for(browser):
    context = browser.new_context(**LOOKS["dark"])
    tab = context.new_page()
    tab.goto((HTML / "chapters/01-what-is-kl.html").as_uri())
    panel = tab.locator("article figure img").first.evaluate("image => getComputedStyle(image).backgroundColor")
    context.close()
    assert panel == "rgb(233, 236, 240)"  # #e9ecf0, as in tests/test_plots.py


def test_a_claim_leads_to_its_proof_and_back(visit):
    tab = visit("chapters/01-what-is-kl")
    mark = tab.locator("sup.claim a").first
    name = mark.get_attribute("aria-label").removeprefix("How this claim is proved: ")
    mark.click()
    tab.wait_for_url(f"**/claims.html#claim-{name}")
    tab.locator(f"#claim-{name}").click()
    tab.wait_for_url(f"**/01-what-is-kl.html#claimed-{name}")


def test_predictions_can_be_read_without_scripts(browser):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((HTML / "intro.html").as_uri())
    tab.locator("#intro-predict summary").first.click()
    assert tab.locator("#intro-predict .prediction-reason").first.is_visible()
    context.close()
