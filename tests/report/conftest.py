"""A real browser, and the page of a run that is open in it."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from unet_paper.config import PROFILES
from unet_paper.io.pixel_size import EM
from unet_paper.io.stack import read_labels, read_stack, write_stack
from unet_paper.report.run_report import write_report
from unet_paper.runs.folder import RunFolder
from unet_paper.runs.scoring import score_file

QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync") + (
    "--disable-background-networking",
    "--disable-component-update",
    "--window-size=1300,1000",
)


@pytest.fixture(scope="session")
def scored_run(make_record):
    """Makes a run whose probability is drawn: the phantom's truth, blurred, with noise; scored, and with its page."""

    def make(data, out, seed=0, pixel_size=EM):
        run, random = RunFolder(out), np.random.default_rng(seed)
        truth = read_labels(data / "test-labels.tif").pixels
        blurred = ndimage.gaussian_filter((truth > 0).astype(float), (0, 2, 2))
        noise = ndimage.gaussian_filter(random.standard_normal(truth.shape), (0, 2, 2))
        write_stack(run.volume, read_stack(data / "test-volume.tif").pixels)
        write_stack(run.labels, truth)
        write_stack(run.probability("none"), np.clip(blurred + noise, 0, 1).astype(np.float32))
        replace(make_record(PROFILES["smoke"]), name=out.name, pixel_size=pixel_size).write(run.record)
        score_file(run.labels, run.probability("none"), run.scores("none", "none"))
        write_report(out)
        return out

    return make


@pytest.fixture(scope="session")
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
def open_page(browser):
    """Opens pages, at the end of which the console must be empty."""

    def open_path(path):
        browser.get(path.as_uri())
        return Page(browser)

    yield open_path
    assert browser.get_log("browser") == []


class Page:
    """A page with a viewer."""

    def __init__(self, browser):
        self.browser = browser
        self.wait = WebDriverWait(browser, 10)
        self.loaded()

    def __call__(self, name):
        return self.browser.find_element(By.ID, name)

    def part(self, selector, pane="a"):
        """An element of a pane."""
        return self(f"pane-{pane}").find_element(By.CSS_SELECTOR, selector)

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
        """Choose the `background` or the `overlay`."""
        Select(self.part(f".{which}", pane)).select_by_value(layer)

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

    def set_beside(self):
        """See to it that two panes are shown."""
        if not self("beside").is_selected():
            self("beside").click()
        self.loaded()

    def set_theme(self, theme):
        """`light`, `dark` or `system`"""
        while self("theme").text != f"theme: {theme}":
            self("theme").click()

    def scale(self, pane="a"):
        """Screen pixels of a pixel, of sections of 128 px."""
        return self.frame(".background-picture", pane)["width"] / 128

    def frame(self, selector, pane="a"):
        """Where an element is on the screen, as it is drawn."""
        found = self.part(selector, pane)
        return self.browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", found)
