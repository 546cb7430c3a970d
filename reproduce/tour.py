# The source of tour.ipynb: a cell below every line of %%. `python -m reproduce.execute_tour` makes the notebook of it.
# ruff: noqa: B018, E402

# %% [markdown]
# # A tour of the paper
#
# O. Ronneberger, P. Fischer, T. Brox: *U-Net: Convolutional Networks for Biomedical Image Segmentation*,
# MICCAI 2015 ([arXiv:1505.04597](https://arxiv.org/abs/1505.04597)).
#
# You have just read it. Here its ideas are computed, each in a few lines, and looked at.
#
# | | in the paper | here |
# |---|---|---|
# | 1 | section 2, figure 1 | the U, drawn from the module |
# | 2 | section 2 | why the convolutions are unpadded, and what that costs |
# | 3 | section 2, figure 2 | a tile and its mirrored context |
# | 4 | section 2, figure 2 | 388 against 384: the seam |
# | 5 | section 2 | an up-convolution by hand |
# | 6 | section 3, equation 2, figure 3 | the weight map, term by term |
# | 7 | section 3.1 | one elastic deformation and its nine vectors |
# | 8 | section 3, equation 1 | fifty training steps, watched |
# | 9 | section 4 | two predictions |
# | 10 | section 4, table 1 | what the warping error sees, and the pixel error does not |
#
# The images are a *phantom*: they look like the EM sections of the challenge and are computed, not recorded. The tour
# takes less than three minutes on two quiet CPU cores. To run it yourself: [README](README.md#the-tour).

# %%
import numpy as np
import torch
import tour_pictures as pictures

from unet_paper import UNet, load, make_phantom, mirrored_region, predict, score, weight_map

torch.manual_seed(0)
images, labels = make_phantom(5, size=512, seed=0)  # labels: 255 = cell, 0 = membrane
trained = load("../results/isbi/registered-quarter/weights.safetensors")  # a quarter of the channels, 10,000 real tiles
images.shape, images.dtype

# %% [markdown]
# ## 1. The U (section 2, figure 1)
#
# On the left, the contracting path finds out *what* is there. On the right, the expansive path finds out *where*. The
# copies between them bring back the detail that pooling has lost. The picture is made by the module itself: one pass is
# watched, and every map becomes a box, with its channels above and its size in px below.

# %%
network = UNet()
layers = [part for part in network.modules() if isinstance(part, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))]
print(f"{len(layers)} convolutional layers, {sum(values.numel() for values in network.parameters()):,} parameters")
pictures.network(network, tile=572)

# %% [markdown]
# Compare the sizes with figure 1. The white part of a box was copied and cropped from the left; the paper's 23
# convolutional layers are 18 of 3 × 3, 4 up-convolutions and the last one of 1 × 1.
#
# ## 2. Why unpadded, and what it costs (section 2)
#
# A 3 × 3 convolution without padding loses one pixel on each side. Deeper down, a pixel is worth more: after $l$
# poolings it stands for $2^l$ pixels of the tile. Two convolutions a level lose four pixels, on the way down and up:
#
# $$4\,(1 + 2 + 4 + 8 + 16) + 4\,(8 + 4 + 2 + 1) = 184 = 572 - 388$$
#
# That is 92 px on each side: the context that a pixel of the output looks at. The price is the border. Of a section of
# 512 px only the inner 328 px could be segmented, two fifths of its area.
#
# Padding with zeros would keep the size. But then the answer for a pixel depends on how near the end of its tile is,
# because beyond it there are zeros that nobody recorded. To see it, a block of 260 px and a block of 132 px from its
# middle are predicted with the same weights, unpadded and padded, and compared where they overlap.

# %%
unpadded, padded = trained.build_network(), UNet(base_channels=trained.config.base_channels, padding="zeros")
padded.load_state_dict(trained.network)
image = trained.standardisation(images[4] / np.float32(255))  # (gray value - mean) / standard deviation


@torch.inference_mode()
def probability(network, image, top, left, height, width):
    """Probability of cell in a block of an image, from a tile that is 92 px larger on each side."""
    tile = mirrored_region(image, top - 92, top + height + 92, left - 92, left + width + 92)
    return network.eval()(torch.from_numpy(tile)[None, None]).softmax(1)[0, 1].numpy()


differences = {}
for name, network in (("unpadded", unpadded), ("padded", padded)):
    large = probability(network, image, 100, 100, 260, 260)
    small = probability(network, image, 164, 164, 132, 132)
    differences[name] = np.abs(large[64:196, 64:196] - small)
    print(f"{name}: the same pixels differ by up to {differences[name].max():.2g}")
pictures.border(images[4], 92, differences)

# %% [markdown]
# Unpadded, both blocks agree to rounding. Padded, they do not. (These weights were trained unpadded. Weights that were
# trained padded get used to the zeros, but to the same zeros at the end of every tile, wherever it ends.)
#
# ## 3. A tile and its mirrored context (section 2, figure 2)
#
# "The missing context is extrapolated by mirroring the input image." A *block* (yellow) is the part of the result that
# is wanted; its *tile* (blue) is what the network must see for it. Under the veil is what was never recorded.

# %%
mirrored = mirrored_region(images[4], -184, 512 + 184, -184, 512 + 184)
pictures.tiles(mirrored, beyond=184, blocks=[(0, 0), (124, 124)], block=388, context=92)

# %% [markdown]
# ## 4. 388 against 384: the seam (section 2, figure 2)
#
# Larger images are covered by tiles side by side. The output of a tile has 388 px, so should the next one begin 388 px
# further on? Each of the four poolings takes two pixels together, so the network has a grid of $2^4 = 16$ px. Shift the
# image by 16 px, and the result shifts along. Shift it by 4 px, and every pooling takes other pixels together. And
#
# $$388 = 24 \cdot 16 + 4.$$

# %%
tiled = {}
for name, network in (("untrained", UNet(base_channels=8)), ("trained", unpadded)):
    one_pass = probability(network, image, 0, 0, 132, 516)[:, :512]  # a strip at the top, in one piece
    first = probability(network, image, 0, 0, 132, 388)
    for at in (388, 384):
        second = probability(network, image, 0, at, 132, 132)
        tiled[at] = np.hstack([first[:, :at], second])[:, :512]
        print(f"{name}, second tile at {at}: up to {np.abs(tiled[at] - one_pass).max():.2g} from one pass")
pictures.seam(one_pass, tiled, columns=(340, 472))

# %% [markdown]
# At 388 the second tile answers differently from its first column on: the seam. At 384 two tiles give what one pass
# gives, but for rounding. The trained network, drawn here, heeds its grid less than an untrained one, whose seam
# is large. This package lays all tiles on the grid, see
# [overlap_tile.py](../unet_paper/overlap_tile.py).
#
# ## 5. An up-convolution by hand (section 2)
#
# A 2 × 2 up-convolution with stride 2 gives every pixel of the small map four pixels of the large one, and fills them
# with its value times the kernel. Nothing overlaps: this is the Kronecker product.

# %%
small = np.array([[1, 2], [3, 4]], np.float32)
kernel = np.array([[1, 0.5], [0, -1]], np.float32)
by_hand = np.kron(small, kernel)

layer = torch.nn.ConvTranspose2d(1, 1, kernel_size=2, stride=2, bias=False)
layer.weight.data[0, 0] = torch.from_numpy(kernel)
assert np.array_equal(layer(torch.from_numpy(small)[None, None])[0, 0].detach(), by_hand)
pictures.up_convolution(small, kernel, by_hand)

# %% [markdown]
# With several channels, such products are added up over the incoming ones. The last up-convolution of the trained
# network, from 32 to 16 channels, is no more than that:

# %%
layer = unpadded.up_convolutions[-1]
maps = torch.rand(32, 2, 2)
products = torch.einsum("cij,ckab->kiajb", maps, layer.weight)  # c: incoming channels, k: outgoing ones
by_hand = products.reshape(16, 4, 4) + layer.bias[:, None, None]
assert torch.allclose(layer(maps[None])[0], by_hand, atol=1e-4)

# %% [markdown]
# ## 6. The weight map, term by term (section 3, equation 2, figure 3)
#
# $$w(\mathbf{x}) = w_c(\mathbf{x}) + w_0 \cdot
# \exp\left(-\frac{(d_1(\mathbf{x}) + d_2(\mathbf{x}))^2}{2\sigma^2}\right),
# \qquad w_0 = 10, \quad \sigma \approx 5 \text{ px}$$
#
# - **Touching cells are separated first.** In a mask of cell and background, two discs that touch are one. So a line of
#   background is put between them ("the separation border is computed using morphological operations").
# - **The first term**, $w_c$, balances the classes: each weighs as the other, however many pixels it has.
# - **The border term** is large where *two* cells are near. $d_1$ and $d_2$ are the distances to the border of the
#   nearest and of the second nearest cell. We let it act on background only.

# %%
from unet_paper import distances_to_two_nearest_cells, separate_touching_cells

y, x = np.mgrid[:96, :128]
discs = np.zeros((96, 128), np.int32)
discs[(x - 38) ** 2 + (y - 48) ** 2 < 27**2] = 1
discs[(x - 91) ** 2 + (y - 48) ** 2 < 27**2] = 2

cells = separate_touching_cells(discs)
share = (cells > 0).mean()
w_c = np.where(cells > 0, 1 / (2 * share), 1 / (2 * (1 - share)))  # its mean over all pixels is 1
d1, d2 = distances_to_two_nearest_cells(cells)
border_term = np.where(cells > 0, 0, 10 * np.exp(-((d1 + d2) ** 2) / (2 * 5**2)))
w = w_c + border_term

assert np.allclose(w, weight_map(discs), atol=1e-5)  # all of it in one call
pictures.weight_terms(discs, cells, w_c, (d1, d2), border_term, w)

# %% [markdown]
# On the line between the discs $d_1 + d_2 = 3$ px, which makes the border term $10\,e^{-9/50} = 8.4$. Up and down the
# dotted column the discs part and the term fades. Beside one disc alone $d_2$ is large, and nothing is added.
#
# Now two phantoms: of touching cells, as in figure 3, where the lines between them stand out; and of EM sections, where
# nearly all background is membrane between two cells, so that the term is large almost everywhere, and largest where a
# membrane is thin.

# %%
from unet_paper.datasets.cell_phantom import make_cell_phantom
from unet_paper.separation_border import label_cells

part = np.s_[128:384, 128:384]
frame, touching = next(make_cell_phantom(1, size=256, seed=1))
shown = {}
for name, picture, truth in (("touching cells", frame, touching), ("EM section", images[4][part], labels[4][part])):
    cells = label_cells(separate_touching_cells(truth))
    weights = weight_map(truth)
    shown[name] = picture, cells, sum(distances_to_two_nearest_cells(cells)), weights
    print(f"{name}: weights from {weights.min():.2f} to {weights.max():.2f}")
pictures.weight_maps(shown)

# %% [markdown]
# ## 7. One elastic deformation and its nine vectors (section 3.1)
#
# "Random displacement vectors on a coarse 3 by 3 grid", with a standard deviation of 10 px, and from these nine to
# every pixel by bicubic interpolation. A vector says where a pixel is taken from, in image and labels alike.

# %%
from unet_paper.augmentation import draw_deformation, sample, source_coordinates

generator = torch.Generator().manual_seed(9)
deformation = draw_deformation((256, 256), generator, displacement_sigma=10, rotate=False, flip=False, shift=False)
sources = source_coordinates(deformation, tile_size=256)  # (256, 256, 2): x and y, in px of the image
print("x of the nine vectors, px:", deformation.grid[0].round().int().tolist())
print("y of the nine vectors, px:", deformation.grid[1].round().int().tolist())

image_part, labels_part = (torch.from_numpy(stack[4][part].astype(np.float32))[None] for stack in (images, labels))
deformed = [sample(image_part, sources, "bicubic")[0].numpy(), sample(labels_part, sources, "nearest")[0].numpy()]
pictures.elastic(images[4][part], labels[4][part], deformation.grid.numpy(), sources.numpy(), deformed)

# %% [markdown]
# ## 8. Fifty training steps, watched (section 3, equation 1)
#
# The softmax over the output's maps $a_k$, and the cross entropy of the true class $\ell(\mathbf{x})$, weighted:
#
# $$p_k(\mathbf{x}) = \frac{\exp(a_k(\mathbf{x}))}{\sum_{k'=1}^K \exp(a_{k'}(\mathbf{x}))}, \qquad
# E = -\sum_{\mathbf{x} \in \Omega} w(\mathbf{x}) \log(p_{\ell(\mathbf{x})}(\mathbf{x}))$$
#
# (The paper leaves out the minus; and we take the mean over $\Omega$, so that the learning rate does not depend on the
# tile's size.) As in the paper: one tile a step, momentum 0.99. For the sake of time: an eighth of its channels, and
# tiles of 316 px. Ours, as the paper does not state them: the learning rate, and a limit to the gradient's length.

# %%
from dataclasses import replace

from unet_paper.config import PROFILES
from unet_paper.datasets.training_set import draw_tile, prepare_training_set
from unet_paper.loss import weighted_cross_entropy

settings = replace(PROFILES["quick"], tile_size=316)
training_set = prepare_training_set(images[:4], labels[:4], settings, "cpu")  # the fifth section is held out
held_out = training_set.standardisation(images[4] / np.float32(255))

torch.manual_seed(0)
small_network = UNet(base_channels=8)
optimiser = torch.optim.SGD(small_network.parameters(), lr=0.01, momentum=0.99)
generator = torch.Generator().manual_seed(0)
losses, seen = [], {0: probability(small_network, held_out, 128, 128, 132, 132)}
for step in range(1, 51):
    tile, truth, weights = draw_tile(training_set, settings, generator)  # shifted, turned and deformed alike
    loss = weighted_cross_entropy(small_network.train()(tile), truth, weights)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(small_network.parameters(), 0.5)
    optimiser.step()
    losses.append(loss.item())
    if step in (5, 15, 50):
        seen[step] = probability(small_network, held_out, 128, 128, 132, 132)
block = np.s_[128:260, 128:260]
pictures.training(images[4][block], labels[4][block], seen, losses)

# %% [markdown]
# At first it learns that dark is membrane. That organelles are dark too, and no membranes, takes thousands of tiles.
#
# ## 9. Two predictions (section 4)
#
# - **The network of fifty steps**, of 8 channels, trained on four sections of this phantom.
# - **The network of this repository**, of 16 channels, trained on 10,000 tiles of the challenge's real sections. It has
#   never seen a phantom. What it does here shows what it takes for a membrane, and not how good it is: for that see
#   [the results](../results/README.md).

# %%
from unet_paper.prediction import predict_stack

maps = {
    "fifty steps": predict_stack(small_network, training_set.standardisation, images[4][part], tta="none"),
    "trained on real sections": predict(trained, images[4][part], tta="none"),
}
found = {}
for name, of_cell in maps.items():
    scores = score(labels[4][part], of_cell)
    found[name] = of_cell, scores.best_threshold["rand_error"]
    print(f"{name}: Rand error {scores.rand_error:.3f}, pixel error {scores.pixel_error:.3f}")
pictures.predictions(images[4][part], labels[4][part], found)

# %% [markdown]
# The first has the right pixels dark, and organelles and shadows too. The second draws closed, smooth membranes, and
# none where the phantom's fade in a way that it has not met. The paper averages such maps over seven rotated versions
# of the input: `predict(trained, image, tta="rot7")`.
#
# ## 10. What the warping error sees, and the pixel error does not (section 4, table 1)
#
# The *pixel error* counts pixels of the wrong class (as an F score). The *warping error* first bends the truth towards
# the proposal, one pixel at a time, as long as no cell splits, merges, appears or vanishes. It then counts the pixels
# that still split or merge cells. Three proposals for a drawn truth:

# %%
from unet_paper import warping_errors

truth = np.zeros((30, 44), np.uint8)
truth[2:28, 2:21] = truth[2:28, 23:42] = 255  # two cells and the membrane between them
thick, gap, line = truth.copy(), truth.copy(), truth.copy()
thick[[2, 27]] = thick[:, [2, 20, 23, 41]] = 0
gap[14:16, 21:23] = 255
line[:, 11] = 0

proposals = {}
for name, drawn in {"membranes too thick": thick, "a gap of 2 px": gap, "a line of 1 px": line}.items():
    scores = score(truth, drawn / 255)
    kinds = warping_errors(truth, drawn / 255, threshold=0.5)[0]
    proposals[name] = drawn, kinds, f"pixel error {scores.pixel_error:.4f}\nwarping error {scores.warping_error:.4f}"
pictures.warping(truth, proposals)

# %% [markdown]
# - **Thick membranes** cost most in the pixel error. The truth can be bent to them, so the warping error is 0: both
#   cells are there, and they are apart.
# - **The gap** (blue, a merger) hardly counts for the pixel error, and makes one neuron of two.
# - **The line** (red, a split) is bent away from one end to the other. Its last pixel would cut the cell: it counts.
#
# The two errors order the three the other way round. The challenge wants neurons traced, so table 1 is sorted by the
# warping error.
#
# ## Further
#
# - A module for each part of the paper: [network](../unet_paper/network.py),
#   [overlap_tile](../unet_paper/overlap_tile.py), [loss](../unet_paper/loss.py),
#   [weight_map](../unet_paper/weight_map.py), [augmentation](../unet_paper/augmentation.py),
#   [training](../unet_paper/training.py), [prediction](../unet_paper/prediction.py), [metrics](../unet_paper/metrics).
# - The experiment, from the data to table 1: `bash reproduce/isbi.sh`.
# - Where we depart from the paper, and why: [reproduce](README.md#where-we-depart-from-the-paper-and-why).
