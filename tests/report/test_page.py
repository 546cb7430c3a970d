"""The page of a run in a real browser: every control is used, the pictures are what was computed, and nothing fails."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains, ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from unet_paper.cli.commands import main
from unet_paper.datasets.phantom import write_phantom
from unet_paper.report.colours import COMPONENTS
from unet_paper.report.shown_threshold import THRESHOLDS
from unet_paper.report.table_1 import TABLE_1
from unet_paper.report.terms import TERMS

SETTINGS = ("base_channels=2", "steps=20", "tile_size=188", "checkpoint_every=20", "tta=none", "primary=none")
QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync") + (
    "--disable-background-networking",
    "--disable-component-update",
    "--window-size=1300,1000",
)
PARTS = ("viewer", "metrics", "curves", "more", "terms-explained", "files")  # of a page, from its top
LAYERS = ("image", "truth", "probability", "components", "errors", "weights")


def trained(data, out, seed):
    """A scored run on a phantom."""
    changes = [part for change in (*SETTINGS, f"seed={seed}") for part in ("--set", change)]
    files = [str(out / name) for name in ("evaluation-volume.tif", "probability-none.tif", "evaluation-labels.tif")]
    commands = (
        ["train", "--data", str(data), "--out", str(out), "--profile", "smoke", "--device", "cpu", *changes],
        ["predict", "--weights", str(out / "weights.pt"), *files[:2], "--tta", "none", "--device", "cpu"],
        ["score", files[2], files[1], "--json", str(out / "scores.json")],
    )
    for command in commands:
        assert main(command) == 0
    return out


@pytest.fixture(scope="module")
def runs(small_phantom, tmp_path_factory):
    """Two runs and the page that shows both."""
    folder = tmp_path_factory.mktemp("results") / "phantom"
    made = [trained(small_phantom, folder / f"seed-{seed}", seed) for seed in (0, 1)]
    assert main(["report", *map(str, made), "--compare", str(folder / "both.html")]) == 0
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium, as Debian packages it."""
    program, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not program or not driver:
        pytest.skip("no browser: Debian's packages chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


@pytest.fixture
def page(browser, runs):
    """The first run's page, just opened; at the end the console must be empty."""
    browser.get((runs[0] / "index.html").as_uri())
    yield Page(browser)
    assert browser.get_log("browser") == []


class Page:
    """A page with a viewer."""

    def __init__(self, browser):
        self.browser = browser
        self.wait = WebDriverWait(browser, 10)
        self.loaded()

    def __call__(self, name):
        return self.browser.find_element(By.ID, name)

    def loaded(self):
        """Wait until every picture has been read."""
        self.wait.until(
            lambda browser: browser.execute_script(
                "const shown = [...document.querySelectorAll('.pane:not([hidden]) img')];"
                "return shown.every(picture => picture.complete && picture.naturalWidth)"
            )
        )

    def shown(self, pane="a"):
        """File names of the background and the overlay."""
        self.loaded()
        pictures = self(f"pane-{pane}").find_elements(By.CSS_SELECTOR, ".picture")
        return [picture.get_attribute("src").rpartition("/page/")[2] for picture in pictures]

    def choose(self, which, layer, pane="a"):
        Select(self(f"pane-{pane}").find_element(By.CLASS_NAME, which)).select_by_value(layer)

    def slide(self, name, value):
        """Move a slider to a value, by its keys."""
        slider = self(name)
        slider.send_keys(Keys.HOME)
        for _ in range(value - int(slider.get_attribute("min"))):
            slider.send_keys(Keys.ARROW_RIGHT)

    def press(self, *keys):
        """Keys that go to the page, not to a control."""
        self.browser.execute_script("document.activeElement.blur()")
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def scale(self, pane="a"):
        """Screen pixels of a pixel."""
        return self.frame(".background-picture", pane)["width"] / 128

    def frame(self, selector, pane="a"):
        """Where an element is on the screen, as it is drawn."""
        found = self(f"pane-{pane}").find_element(By.CSS_SELECTOR, selector)
        return self.browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", found)


def test_the_table_has_the_papers_rows_and_the_runs(page, runs):
    text = page("metrics").text
    for _, group, warping, rand, pixel in TABLE_1:
        assert f"{group} {warping:.6f} {rand:.4f} {pixel:.4f}" in text
    scores = json.loads((runs[0] / "scores.json").read_text())
    assert f"one pass {scores['warping_error']:.6f} {scores['rand_error']:.4f} {scores['pixel_error']:.4f}" in text
    assert "NOT the ISBI stack" in text


def test_it_is_one_file_that_asks_for_nothing_from_elsewhere(runs):
    text = (runs[0] / "index.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"#][^"]*)"', text)
    assert addresses and all(":" not in address or address == "data:," for address in addresses)
    assert all((runs[0] / address).is_file() for address in addresses if ":" not in address)
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", text) and "@import" not in text


def test_layers(page):
    selects = [page("pane-a").find_element(By.CLASS_NAME, name) for name in ("background", "overlay")]
    assert [[option.get_attribute("value") for option in Select(select).options] for select in selects] == [
        list(LAYERS)
    ] * 2
    for layer in LAYERS:
        page.choose("overlay", layer)
        assert page.shown()[1].startswith(f"{layer}-000")
        page.choose("background", layer)
        assert page.shown()[0].startswith(f"{layer}-000")
    legend = page("pane-a").find_element(By.CLASS_NAME, "legend").text
    assert "weight 0" in legend
    page.choose("overlay", "errors")
    assert "split" in page("pane-a").find_element(By.CLASS_NAME, "legend").text


def test_sliders(page):
    page.choose("overlay", "errors")
    for threshold in (0, 8, 3):
        page.slide("threshold", threshold)
        assert page.shown()[1] == f"errors-000-{THRESHOLDS[threshold]:.1f}.png"
    page.slide("section", 1)
    assert page.shown() == ["image-001.png", "errors-001-0.4.png"]
    assert page("section-value").text == "section 1"
    page.slide("opacity", 0)
    overlay = page("pane-a").find_element(By.CLASS_NAME, "overlay-picture")
    assert overlay.value_of_css_property("opacity") == "0" and page("opacity-value").text == "0 %"
    page.slide("opacity", 30)
    assert overlay.value_of_css_property("opacity") == "0.3"


def test_keys(page):
    overlay = page("pane-a").find_element(By.CLASS_NAME, "overlay-picture")
    page.browser.execute_script("document.getElementById('viewer').scrollIntoView()")
    page.press("4")
    before = THRESHOLDS.index(float(page.shown()[1][-7:-4]))
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    after = min(before + 1, 8)
    assert page.shown()[1] == f"components-001-{THRESHOLDS[after]:.1f}.png"
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
    stage = page("pane-a").find_element(By.CLASS_NAME, "stage")
    left = page.frame(".background-picture")["x"]
    ActionChains(page.browser).move_to_element(stage).click_and_hold().move_by_offset(-40, 25).release().perform()
    assert page.frame(".background-picture")["x"] == pytest.approx(left - 40, abs=1)
    assert re.search(r"x \d+, y \d+ px = \d+, \d+ nm", page("pane-a").find_element(By.CLASS_NAME, "where").text)
    page("fit").click()
    assert page.scale() == pytest.approx(fitted)
    page.press("+")
    assert page.scale() == pytest.approx(2 * fitted)
    page.press("-", "0")
    assert page.scale() == pytest.approx(fitted)
    assert page("pane-a").find_element(By.CLASS_NAME, "bar").text.endswith(" nm")


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


def test_the_theme_and_the_help(page):
    def ground():
        return page.browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")

    seen = set()
    for name in ("light", "dark"):
        page("theme").click()
        assert page("theme").text == f"theme: {name}"
        seen.add(ground())
    assert len(seen) == 2
    page("theme").click()
    assert page("theme").text == "theme: system"
    assert not page("help").is_displayed()
    page("help-button").click()
    assert page("help").is_displayed()


@pytest.mark.parametrize("width, height", [(1400, 1000), (800, 900)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_whole_section_is_in_the_first_screen(page, width, height, theme):
    page.browser.set_window_size(width, height)
    try:
        page.browser.refresh()
        page.loaded()
        while page("theme").text != f"theme: {theme}":
            page("theme").click()
        inner = page.browser.execute_script("return [innerWidth, innerHeight, document.documentElement.scrollWidth]")
        picture, caption = page.frame(".background-picture"), page.frame("figcaption")
        assert picture["top"] > 0 and caption["bottom"] <= inner[1] and picture["width"] > 0.45 * inner[1]
        assert inner[2] <= inner[0]  # nothing makes the page scroll sideways
    finally:
        page.browser.set_window_size(1300, 1000)


def test_a_term_is_explained_where_it_is_met(page):
    page.choose("overlay", "errors")
    bubble = page("meaning")
    page.browser.execute_script("document.activeElement.blur()")
    assert not bubble.is_displayed()
    for name, place in (
        ("threshold", ".controls"),
        ("split", ".legend"),
        ("merger", ".legend"),
        ("warping error", "#metrics"),
        ("Rand error", "#metrics"),
    ):
        word = next(
            found
            for found in page.browser.find_elements(By.CSS_SELECTOR, f"{place} .term")
            if found.is_displayed() and found.text == name
        )
        page.browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", word)
        page.wait.until(lambda _, sentence=TERMS[name]: bubble.text == sentence)
        page.browser.execute_script("document.activeElement.blur()")
        assert not bubble.is_displayed()
    ActionChains(page.browser).move_to_element(page("next-error")).perform()
    page.wait.until(lambda _: bubble.is_displayed())
    assert "cuts into several" in bubble.text and "joins into one" in bubble.text


def test_all_but_viewer_table_and_curves_is_folded(page):
    folded = page.browser.find_elements(By.TAG_NAME, "details")
    assert [part.get_attribute("id") for part in folded] == ["more", "terms-explained", "files"]
    for part in folded:
        assert part.get_attribute("open") is None
        part.find_element(By.TAG_NAME, "summary").click()
    assert "V_rand" in page("more").text and TERMS["merger"] in page("terms-explained").text
    assert "run.json" in page("files").text
    tops = [page.browser.execute_script("return arguments[0].offsetTop", page(name)) for name in PARTS]
    assert tops == sorted(tops)


def test_all_start_at_one_threshold_and_say_why(page, runs):
    best = json.loads((runs[0] / "scores.json").read_text())["best_threshold"]["warping_error"]
    assert page("threshold-value").text == f"{min(max(best, 0.1), 0.9):.1f}"
    assert page("threshold-why").text == "here the warping error is least"
    page("threshold").send_keys(Keys.ARROW_LEFT if best > 0.5 else Keys.ARROW_RIGHT)
    assert page("threshold-why").text == ""


def test_a_short_run_says_that_it_means_nothing(page):
    banner = page.browser.find_element(By.CLASS_NAME, "banner")
    assert banner.is_displayed() and "mean nothing" in banner.text and banner.rect["y"] < page("viewer").rect["y"]


def test_lengths_have_units_that_fit(browser, runs, tmp_path):
    """The bar of an image of large pixels tells micrometres."""
    clone = tmp_path / "coarse"
    shutil.copytree(runs[0], clone)
    record = json.loads((clone / "run.json").read_text())
    record["pixel_size_nm"] = [650.0, 650.0, 0.0]
    (clone / "run.json").write_text(json.dumps(record))
    assert main(["report", str(clone)]) == 0
    browser.get((clone / "index.html").as_uri())
    page = Page(browser)
    assert page("pane-a").find_element(By.CLASS_NAME, "bar").text == "20 µm"
    ActionChains(browser).move_to_element(page("pane-a").find_element(By.CLASS_NAME, "stage")).perform()
    assert re.search(r"px = \d+\.\d\d, \d+\.\d\d µm", page("pane-a").find_element(By.CLASS_NAME, "where").text)


def test_curves_are_in_the_page(page):
    assert [heading.text for heading in page("curves").find_elements(By.TAG_NAME, "h2")] == [
        "Loss and error in training",
        "Errors by threshold",
    ]
    assert all(svg.rect["height"] > 200 for svg in page("curves").find_elements(By.TAG_NAME, "svg"))


@pytest.mark.parametrize("theme, ground", [("light", 255), ("dark", 23)])
def test_what_it_looks_like(page, tmp_path, theme, ground):
    """A picture of the screen: the page's ground, its letters, and a section in its colours."""
    while page("theme").text != f"theme: {theme}":
        page("theme").click()
    page.choose("overlay", "components")
    page("opacity").send_keys(Keys.END)
    page.loaded()
    page.browser.execute_script("document.getElementById('viewer').scrollIntoView()")
    assert page.browser.save_screenshot(str(tmp_path / f"{theme}.png"))
    screen = pixels(tmp_path / f"{theme}.png")[..., :3]
    assert (np.abs(screen[:, 2].astype(int) - ground) < 6).all()  # left of everything
    found = {tuple(colour) for colour in screen[::3, ::3].reshape(-1, 3).tolist()}
    assert len(found & set(COMPONENTS)) >= 1 and len(found) > 100


def test_two_runs_side_by_side(browser, runs):
    browser.get((runs[0].parent / "both.html").as_uri())
    page = Page(browser)
    if not page("beside").is_selected():
        page("beside").click()
    page.loaded()
    sources = [
        page(f"pane-{name}").find_element(By.CLASS_NAME, "overlay-picture").get_attribute("src") for name in "ab"
    ]
    assert ["seed-0/page" in sources[0], "seed-1/page" in sources[1]] == [True, True]
    Select(page("pane-b").find_element(By.CLASS_NAME, "run-choice")).select_by_visible_text("seed-0")
    assert page("pane-b").find_element(By.CLASS_NAME, "overlay-picture").get_attribute("src") == sources[0]
    assert page("metrics").text.count("phantom, test stack") == 2
    page("beside").click()
    assert not page("pane-b").is_displayed()
    assert browser.get_log("browser") == []


def test_runs_of_different_sizes_and_strange_names(browser, runs, tmp_path):
    """Both panes show the same part of their sections, whatever these measure and their folders are called."""
    write_phantom(tmp_path / "data", train_sections=2, test_sections=1, size=80)
    small = trained(tmp_path / "data", tmp_path / "small #1, 50% ä?", 0)
    assert main(["report", str(runs[0]), str(small), "--compare", str(tmp_path / "both.html")]) == 0
    browser.get((tmp_path / "both.html").as_uri())
    page = Page(browser)
    if not page("beside").is_selected():
        page("beside").click()
    page.loaded()

    def middles():
        found = []
        for pane in "ab":
            stage, picture = page.frame(".stage", pane), page.frame(".background-picture", pane)
            found.append((stage["x"] + stage["width"] / 2 - picture["x"]) / picture["width"])
        return found

    assert middles() == pytest.approx([0.5, 0.5], abs=0.01)
    page("zoom-in").click()
    stage = page("pane-a").find_element(By.CLASS_NAME, "stage")
    ActionChains(browser).move_to_element(stage).click_and_hold().move_by_offset(60, 0).release().perform()
    assert middles()[0] == pytest.approx(middles()[1], abs=0.01) and middles()[0] < 0.49
    page.slide("section", 1)  # the small run has one only
    assert "another section" in page("pane-b").find_element(By.CLASS_NAME, "where").text
    assert browser.get_log("browser") == []


def test_a_pane_that_is_hidden_gets_no_keys(page):
    if not page("beside").is_selected():
        page("beside").click()
    page("pane-b").find_element(By.CLASS_NAME, "stage").click()
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
    stage = page("pane-a").find_element(By.CLASS_NAME, "stage")
    fitted = page.scale()
    ActionChains(page.browser).scroll_from_origin(ScrollOrigin.from_element(stage), 0, -120).perform()
    assert page.scale() == pytest.approx(fitted)
    stage.click()
    ActionChains(page.browser).scroll_from_origin(ScrollOrigin.from_element(stage), 0, -300).perform()
    assert page.scale() > 1.5 * fitted


def test_a_report_without_the_stacks_keeps_the_viewer(runs, tmp_path):
    """As in a clone, where only the pictures are."""
    clone = tmp_path / "seed-0"
    shutil.copytree(runs[0], clone)
    for path in clone.glob("*.tif"):
        path.unlink()
    assert main(["report", str(clone)]) == 0
    assert (clone / "index.html").read_text() == (runs[0] / "index.html").read_text()


def test_what_the_page_leaves_out_it_says(small_phantom, runs, tmp_path):
    out = tmp_path / "unscored"
    changes = [part for change in SETTINGS for part in ("--set", change)]
    assert main(["train", "--data", str(small_phantom), "--out", str(out), "--fold", "1/6", *changes]) == 0
    assert main(["report", str(out)]) == 0
    page = (out / "index.html").read_text()
    assert "not yet scored on the 1 held out" in page and "bold row" not in page and 'id="viewer"' in page
    shutil.rmtree(out / "page")
    (out / "evaluation-volume.tif").unlink()
    assert main(["report", str(out), str(runs[0]), "--compare", str(tmp_path / "two.html")]) == 0
    both = (tmp_path / "two.html").read_text()
    assert "no viewer here" in (out / "index.html").read_text()
    assert "phantom, no metrics" in both and "no pictures for it: unscored" in both


def test_pictures_that_are_not_there_are_said_to_be_missing(browser, runs, tmp_path):
    shutil.copy(runs[0] / "index.html", tmp_path)
    browser.get((tmp_path / "index.html").as_uri())
    missing = browser.find_element(By.CSS_SELECTOR, "#pane-a .missing")
    WebDriverWait(browser, 10).until(lambda _: missing.is_displayed())
    assert "not in this copy" in missing.text
    browser.get_log("browser")  # each picture that was not found is named there


def pixels(path):
    return np.asarray(Image.open(path).convert("RGBA"))
