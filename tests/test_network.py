"""Figure 1: parameters, sizes, initial weights, dropout, and that skips meet the maps they belong to."""

import numpy as np
import pytest
import torch
from torch import nn

from unet_paper.network import (
    CONTEXT,
    InvalidTileSize,
    UNet,
    centre_crop,
    initialise,
    nearest_valid_input_sizes,
    output_size,
)
from unet_paper.support.errors import BadInput

FIGURE_1 = [570, 568, 282, 280, 138, 136, 66, 64, 30, 28, 54, 52, 102, 100, 198, 196, 390, 388]


def convolutions(network):
    return [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]


def test_parameters_and_layers():
    assert sum(values.numel() for values in UNet().parameters()) == 31_030_658
    assert sum(values.numel() for values in UNet(variant="release").parameters()) == 31_100_354
    assert len(convolutions(UNet(base_channels=2))) == 23


@pytest.mark.parametrize(
    "channels",
    [
        *(dict(base_channels=0), dict(classes=0), dict(in_channels=-1), dict(base_channels="2"), dict(classes=2.5)),
        *(dict(base_channels=True), dict(in_channels=np.True_), dict(base_channels=4097), dict(base_channels=10**9)),
        dict(classes=np.array([2, 3])),
    ],
)
def test_channels_that_no_network_has(channels):
    with pytest.raises(BadInput, match="each must be 1 or above"):
        UNet(**{"base_channels": 2, **channels})


def test_other_kinds_of_numbers_will_do_and_texts_will_not():
    network = UNet(base_channels=np.int64(2), dropout=np.float32(0.25), batch_norm=np.True_)
    assert [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)] == [0.25, 0.25]
    assert UNet(base_channels=np.uint8(16)).classifier.in_channels == 16
    for settings, message in ((dict(dropout="0.5"), "dropout is '0.5'"), (dict(batch_norm="no"), "batch_norm is 'no'")):
        with pytest.raises(ValueError, match=message):
            UNet(base_channels=2, **settings)


def test_sizes_of_figure_1_level_by_level():
    network = UNet(base_channels=2).eval()
    sizes, ups, channels = [], [], []

    def note(layer, _, output):
        if isinstance(layer, nn.ConvTranspose2d):
            ups.append(output.shape[-1])
        elif layer.kernel_size == (3, 3):
            sizes.append(output.shape[-1])
            channels.append(output.shape[1])

    for layer in convolutions(network):
        layer.register_forward_hook(note)
    with torch.no_grad():
        output = network(torch.zeros(1, 1, 572, 572))
    assert sizes == FIGURE_1
    assert ups == [56, 104, 200, 392]
    assert channels == [c for width in (2, 4, 8, 16, 32, 16, 8, 4, 2) for c in (width, width)]
    assert output.shape == (1, 2, 388, 388)


@pytest.mark.parametrize("variant", ["paper", "release"])
def test_any_valid_size_also_oblong(variant):
    network = UNet(in_channels=3, classes=4, base_channels=2, variant=variant)
    assert network(torch.zeros(2, 3, 188, 220)).shape == (2, 4, 4, 36)
    assert output_size(188) == 4 and output_size(572) == 388


@pytest.mark.parametrize(
    ("size", "named"),
    [(571, ("556", "572")), (573, ("572", "588")), (100, ("188",)), (187, ("188",)), (512, ("508", "524"))],
)
def test_invalid_size_names_the_nearest_valid_ones(size, named):
    with pytest.raises(InvalidTileSize) as error:
        UNet(base_channels=1)(torch.zeros(1, 1, 572, size))
    assert all(f"{text}" in str(error.value).split(":")[1] for text in named)


def test_valid_sizes_are_exactly_those_that_pass_every_pooling_evenly():
    for size in range(1, 800):
        level, valid = size, True
        for _ in range(4):
            level -= 4
            valid &= level > 0 and level % 2 == 0
            level //= 2
        level -= 4
        for _ in range(4):
            level = level * 2 - 4
        valid &= level > 0
        below, above = nearest_valid_input_sizes(size)
        assert (below == size == above) == valid
        if valid:
            assert output_size(size) == level


def test_symmetric_weights_keep_symmetry():
    """With kernels that look the same upside down, so must the map: an off-centre crop or a shifted skip would not."""
    torch.manual_seed(0)
    network = UNet(base_channels=3).double().eval()
    with torch.no_grad():
        for layer in convolutions(network):
            layer.weight.copy_((layer.weight + layer.weight.flip(-1, -2)) / 2)
        image = torch.randn(1, 1, 220, 220, dtype=torch.float64)
        turned = network(image.flip(-1, -2)).flip(-1, -2)
        assert torch.allclose(network(image), turned, atol=1e-12)


def test_an_output_pixel_sees_the_context_around_it_and_no_more():
    torch.manual_seed(0)
    network = UNet(base_channels=6).double().eval()
    image = torch.randn(1, 1, 220, 220, dtype=torch.float64, requires_grad=True)
    output = network(image)
    middle = output.shape[-1] // 2
    output[0, 0, middle, middle].backward()
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    first, last = int(rows.min()), int(rows.max())
    assert middle - 15 <= first < middle + CONTEXT < last <= middle + 2 * CONTEXT + 15


def test_network_repeats_itself_every_16_px_only():
    torch.manual_seed(0)
    network = UNet(base_channels=2).double().eval()
    image = torch.randn(1, 1, 252, 252, dtype=torch.float64)
    with torch.no_grad():
        whole = network(image)
        moved = network(image[..., 16:236, 16:236])
        assert torch.allclose(whole[..., 16:52, 16:52], moved, atol=1e-12)
        shifted = network(image[..., 4:224, 4:224])
        assert (whole[..., 4:40, 4:40] - shifted).abs().max() > 1e-3


def test_centre_crop():
    maps = torch.arange(36.0).reshape(1, 1, 6, 6)
    assert torch.equal(centre_crop(maps, (2, 4)), maps[..., 2:4, 1:5])


@torch.no_grad()
def test_concatenation_is_up_sampled_then_cropped_skip():
    network = UNet(base_channels=2).eval()
    ups, joined, skips = [], [], []
    for up, convolutions, level in zip(
        network.up_convolutions, network.expanding, reversed(network.contracting[:-1]), strict=True
    ):
        up.register_forward_hook(lambda layer, inputs, output: ups.append(output))
        convolutions.register_forward_hook(lambda layer, inputs, output: joined.append(inputs[0]))
        level.register_forward_hook(lambda layer, inputs, output: skips.insert(0, output))
    network(torch.randn(1, 1, 188, 188))
    for up, both, skip in zip(ups, joined, skips, strict=True):
        assert torch.equal(both, torch.cat([up, centre_crop(skip, up.shape[-2:])], dim=1))


@torch.no_grad()
def test_initial_weights():
    torch.manual_seed(0)
    network = UNet()
    for layer in convolutions(network):
        is_up_convolution = isinstance(layer, nn.ConvTranspose2d)
        incoming = 4 * layer.out_channels if is_up_convolution else layer.kernel_size[0] ** 2 * layer.in_channels
        expected = (2 / incoming) ** 0.5
        tolerance = 5 / layer.weight.numel() ** 0.5
        assert float(layer.weight.std(correction=0)) == pytest.approx(expected, rel=tolerance)
        assert abs(float(layer.weight.mean())) < expected * tolerance
        assert not layer.bias.any()


@torch.no_grad()
def test_initial_weights_keep_the_activations_variance():
    """Section 3: each map has about unit variance. Where N counts what a pixel sees, every layer doubles the second
    moment that a ReLU halved before.
    """
    torch.manual_seed(0)
    for channels in (64, 512):
        inputs = torch.relu(torch.randn(1, channels, 40, 40))
        for layer in (nn.Conv2d(channels, channels, 3), nn.ConvTranspose2d(channels, channels // 2, 2, stride=2)):
            initialise(layer, up_convolution_fan_in="input")
            assert float(layer(inputs).pow(2).mean() / inputs.pow(2).mean()) == pytest.approx(2, rel=0.15)


def test_dropout_stands_at_the_end_of_the_contracting_path():
    network = UNet(base_channels=2)
    with_dropout = [any(isinstance(layer, nn.Dropout) for layer in level) for level in network.contracting]
    assert with_dropout == [False, False, False, True, True]
    assert not any(isinstance(layer, nn.Dropout) for layer in network.expanding.modules())
    assert all(level[-1].p == 0.5 for level in network.contracting[3:])


def test_batch_norm_stands_before_each_relu_and_dropout_last():
    network = UNet(base_channels=2, batch_norm=True)
    pair = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [[type(layer) for layer in level] for level in network.expanding] == [2 * pair] * 4
    assert [type(layer) for layer in network.contracting[-1]] == [*pair, *pair, nn.Dropout]


@torch.no_grad()
def test_logits_are_not_rounded_where_the_convolutions_are():
    torch.manual_seed(0)
    network, image = UNet(base_channels=2).eval(), torch.randn(1, 1, 188, 188)
    network.classifier.weight.zero_()
    network.classifier.bias.copy_(torch.tensor([10.03, -10.03]))
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(image)
    assert logits.dtype == torch.float32 and torch.equal(logits, network(image))


def test_release_variant_has_relu_after_up_convolutions_and_twice_the_channels_in_the_last():
    assert [up.out_channels for up in UNet(variant="release").up_convolutions] == [512, 256, 128, 128]
    assert [up.out_channels for up in UNet().up_convolutions] == [512, 256, 128, 64]
    for variant, lowest in (("release", 0.0), ("paper", -1.0)):
        network = UNet(base_channels=2, variant=variant).eval()
        for up in network.up_convolutions:
            nn.init.zeros_(up.weight)
            nn.init.constant_(up.bias, -1.0)
        for convolutions in network.expanding:
            convolutions.register_forward_pre_hook(must_go_down_to(lowest))
        network(torch.zeros(1, 1, 188, 188))


def must_go_down_to(lowest):
    def check(layer, given):
        assert float(given[0].detach().min()) == lowest

    return check


def test_channels_last_gives_the_same_gradient():
    torch.manual_seed(0)
    network = UNet(base_channels=4, dropout=0)
    image = torch.randn(1, 1, 188, 188)
    network(image).square().sum().backward()
    plain = [values.grad.clone() for values in network.parameters()]
    network.zero_grad()
    network = network.to(memory_format=torch.channels_last)
    network(image.contiguous(memory_format=torch.channels_last)).square().sum().backward()
    for before, after in zip(plain, network.parameters(), strict=True):
        assert torch.allclose(before, after.grad, rtol=1e-3, atol=1e-4 * float(before.abs().max()))


class TextbookUNet(nn.Module):
    """A padded U-Net as textbooks write it, with the weights of ours."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def block(self, block, maps):
        for layer in block:
            if isinstance(layer, nn.Conv2d):
                maps = nn.functional.conv2d(maps, layer.weight, layer.bias, padding=1)
            else:
                maps = layer(maps)
        return maps

    def forward(self, maps):
        skips = []
        for level, block in enumerate(self.network.contracting):
            maps = self.block(block, maps if level == 0 else nn.functional.max_pool2d(maps, 2))
            skips.append(maps)
        skips.pop()
        for up, block in zip(self.network.up_convolutions, self.network.expanding, strict=True):
            maps = self.block(block, torch.cat([up(maps), skips.pop()], dim=1))
        return self.network.classifier(maps)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_padded_network_is_the_textbooks(batch_norm):
    torch.manual_seed(0)
    network = UNet(base_channels=3, padding="zeros", batch_norm=batch_norm).eval()
    image = torch.randn(1, 1, 204, 220)
    with torch.no_grad():
        found, textbook = network(image), TextbookUNet(network)(image[..., 86:-86, 86:-86])
    assert found.shape == (1, 2, 20, 36)
    torch.testing.assert_close(found, textbook[..., 6:-6, 6:-6])


def test_padding_takes_no_parameters_and_batch_norm_two_a_channel():
    count = {
        options: sum(
            values.numel() for values in UNet(base_channels=4, padding=options[0], batch_norm=options[1]).parameters()
        )
        for options in (("valid", False), ("zeros", False), ("zeros", True))
    }
    assert count["valid", False] == count["zeros", False]
    channels = 2 * 4 * (1 + 2 + 4 + 8 + 16 + 8 + 4 + 2 + 1)
    assert count["zeros", True] - count["zeros", False] == 2 * channels


@pytest.mark.parametrize(("fan_in", "ratio"), [("input", 2.0), ("blob", 1.0)])
def test_what_an_up_convolution_does_to_the_second_moment(fan_in, ratio):
    torch.manual_seed(0)
    layer = UNet(base_channels=16, up_convolution_fan_in=fan_in).up_convolutions[0]
    given = torch.randn(1, layer.in_channels, 40, 40).relu()
    found = layer(given).detach().square().mean() / given.square().mean()
    assert float(found) == pytest.approx(ratio, rel=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"variant": "first"}, {"padding": "same"}, {"up_convolution_fan_in": "output"}),
        *({"dropout": 1}, {"dropout": -0.5}, {"dropout": np.array([0.1, 0.2])}, {"batch_norm": np.zeros(2)}),
        *({"variant": np.array(["paper", "release"])}, {"padding": ["valid"]}, {"dropout": float("nan")}),
    ],
)
def test_what_is_no_setting_of_the_network_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*; it must be "):
        UNet(base_channels=2, **wrong)
