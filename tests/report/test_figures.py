"""The figures of the paper: figure 1 is the network's own pass, and every figure is written whole, with a caption."""

import dataclasses

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from PIL import Image

from unet_paper.augmentation import source_coordinates
from unet_paper.config import PROFILES, Config
from unet_paper.io.pixel_size import EM
from unet_paper.io.stack import read_stack, write_sections, write_stack
from unet_paper.metrics import Scores
from unet_paper.network import UNet
from unet_paper.report import run_report
from unet_paper.report.figures import _of_two_classes, figures_of, write_figures
from unet_paper.report.figures.cell_figures import UNKNOWN
from unet_paper.report.figures.deformation_figure import draw_deformations, shown_deformations
from unet_paper.report.figures.network_figure import draw_network, operations
from unet_paper.report.figures.section_figures import (
    draw_segmentation,
    draw_tile,
    draw_weight_figure,
    drawn_tile,
    show_cells,
    shown_cells,
)
from unet_paper.report.panels import length_text, round_length, row_of_panels
from unet_paper.report.shown_threshold import VIEWER_THRESHOLDS
from unet_paper.report.viewer.run_page import write_section_pictures
from unet_paper.runs.folder import RunFolder
from unet_paper.weight_map import weight_map

# Figure 1 of the paper: (channels, px) of every map, the joined ones included.
FIGURE_1 = (
    *((64, 570), (64, 568), (64, 284), (128, 282), (128, 280), (128, 140), (256, 138), (256, 136), (256, 68)),
    *((512, 66), (512, 64), (512, 32), (1024, 30), (1024, 28)),
    *((1024, 56), (512, 54), (512, 52), (512, 104), (256, 102), (256, 100), (256, 200), (128, 198), (128, 196)),
    *((128, 392), (64, 390), (64, 388), (2, 388)),
)


@pytest.mark.long
def test_figure_1_is_the_papers():
    watched = operations(UNet().eval(), 572)
    maps = [(step.channels, step.size) for step in watched if step.kind not in ("up-conv 2x2", "copy and crop")]
    assert tuple(maps) == FIGURE_1
    assert [step.channels for step in watched if step.kind == "up-conv 2x2"] == [512, 256, 128, 64]
    crops = [(step.before, step.size) for step in watched if step.kind == "copy and crop"]
    assert crops == [(64, 56), (136, 104), (280, 200), (568, 392)]
    kinds = [step.kind for step in watched]
    assert all(step.relu == (step.kind == "conv 3x3") for step in watched)
    assert kinds.count("conv 3x3") == 18 and kinds.count("conv 1x1") == 1 and kinds.count("max pool 2x2") == 4


def test_figure_1_follows_the_network():
    """Another network gives another drawing: its texts are the maps' channels and sizes."""
    figure = draw_network(UNet(base_channels=8, classes=3).eval(), 188)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"8", "128", "3", "188²", "4²", "184² cropped to 8²"} <= set(texts) and "1024" not in texts


@pytest.fixture
def run_and_record(small_phantom, tmp_path, make_record):
    """A run's folder with sections, truth and probability, as far as figures need them."""
    run = RunFolder(tmp_path / "run")
    labels = read_stack(small_phantom / "test-labels.tif").pixels
    write_stack(run.volume, read_stack(small_phantom / "test-volume.tif").pixels)
    write_stack(run.labels, labels)
    write_stack(run.probability("none"), (labels > 0).astype(np.float32))
    config = dataclasses.replace(PROFILES["smoke"], tile_size=188, base_channels=2)
    return run, make_record(config)


def test_the_releases_variant_is_drawn_as_it_is():
    watched = operations(UNet(base_channels=4, variant="release").eval(), 188)
    assert all(step.relu for step in watched if step.kind == "up-conv 2x2")
    assert [step.channels for step in watched if step.kind == "join"][-1] == 12
    draw_network(UNet(base_channels=4, variant="release").eval(), 188)


def test_a_padded_network_is_drawn_as_it_is():
    """What it cuts off its image and its last map is copied nowhere; what it copies is whole."""
    network = UNet(base_channels=4, padding="zeros").eval()
    crops = [(step.kind, step.before, step.size) for step in operations(network, 188) if "crop" in step.kind]
    assert crops == [
        ("crop", 188, 16),
        *(("copy and crop", size, size) for size in (2, 4, 8, 16)),
        ("crop", 16, 4),
    ]
    texts = {text.get_text() for text in draw_network(network, 188).axes[0].texts}
    assert {"188²", "16² copied", "2² copied", "4²"} <= texts and not any("cropped" in text for text in texts)


def test_ignored_pixels_weigh_nothing_and_hold_no_error(run_and_record):
    """As in training and in the metrics: in figure 3, its caption and the page's pictures."""
    run, record = run_and_record
    labels = read_stack(run.labels).pixels[:1]
    for path in (run.volume, run.probability("none")):
        write_stack(path, read_stack(path).pixels[:1])
    unknown = np.arange(128)[None] + 0 * labels < 50
    write_stack(run.labels, np.where(unknown, 0, labels))
    write_stack(run.unknown, unknown)
    (caption, figure), *_ = _of_two_classes(run, record, None, record.config, labels[0], "what", None)
    mask, weights = (axis.images[-1].get_array() for axis in figure.axes[2:4])
    assert not weights[unknown[0]].any() and weights[~unknown[0]].all()
    assert (mask[unknown[0]] == UNKNOWN).all() and set(mask[~unknown[0]]) == {0, 1}
    assert "and gray what is ignored" in caption.text and "weights run from 0.00 to" in caption.text
    pictures, _ = write_section_pictures(run, record)
    assert pictures.spots == [[[]] * len(VIEWER_THRESHOLDS)]
    for path in run.pictures.glob("errors-*.png"):
        assert not np.asarray(Image.open(path).convert("RGBA"))[..., 3].any()


def test_what_is_cell_beside_splits_and_mergers_is_what_it_is_for_them(run_and_record, monkeypatch):
    """The 0.6 of an 8-bit map is above 0.6 in double precision alone."""
    run, record = run_and_record
    is_cell = read_stack(run.labels).pixels > 0
    write_stack(run.probability("none"), np.where(is_cell, 153 / 255, 0).astype(np.float32))
    drawn = []
    monkeypatch.setattr(run_report, "draw_result", lambda *_, **__: None)
    monkeypatch.setattr(run_report, "draw_warping_errors", lambda _, kinds, background, *__: drawn.append(background))
    run_report.draw_scored_sections(run, record, Scores(0, 0, 0, {"warping_error": 0.6}, sections=2))
    assert np.array_equal(drawn[0] == 1, is_cell)


@pytest.mark.long
def test_all_figures(run_and_record):
    run, record = run_and_record
    scores = Scores(0.001, 0.1, 0.05, {"warping_error": 0.4}, sections=2)
    written = write_figures(run, record, scores, EM)
    names = [caption.name for caption in written]
    assert names == [
        *("figure-1-network", "figure-2-tile", "figure-3-weight-map", "figure-4-segmentation"),
        *("figure-3-touching-cells", "elastic-deformation"),
    ]
    captions = (run.figures / "README.md").read_text()
    for caption in written:
        path = run.figures / f"{caption.name}.png"
        assert caption.text in captions and f"![{caption.first_sentence}]({path.name})" in captions
        assert caption.text.endswith(".") and caption.first_sentence.endswith(".") and caption.name not in caption.text
        assert max(Image.open(path).size) > 500
        corners = np.asarray(Image.open(path).convert("RGBA"))[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners[:, 3] == 0).all()  # the page's own ground shows, light or dark
    (drawn,) = run.figures.glob("*.svg")  # what has no pixels in it
    svg = drawn.read_text()
    assert drawn.stem == "figure-1-network" and f"({drawn.name})" in captions
    assert svg.startswith("<?xml") and "</svg>" in svg and "<text" not in svg and "font-family" not in svg
    assert all(path.stat().st_size < 1e6 for path in run.figures.iterdir())
    before = {path.name: path.read_bytes() for path in run.figures.iterdir()}
    write_figures(run, record, scores, EM)
    assert {path.name: path.read_bytes() for path in run.figures.iterdir()} == before
    assert "w_0 = 10, sigma = 5 px" in captions and "above 0.4, where the warping error is least" in captions


def test_of_sections_of_several_sizes_the_first_is_drawn_as_it_is(run_and_record):
    """Without the rim that makes it as large as the largest."""
    run, record = run_and_record
    for path in (run.volume, run.labels, run.probability("none")):
        first, second = read_stack(path).pixels[:2]
        path.unlink()
        write_sections(path, [first[:90, :100], second], ["a", "b"])
    write_sections(run.unknown, [np.zeros((90, 100), bool), np.ones((128, 128), bool)], ["a", "b"])
    drawn = {caption.name: figure for caption, figure in figures_of(run, record, None, None)}
    labels = [patch.get_label() for patch in drawn["figure-2-tile"].axes[0].patches]
    assert "image, 100 x 90 px" in labels
    for name, count in (("figure-3-weight-map", 4), ("figure-4-segmentation", 3)):
        shapes = [axis.images[-1].get_array().shape[:2] for axis in drawn[name].axes[:count]]
        assert shapes == [(90, 100)] * count


def test_figures_are_rows_that_their_panels_fill(random):
    """Panels have one height, no axes, and take most of the figure; there is one scale bar."""
    section = random.integers(0, 256, (128, 128)).astype(np.uint8)
    cells = np.kron([[1, 2], [3, 0]], np.ones((64, 64), int))
    size, deformations = shown_deformations(section.shape, 10.0, 3, seed=0)
    for figure in (
        draw_weight_figure(weight_map(cells), section, cells, cells > 0, EM),
        draw_segmentation(section, cells > 0, (cells > 0).astype(float), 0.5, EM),
        draw_deformations(section, deformations, size, EM),
    ):
        figure.draw_without_rendering()
        shown = [axis for axis in figure.axes if axis.images and not axis.axison]
        frames = [axis.get_window_extent() for axis in shown]
        assert len({round(frame.height) for frame in frames}) == 1 and len(shown) in (3, 4)
        assert sum(frame.width * frame.height for frame in frames) > 0.75 * figure.bbox.width * figure.bbox.height
        assert sum(text.get_text().endswith(" nm") for axis in shown for text in axis.findobj(Text)) == 1


@pytest.mark.parametrize("lowest", [0, 3])
def test_every_cell_has_a_colour_whether_there_is_a_background_or_not(lowest):
    cells = np.kron([[lowest, 7], [8, 9]], np.ones((20, 20), int))
    axis = Figure().add_subplot()
    show_cells(axis, cells)
    drawn = axis.images[0].get_array()
    colours = {tuple(drawn[row, column]) for row in (5, 30) for column in (5, 30) if cells[row, column]}
    assert len(colours) == np.count_nonzero(np.unique(cells)) and (0, 0, 0, 255) not in colours


def test_nothing_mirrored_is_shown_of_a_deformation():
    """Tiles come from within the image, and their turns differ."""
    for shape in ((512, 512), (300, 700)):
        size, deformations = shown_deformations(shape, 10.0, 3, seed=1)
        assert len({(found.angle, found.flip) for found in deformations}) == len(deformations) == 3
        for deformation in deformations:
            sources = source_coordinates(deformation, size).numpy()
            assert sources.min() >= 0 and (sources.max((0, 1)) < shape[::-1]).all()


def test_lengths_of_scale_bars():
    assert [length_text(round_length(nm)) for nm in (7.3, 199, 1234, 49_000, 2.1e6)] == [
        *("5 nm", "100 nm", "1 µm", "20 µm", "2 mm")
    ]
    assert [round_length(nm) for nm in (np.nextafter(100, 0), 100, np.nextafter(0.1, 0))] == [50, 100, 0.05]


@pytest.mark.long
def test_without_a_truth_there_are_fewer(run_and_record):
    run, record = run_and_record
    run.labels.unlink()
    run.probability("none").unlink()
    assert len(write_figures(run, record, None)) == 4
    run.volume.unlink()
    assert [caption.name for caption in write_figures(run, record, None)] == ["figure-1-network"]


@pytest.mark.long
def test_without_a_truth_there_is_no_figure_3(run_and_record):
    run, record = run_and_record
    run.labels.unlink()
    names = [caption.name for caption in write_figures(run, record, None)]
    assert "figure-3-weight-map" not in names and "figure-4-segmentation" in names


def test_the_configuration_comes_back_from_the_record():
    config = dataclasses.replace(PROFILES["quick"], seed=3)
    described = {name: entry["value"] for name, entry in config.described().items()}
    assert Config.from_dict(described) == config


@pytest.mark.parametrize(
    ("side", "tile", "label"),
    [
        (512, 572, "what it yields, 388 px"),
        (256, 444, "256 px of the 260 px that it yields"),
        (180, 364, "yields, 180"),
    ],
)
def test_figure_2_tells_what_its_tile_yields(side, tile, label):
    figure = draw_tile(np.zeros((side, side)))
    assert drawn_tile(np.zeros((side, side))) == (min(side, 388), tile)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels[1].startswith(f"input tile, {tile} px") and label in labels[2]


@pytest.mark.parametrize("shape", [(300, 60), (60, 300), (100, 120)])
def test_no_title_is_wider_than_its_image(shape):
    """Which would leave a strip beside the last one."""
    titles = "probability of cell", "errors, cell above 0.5: missed membrane blue, missed cell red"
    figure, axes = row_of_panels(titles, shape, 10.0)
    for axis in axes:
        axis.imshow(np.zeros(shape))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for axis, letter, title in zip(axes, "ab", titles, strict=True):
        assert " ".join(axis.get_title(loc="left").split()) == f"{letter} {title}"
        (shown,) = [part for part in axis.findobj(Text) if part.get_text() == axis.get_title("left")]
        assert shown.get_window_extent(renderer).x1 <= axis.get_window_extent(renderer).x1 + 1


def test_the_scale_bar_hides_no_number_of_a_cell():
    """Without an image it lies below the cells, which have their numbers written on them."""
    cells = np.zeros((60, 80), np.uint8)
    cells[48:, 50:] = 7
    for section, lies_below in ((None, True), (cells, False)):
        figure = draw_weight_figure(np.ones(cells.shape), section, cells)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        (bar,) = figure.axes[0].findobj(AnchoredSizeBar)
        assert (bar.get_window_extent(renderer).y1 <= figure.axes[0].get_window_extent(renderer).y0) == lies_below


def test_a_run_shows_the_numbers_that_cells_have():
    """As `weights` does; components are numbered where all cells have one value."""
    numbers = np.zeros((20, 30), np.uint16)
    numbers[2:8, 2:8], numbers[10:18, 10:25], numbers[2:5, 20:25] = 7, 3, 3
    assert np.array_equal(shown_cells(numbers, of_classes=False), numbers)
    assert np.array_equal(np.unique(shown_cells((numbers > 0) * np.uint8(255), of_classes=False)), range(4))
    assert np.array_equal(shown_cells((numbers > 0) * 1, of_classes=True), numbers > 0)
