"""The page of a run in a real browser: what it shows, in which order, on which screens."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from unet_paper.cli.commands import main
from unet_paper.io.stack import read_probabilities, write_stack
from unet_paper.report.colours import COMPONENTS
from unet_paper.report.table_1 import TABLE_1
from unet_paper.report.terms import TERMS

SETTINGS = ("base_channels=2", "steps=20", "tile_size=188", "checkpoint_every=20", "tta=none", "primary=none")
CHANGES = [part for change in SETTINGS for part in ("--set", change)]
PARTS = ("viewer", "metrics", "curves", "more", "terms-explained", "files")  # of a page, from its top


@pytest.fixture(scope="module")
def run(small_phantom, tmp_path_factory):
    """A run, from its training to its report, as it is typed."""
    out = tmp_path_factory.mktemp("results") / "phantom" / "seed-0"
    files = [str(out / name) for name in ("evaluation-volume.tif", "probability-none.tif", "evaluation-labels.tif")]
    commands = (
        ["train", "--data", str(small_phantom), "--out", str(out), "--profile", "smoke", "--device", "cpu", *CHANGES],
        ["predict", "--weights", str(out / "weights.pt"), *files[:2], "--tta", "none", "--device", "cpu"],
        ["score", files[2], files[1], "--json", str(out / "scores.json")],
        ["report", str(out)],
    )
    for command in commands:
        assert main(command) == 0
    return out


@pytest.fixture
def page(open_page, run):
    """The run's page, just opened."""
    return open_page(run / "index.html")


def test_the_table_has_the_rows_of_the_paper_and_of_the_run(page, run):
    text = page("metrics").text
    for _, group, warping, rand, pixel in TABLE_1:
        assert f"{group} {warping:.6f} {rand:.4f} {pixel:.4f}" in text
    scores = json.loads((run / "scores.json").read_text())
    assert f"one pass {scores['warping_error']:.6f} {scores['rand_error']:.4f} {scores['pixel_error']:.4f}" in text
    assert "NOT the ISBI stack" in text


def test_it_is_one_file_that_asks_for_nothing_from_elsewhere(run):
    text = (run / "index.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"#][^"]*)"', text)
    assert addresses and all(":" not in address or address == "data:," for address in addresses)
    assert all((run / address).is_file() for address in addresses if ":" not in address)
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", text) and "@import" not in text


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
        page.set_theme(theme)
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
    assert "missed membrane" in page("terms-explained").text and "missed background" not in page("terms-explained").text
    assert "run.json" in page("files").text
    tops = [page.browser.execute_script("return arguments[0].offsetTop", page(name)) for name in PARTS]
    assert tops == sorted(tops)


def test_a_short_run_says_that_it_means_nothing(page):
    banner = page.browser.find_element(By.CLASS_NAME, "banner")
    assert banner.is_displayed() and "mean nothing" in banner.text and banner.rect["y"] < page("viewer").rect["y"]


def test_curves_are_in_the_page(page):
    assert [heading.text for heading in page("curves").find_elements(By.TAG_NAME, "h2")] == [
        "Loss and error in training",
        "Errors by threshold",
    ]
    assert all(svg.rect["height"] > 200 for svg in page("curves").find_elements(By.TAG_NAME, "svg"))


@pytest.mark.parametrize("theme, ground", [("light", 255), ("dark", 23)])
def test_what_it_looks_like(page, tmp_path, theme, ground):
    """A picture of the screen: the page's ground, its letters, and a section in its colours."""
    page.set_theme(theme)
    page.choose("overlay", "components")
    page("opacity").send_keys(Keys.END)
    page.loaded()
    page.browser.execute_script("document.getElementById('viewer').scrollIntoView()")
    assert page.browser.save_screenshot(str(tmp_path / f"{theme}.png"))
    screen = pixels(tmp_path / f"{theme}.png")[..., :3]
    assert (np.abs(screen[:, 2].astype(int) - ground) < 6).all()  # left of everything
    found = {tuple(colour) for colour in screen[::3, ::3].reshape(-1, 3).tolist()}
    assert len(found & set(COMPONENTS)) >= 1 and len(found) > 100


@pytest.mark.long
def test_a_report_without_the_stacks_keeps_the_viewer(run, tmp_path):
    """As in a clone, where only the pictures are."""
    clone = tmp_path / "seed-0"
    shutil.copytree(run, clone)
    for path in clone.glob("*.tif"):
        path.unlink()
    assert main(["report", str(clone)]) == 0
    assert (clone / "index.html").read_text() == (run / "index.html").read_text()


def test_a_map_that_was_not_scored_is_not_shown_beside_earlier_scores(run, tmp_path, capsys):
    clone = shutil.copytree(run, tmp_path / "clone")
    before = (clone / "index.html").read_text()
    write_stack(clone / "probability-none.tif", 1 - read_probabilities(run / "probability-none.tif").pixels)
    assert main(["report", str(clone)]) == 2 and (clone / "index.html").read_text() == before
    assert "is another map than the run's scores of none are of; score it before the report" in capsys.readouterr().err


@pytest.mark.long
def test_what_the_page_leaves_out_it_says(small_phantom, run, tmp_path):
    out = tmp_path / "unscored"
    assert main(["train", "--data", str(small_phantom), "--out", str(out), "--fold", "1/6", *CHANGES]) == 0
    assert main(["report", str(out)]) == 0
    one = tmp_path / "one.html"
    assert main(["report", str(out), f"{out.parent}/./{out.name}/", "--compare", str(one)]) == 0  # its own pictures
    assert ">1 run<" in one.read_text()
    page = (out / "index.html").read_text()
    assert "not yet scored on the 1 held out" in page and "bold row" not in page and 'id="viewer"' in page
    shutil.rmtree(out / "page")
    (out / "evaluation-volume.tif").unlink()
    assert main(["report", str(out), str(run), "--compare", str(tmp_path / "two.html")]) == 0
    both = (tmp_path / "two.html").read_text()
    assert "no viewer here: the scored sections are not in this copy" in (out / "index.html").read_text()
    assert "phantom, no metrics" in both and "no pictures for it: unscored" in both


def pixels(path):
    return np.asarray(Image.open(path).convert("RGBA"))
