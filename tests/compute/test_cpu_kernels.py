"""The CPU's own way to train, in bfloat16 or in float32 without AVX-512, gives what PyTorch's gives."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from unet_paper.compute import cpu_kernels as on_cpu
from unet_paper.config import Config
from unet_paper.network import UNet
from unet_paper.training import new_training_network

ROUNDING = {torch.bfloat16: 0.005, torch.float32: 1e-5}  # of a layer's gradients, as parts of their norm


@pytest.fixture(autouse=True, params=ROUNDING, ids=str)
def dtype(request, monkeypatch):
    """In which the kernels of this module compute, whatever the processor."""
    monkeypatch.setattr(on_cpu, "_avx2_is_the_widest", lambda: True)
    with torch.autocast("cpu", torch.bfloat16) if request.param == torch.bfloat16 else nullcontext():
        yield request.param


def maps_of(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)


def gradients(function, layer, maps):
    """Output, and gradients of maps, weight and bias, of a weighted sum of the output."""
    maps = maps.detach().requires_grad_()
    layer.zero_grad()
    found = function(layer, maps)
    (found.float() * torch.linspace(0, 1, found.shape[-1])).mean().backward()
    return [found.detach().float(), maps.grad, layer.weight.grad, layer.bias.grad]


def convolution_and_relu(layer, maps):
    return on_cpu.ConvolutionAndReLU(layer)(maps)


def far(found, theirs):
    return float((found - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("height", [24, 35, 150])
@pytest.mark.parametrize("smallest", [1, 2**40])
@pytest.mark.parametrize("kernel", [3, (1, 4)])
def test_convolution(monkeypatch, height, smallest, kernel, dtype):
    """In bands or whole, whether the rows, or the pixels of a matrix product, divide evenly or not."""
    monkeypatch.setattr(on_cpu, "SMALLEST_BANDED", smallest)
    monkeypatch.setattr(on_cpu, "VALUES", 11 * 700 if smallest == 1 else smallest)
    torch.manual_seed(0)
    layer, maps = nn.Conv2d(6, 5, kernel), maps_of(1, 6, height, 40)
    found = gradients(convolution_and_relu, layer, maps)
    theirs = gradients(lambda layer, maps: layer(maps).relu(), layer, maps)
    assert [far(*pair) for pair in zip(found, theirs, strict=True)] == pytest.approx([0] * 4, abs=ROUNDING[dtype])
    assert found[2].dtype == found[3].dtype == torch.float32


def test_the_kernels_compute_in_this_precision(dtype):
    maps = maps_of(1, 6, 12, 12)
    assert convolution_and_relu(nn.Conv2d(6, 5, 3), maps).dtype == dtype
    assert on_cpu.UpConvolution(nn.ConvTranspose2d(6, 5, 2, stride=2))(maps).dtype == dtype


def test_in_float32_the_weights_gradients_are_matrix_products(monkeypatch, dtype):
    """Each of so many pixels, which PyTorch's own convolution has no part in."""
    monkeypatch.setattr(on_cpu, "VALUES", 11 * 100)
    wanted, sizes = [], []
    whole, product = on_cpu._gradients, torch.Tensor.addmm_
    monkeypatch.setattr(on_cpu, "_gradients", lambda *given: wanted.append(given[-1]) or whole(*given))
    monkeypatch.setattr(torch.Tensor, "addmm_", lambda *given: sizes.append(len(given[2])) or product(*given))
    gradients(convolution_and_relu, nn.Conv2d(6, 5, 3), maps_of(1, 6, 20, 20))
    if dtype == torch.float32:
        assert wanted == [[True, False, False]]
        assert sizes == [100] * 9 * 3 + [58] * 9  # 18 rows of 20 pixels, but for the two that fill the last one
    else:
        assert wanted == [[True, False, False], [False, True, True]] and not sizes


def test_bands_are_used_for_large_maps(monkeypatch, dtype):
    counts = []
    whole = on_cpu._gradients
    monkeypatch.setattr(on_cpu, "_gradients", lambda *given: counts.append(len(given[0])) or whole(*given))
    for size in (64, 300):
        gradients(convolution_and_relu, nn.Conv2d(64, 4, 3), maps_of(1, 64, size, size))
    if dtype == torch.bfloat16:
        assert counts == [1, 1, 1, on_cpu.BANDS, 1]  # of the maps, of the weights, and of the rows that are left
    else:
        assert counts == [1, 1]  # of the maps


def test_up_convolution(dtype):
    torch.manual_seed(0)
    layer, maps = nn.ConvTranspose2d(8, 4, 2, stride=2), maps_of(1, 8, 9, 13)
    found = gradients(lambda layer, maps: on_cpu.UpConvolution(layer)(maps), layer, maps)
    theirs = gradients(lambda layer, maps: layer(maps), layer, maps)
    assert [far(*pair) for pair in zip(found, theirs, strict=True)] == pytest.approx([0] * 4, abs=ROUNDING[dtype])


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_dropout(p, dtype):
    maps = torch.ones(1, 40, 50, 50, dtype=dtype, requires_grad=True)
    found = on_cpu.Dropout(p)(maps)
    found.sum().backward()
    assert set(found.unique().tolist()) == {0.0, float(torch.tensor(1 / (1 - p)).to(dtype))}
    assert float((found == 0).float().mean()) == pytest.approx(p, abs=0.01)
    assert torch.equal(maps.grad, found.detach())


def test_in_float32_dropout_draws_as_pytorchs(dtype):
    """So that a training in float32 draws what it drew before there were kernels for it."""
    maps, drawn = torch.ones(1, 4, 20, 20), []
    for layer in (on_cpu.Dropout(0.5), nn.Dropout(0.5)):
        torch.manual_seed(0)
        drawn.append(layer(maps))
    assert torch.equal(*drawn) == (dtype == torch.float32)


def test_dropout_only_in_training():
    maps = maps_of(1, 3, 20, 20)
    assert torch.equal(on_cpu.Dropout(0.5).eval()(maps), maps)


@pytest.mark.parametrize("variant", ["paper", "release"])
def test_the_whole_network_learns_the_same(variant, monkeypatch, dtype):
    torch.manual_seed(0)
    monkeypatch.setattr(on_cpu, "SMALLEST_BANDED", 1)
    network = UNet(base_channels=4, variant=variant, dropout=0).train()
    names = list(network.state_dict())
    on_cpu.use_cpu_kernels(network)
    assert list(network.state_dict()) == names
    image, wanted = maps_of(1, 1, 252, 252), []
    for here in (True, False):
        if not here:
            monkeypatch.setattr(on_cpu, "_trains_in", lambda maps: None)
        network.zero_grad()
        network(image).square().mean().backward()
        wanted.append({name: values.grad for name, values in network.named_parameters()})
    assert all(far(wanted[0][name], wanted[1][name]) < 4 * ROUNDING[dtype] for name in wanted[1])


def test_elsewhere_the_layers_themselves_compute(monkeypatch):
    layer, maps = nn.Conv2d(3, 4, 3), maps_of(2, 3, 20, 20)  # two tiles at a time
    assert torch.equal(convolution_and_relu(layer, maps), layer(maps).relu())
    monkeypatch.setattr(on_cpu, "_avx2_is_the_widest", lambda: False)
    with torch.autocast("cpu", enabled=False):
        one = maps[:1]
        assert torch.equal(convolution_and_relu(layer, one), layer(one).relu())


def test_where_there_is_something_to_offer(monkeypatch, dtype):
    maps = maps_of(1, 3, 20, 20)
    assert on_cpu._trains_in(maps) == dtype
    with torch.no_grad():
        assert on_cpu._trains_in(maps) is None
    with torch.autocast("cpu", torch.float16):
        assert on_cpu._trains_in(maps) is None
    assert on_cpu._trains_in(maps_of(2, 3, 20, 20)) is None
    assert on_cpu._trains_in(maps.to("meta")) is None
    if dtype == torch.float32:
        assert on_cpu._trains_in(maps.double()) is None
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert on_cpu._trains_in(maps) is None


@pytest.mark.parametrize(
    ("has", "is_wanted"),
    [
        ({"avx2": True}, True),
        ({"avx2": True, "avx512_f": False}, True),
        ({"avx2": True, "avx512_f": True}, False),
        ({"avx2": False, "avx512_f": False}, False),
        ({"neon": True}, False),
    ],
)
def test_which_processors_want_matrix_products(monkeypatch, has, is_wanted):
    monkeypatch.undo()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert on_cpu._avx2_is_the_widest.__wrapped__() is is_wanted


@pytest.mark.parametrize("options", [{}, {"variant": "release"}, {"padding": "zeros"}, {"batch_norm": True}])
def test_what_is_put_in(options, monkeypatch):
    """Every layer that has a kernel, by its name, with its own parameters; all is the same where it offers nothing."""
    monkeypatch.setattr(on_cpu, "_avx2_is_the_widest", lambda: False)
    torch.manual_seed(0)
    network = UNet(base_channels=2, dropout=0.1, **options).train()
    image = maps_of(1, 1, 204, 204)
    results = []
    for kernels in (False, True):
        if kernels:
            before = dict(network.named_parameters())
            on_cpu.use_cpu_kernels(network)
            assert all(before[name] is values for name, values in network.named_parameters())
        torch.manual_seed(1)
        with torch.autocast("cpu", enabled=False):
            network.zero_grad()
            network(image).square().mean().backward()
        results.append([values.grad.clone() for values in network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))
    kinds = [type(layer) for layer in network.modules()]
    assert kinds.count(on_cpu.UpConvolution) == 4 and kinds.count(on_cpu.Dropout) == 2
    assert kinds.count(on_cpu.ConvolutionAndReLU) == (0 if "batch_norm" in options else 18)


@pytest.mark.parametrize("bfloat16", [True, False])
def test_every_training_on_a_cpu_has_them(bfloat16):
    network = new_training_network(Config(base_channels=2, bfloat16=bfloat16), "cpu")
    kinds = [type(layer) for layer in network.modules()]
    assert kinds.count(on_cpu.ConvolutionAndReLU) == 18
