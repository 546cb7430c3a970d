"""The phantom: seeded, EM-like in its figures, and hard for anything that does not learn."""

import numpy as np
import pytest
from scipy import ndimage

from unet_paper.datasets import phantom as phantoms
from unet_paper.datasets.phantom import SMALLEST_CELL, _without_specks, make_phantom, write_phantom
from unet_paper.io.stack import read_stack
from unet_paper.metrics import score
from unet_paper.support.errors import BadInput


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(2, 512, seed=1)


def test_like_the_real_stack_in_figures(phantom):
    volume, labels = phantom
    assert volume.shape == labels.shape == (2, 512, 512) and volume.dtype == labels.dtype == np.uint8
    assert set(np.unique(labels)) == {0, 255}
    for image, truth in zip(volume, labels, strict=True):
        assert 0.15 < (truth == 0).mean() < 0.32  # the training labels: 22 %; the test labels are said to have 29 %
        cells, count = ndimage.label(truth)
        assert 80 < count < 220
        assert np.bincount(cells.ravel())[1:].max() < 0.1 * truth.size  # membranes are closed
        assert image[truth == 0].mean() < image[truth > 0].mean() - 10  # membranes are dark
        assert 20 < image.std() < 60


def test_the_truth_has_no_specks():
    _, labels = make_phantom(6, 256, seed=0)
    for truth in labels:
        components, count = ndimage.label(truth)
        assert count and np.bincount(components.ravel())[1:].min() >= SMALLEST_CELL == 10
    assert (labels == 0).mean() < 0.32


def test_specks_are_below_ten_pixels():
    cells = np.zeros((8, 12), bool)
    cells[1:4, 1:4] = True  # 9 px
    cells[1:3, 5:10] = True  # 10 px
    cells[5, 0] = cells[6, 1] = True  # a corner holds no cell together
    assert np.argwhere(_without_specks(cells) != cells).tolist() == [
        *([row, column] for row in (1, 2, 3) for column in (1, 2, 3)),
        *([5, 0], [6, 1]),
    ]


def test_seeded():
    first, again, other = (make_phantom(2, 64, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.filterwarnings("error")
def test_numpys_small_numbers_do_not_overflow(tmp_path):
    for numbers in ((np.uint8(2), np.uint8(200), np.uint8(255)), (np.int8(2), np.int16(200), np.int16(255))):
        assert np.array_equal(make_phantom(*numbers), make_phantom(2, 200, 255))
    with pytest.raises(BadInput, match="a phantom of 1,073,741,824,000,000 voxels takes"):
        make_phantom(np.int32(10**6), np.int32(2**15))
    write_phantom(tmp_path, np.uint8(1), np.uint8(1), np.uint8(64), np.uint8(255))
    assert np.array_equal(read_stack(tmp_path / "test-volume.tif").pixels, make_phantom(1, 64, 256)[0])


@pytest.mark.parametrize(
    ("sections", "size", "seed"),
    [(0, 64, 0), (1, 5, 0), (1, 64, -1), (1, 64.5, 0), ("1", 64, 0), (True, 64, 0), (np.True_, 64, 0), (1, 64, False)],
)
def test_figures_that_make_no_phantom(sections, size, seed):
    with pytest.raises(
        BadInput, match=rf"phantom of {sections} sections of {size} px, seed {seed}; .* one section, 64"
    ):
        make_phantom(sections, size, seed)


def test_a_phantom_that_no_memory_holds():
    with pytest.raises(BadInput, match="100,000,000,000,000 voxels takes some .* GiB of memory"):
        make_phantom(1, 10**7)


def test_one_that_is_interrupted_leaves_no_stacks_of_two(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    write_phantom(tmp_path, 1, 1, 64, seed=0)
    (tmp_path / "t1-cells.tif").touch()  # not a phantom's
    monkeypatch.setattr(phantoms, "write_stack", stop)
    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path, 1, 1, 64, seed=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["phantom.json", "t1-cells.tif"]


def test_sections_follow_on_each_other(phantom):
    agreement = (phantom[1][0] == phantom[1][1]).mean()
    assert 0.6 < agreement < 0.95


def test_gray_values_alone_score_badly(phantom):
    """The best that smoothing and a threshold reach, with the smoothing chosen on the truth."""
    volume, labels = phantom
    pixel, rand = [], []
    for sigma in (1, 2, 3):
        smooth = np.stack([ndimage.gaussian_filter(image / 255, sigma) for image in volume])
        low, high = np.quantile(smooth, [0.02, 0.6])
        smooth = ((smooth - low) / (high - low)).clip(0, 1)
        scores = score(labels, smooth)
        pixel.append(scores.pixel_error)
        rand.append(scores.rand_error)
    assert min(pixel) > 0.09 and min(rand) > 0.3
