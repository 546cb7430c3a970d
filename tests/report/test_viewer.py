"""The viewer in a real browser: every control is used, the pictures are what was computed, and nothing fails."""

import json
import re
import shutil

import pytest
from selenium.webdriver.common.action_chains import ActionChains, ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from unet_paper.datasets.phantom import write_phantom
from unet_paper.io.pixel_size import PixelSize
from unet_paper.metrics import Scores
from unet_paper.report.comparison import write_comparison
from unet_paper.report.shown_threshold import VIEWER_THRESHOLDS, shown_threshold, why_shown

LAYERS = ("image", "truth", "probability", "components", "errors", "weights")


@pytest.fixture(scope="module")
def runs(small_phantom, scored_run, tmp_path_factory):
    """Two runs and the page that shows both."""
    folder = tmp_path_factory.mktemp("results") / "phantom"
    made = [scored_run(small_phantom, folder / f"seed-{seed}", seed) for seed in (0, 1)]
    write_comparison(folder / "both.html", made)
    return made


@pytest.fixture
def page(open_page, runs):
    """The first run's page, just opened."""
    return open_page(runs[0] / "index.html")


def test_layers(page):
    selects = [page.part(f".{name}") for name in ("background", "overlay")]
    assert [[option.get_attribute("value") for option in Select(select).options] for select in selects] == [
        list(LAYERS)
    ] * 2
    for layer in LAYERS:
        page.choose("overlay", layer)
        assert page.shown()[1].startswith(f"{layer}-000")
        page.choose("background", layer)
        assert page.shown()[0].startswith(f"{layer}-000")
    legend = page.part(".legend").text
    assert "weight 0" in legend
    page.choose("overlay", "errors")
    assert "split" in page.part(".legend").text


@pytest.mark.long
def test_sliders(page):
    page.choose("overlay", "errors")
    for threshold in (0, 8, 3):
        page.slide("threshold", threshold)
        assert page.shown()[1] == f"errors-000-{VIEWER_THRESHOLDS[threshold]:.1f}.png"
    page.slide("section", 1)
    assert page.shown() == ["image-001.png", "errors-001-0.4.png"]
    assert page("section-value").text == "section 1"
    page.slide("opacity", 0)
    overlay = page.part(".overlay-picture")
    assert overlay.value_of_css_property("opacity") == "0" and page("opacity-value").text == "0 %"
    page.slide("opacity", 30)
    assert overlay.value_of_css_property("opacity") == "0.3"


def test_keys(page):
    overlay = page.part(".overlay-picture")
    page.browser.execute_script("document.getElementById('viewer').scrollIntoView()")
    page.press("4")
    before = VIEWER_THRESHOLDS.index(float(page.shown()[1][-7:-4]))
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    after = min(before + 1, 8)
    assert page.shown()[1] == f"components-001-{VIEWER_THRESHOLDS[after]:.1f}.png"
    page.press(Keys.ARROW_LEFT, Keys.ARROW_DOWN, "3")
    assert page.shown()[1] == "probability-000.png"
    ActionChains(page.browser).key_down(Keys.SHIFT).send_keys("2").key_up(Keys.SHIFT).perform()
    assert page.shown()[0] == "truth-000.png"
    page.press(" ")
    assert overlay.value_of_css_property("opacity") == "0"
    page.press(" ", "o")
    assert overlay.value_of_css_property("opacity") == "0.6"
    page.press("p", "p")
    assert overlay.value_of_css_property("opacity") == "0.8"
    page.press("s")
    beside = page("pane-b").is_displayed()
    page.press("s")
    assert page("pane-b").is_displayed() != beside
    page.press("?")
    assert page("help").is_displayed()
    page.press("c")
    assert page("circles").is_selected()


def test_zoom_keeps_pixels_sharp(page):
    fitted = page.scale()
    page("zoom-in").click()
    page("zoom-in").click()
    assert page.scale() == pytest.approx(4 * fitted)
    for picture in page("pane-a").find_elements(By.CLASS_NAME, "picture"):
        assert picture.value_of_css_property("image-rendering") == "pixelated"
    page("zoom-out").click()
    assert page.scale() == pytest.approx(2 * fitted)
    stage = page.part(".stage")
    left = page.frame(".background-picture")["x"]
    ActionChains(page.browser).move_to_element(stage).click_and_hold().move_by_offset(-40, 25).release().perform()
    assert page.frame(".background-picture")["x"] == pytest.approx(left - 40, abs=1)
    assert re.search(r"x \d+, y \d+ px = \d+, \d+ nm", page.part(".where").text)
    page("fit").click()
    assert page.scale() == pytest.approx(fitted)
    page.press("+")
    assert page.scale() == pytest.approx(2 * fitted)
    page.press("-", "0")
    assert page.scale() == pytest.approx(fitted)
    assert page.part(".bar").text.endswith(" nm")


def test_circles_are_where_splits_and_mergers_are(page, runs):
    described = json.loads((runs[0] / "page" / "page.json").read_text())
    most = max(range(9), key=lambda threshold: len(described["spots"][0][threshold]))
    assert described["spots"][0][most], "a network of 20 steps without a single split or merger"
    page.slide("threshold", most)
    page("circles").click()
    circles = page("pane-a").find_elements(By.CSS_SELECTOR, ".spots circle")
    found = [
        [
            float(circle.get_attribute("cx")) - 0.5,
            float(circle.get_attribute("cy")) - 0.5,
            circle.get_attribute("class"),
        ]
        for circle in circles
    ]
    assert found == [[x, y, kind] for x, y, _, kind in described["spots"][0][most]]
    page("next-error").click()
    stage, circle = page.frame(".stage"), page.frame(".spots circle")
    assert stage["x"] - 1 <= circle["x"] + circle["width"] / 2 <= stage["x"] + stage["width"] + 1


def test_it_starts_at_the_threshold_of_the_figures_and_says_why(page, runs):
    scores = Scores.from_json(json.loads((runs[0] / "scores.json").read_text()))
    assert page("threshold-value").text == str(shown_threshold(scores))
    assert page("threshold-why").text == f"here {why_shown(scores)}"
    page.slide("threshold", 0 if shown_threshold(scores) > 0.5 else 8)
    assert page("threshold-why").text == ""


@pytest.mark.long
def test_lengths_have_units_that_fit(open_page, small_phantom, scored_run, tmp_path):
    """The bar of an image of large pixels tells micrometres."""
    page = open_page(scored_run(small_phantom, tmp_path / "coarse", pixel_size=PixelSize(650.0, 650.0)) / "index.html")
    assert page.part(".bar").text == "20 µm"
    ActionChains(page.browser).move_to_element(page.part(".stage")).perform()
    assert re.search(r"px = \d+\.\d\d, \d+\.\d\d µm", page.part(".where").text)


def test_two_runs_side_by_side(open_page, runs):
    page = open_page(runs[0].parent / "both.html")
    page.set_beside()
    sources = [page.part(".overlay-picture", name).get_attribute("src") for name in "ab"]
    assert ["seed-0/page" in sources[0], "seed-1/page" in sources[1]] == [True, True]
    Select(page.part(".run-choice", "b")).select_by_visible_text("seed-0")
    assert page.part(".overlay-picture", "b").get_attribute("src") == sources[0]
    assert page("metrics").text.count("phantom, test stack") == 2
    assert "seed-0: the warping" in page("threshold-why").text  # whose threshold it is
    assert page.frame(".stage")["y"] == page.frame(".stage", "b")["y"]
    page("beside").click()
    assert not page("pane-b").is_displayed()


@pytest.mark.long
def test_runs_of_different_sizes_and_strange_names(open_page, runs, scored_run, tmp_path):
    """Both panes show the same part of their sections, whatever these measure and their folders are called."""
    write_phantom(tmp_path / "data", train_sections=2, test_sections=1, size=80)
    small = scored_run(tmp_path / "data", tmp_path / "small #1, 50% ä?")
    write_comparison(tmp_path / "both.html", [runs[0], small])
    page = open_page(tmp_path / "both.html")
    page.set_beside()

    def middles():
        found = []
        for pane in "ab":
            stage, picture = page.frame(".stage", pane), page.frame(".background-picture", pane)
            found.append((stage["x"] + stage["width"] / 2 - picture["x"]) / picture["width"])
        return found

    assert middles() == pytest.approx([0.5, 0.5], abs=0.01)
    page("zoom-in").click()
    stage = page.part(".stage")
    ActionChains(page.browser).move_to_element(stage).click_and_hold().move_by_offset(60, 0).release().perform()
    assert middles()[0] == pytest.approx(middles()[1], abs=0.01) and middles()[0] < 0.49
    page.slide("section", 1)  # the small run has one only
    assert "another section" in page.part(".where", "b").text


def test_a_pane_that_is_hidden_gets_no_keys(page):
    page.set_beside()
    page.part(".stage", "b").click()
    page.press("2")
    assert page.shown("b")[1] == "truth-000.png" and page.shown("a")[1] != "truth-000.png"
    page.press("s", "2")
    assert page.shown("a")[1] == "truth-000.png"


def test_the_page_scrolls_unless_the_viewer_is_used(page):
    def scrolled():
        return page.browser.execute_script("return window.scrollY")

    page.browser.execute_script("document.getElementById('curves').scrollIntoView()")
    before = scrolled(), page("threshold-value").text
    page.press(Keys.ARROW_DOWN, "s")  # keys of the viewer, which is out of sight
    assert page("threshold-value").text == before[1]
    page.browser.execute_script("document.getElementById('viewer').scrollIntoView()")
    stage = page.part(".stage")
    fitted = page.scale()
    ActionChains(page.browser).scroll_from_origin(ScrollOrigin.from_element(stage), 0, -120).perform()
    assert page.scale() == pytest.approx(fitted)
    stage.click()
    ActionChains(page.browser).scroll_from_origin(ScrollOrigin.from_element(stage), 0, -300).perform()
    assert page.scale() > 1.5 * fitted


def test_pictures_that_are_not_there_are_said_to_be_missing(browser, runs, tmp_path):
    shutil.copy(runs[0] / "index.html", tmp_path)
    browser.get((tmp_path / "index.html").as_uri())
    missing = browser.find_element(By.CSS_SELECTOR, "#pane-a .missing")
    WebDriverWait(browser, 10).until(lambda _: missing.is_displayed())
    assert "not in this copy" in missing.text
    browser.get_log("browser")  # each picture that was not found is named there
