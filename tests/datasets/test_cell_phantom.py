"""The phantom of touching cells: the challenge's layout, partly annotated."""

import json

import numpy as np
import pytest

from unet_paper.datasets.cell_phantom import SMALLEST, is_whole, make_cell_phantom, write_cell_phantom
from unet_paper.datasets.cell_tracking import PHANTOM, cell_dataset_name, read_sequence
from unet_paper.separation_border import separate_touching_cells
from unet_paper.support.errors import BadInput


def test_it_is_read_as_the_challenges_sequences_are(cell_phantom):
    first, second = (read_sequence(cell_phantom, name) for name in ("01", "02"))
    assert cell_dataset_name(cell_phantom) == PHANTOM and first.numbers == (0, 1)
    assert not np.array_equal(first.images, second.images)
    assert not first.unknown[0].any() and first.unknown[1].any()
    assert json.loads((cell_phantom / "phantom.json").read_text()) == {"seed": 2, "frames": 2, "size": 192}


@pytest.mark.parametrize("content", ["[]", "5", "null", '"frames"'])
def test_a_description_of_another_kind_is_damage(tmp_path, content):
    (tmp_path / "phantom.json").write_text(content)
    with pytest.raises(BadInput, match="phantom.json is not as it was written"):
        is_whole(tmp_path)


def test_cells_touch_move_little_and_look_like_the_background():
    frames = list(make_cell_phantom(2, 192, seed=4))
    (image, labels), (_, later) = frames
    assert ((separate_touching_cells(labels) == 0) & (labels > 0)).sum() > 50
    assert np.bincount(labels.ravel())[1:].max() < 36**2 * 4 and set(np.bincount(labels.ravel())) - {0}
    assert min(np.bincount(labels.ravel())[np.unique(labels)]) >= SMALLEST
    both = (labels > 0) & (later > 0)
    assert 0.8 < (labels == later)[both].mean() < 1
    assert abs(image[labels > 0].mean() - image[labels == 0].mean()) < image.std()


def test_the_same_seed_gives_the_same_phantom():
    ones, others = (list(make_cell_phantom(1, 128, seed=1)) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(ones[0], others[0], strict=True))


def test_a_phantom_replaces_the_one_that_was_there(tmp_path):
    for frames in (3, 1):
        write_cell_phantom(tmp_path, frames, 128)
        assert len(read_sequence(tmp_path, "02").numbers) == frames and is_whole(tmp_path)
    (tmp_path / "02_GT" / "TRA" / "man_track000.tif").unlink()
    assert not is_whole(tmp_path)


def test_figures_that_make_no_phantom(tmp_path):
    with pytest.raises(BadInput, match="at least 1 frame"):
        write_cell_phantom(tmp_path, frames=0)
    (tmp_path / "01").mkdir()
    with pytest.raises(BadInput, match="no phantom; name another folder"):
        write_cell_phantom(tmp_path)
