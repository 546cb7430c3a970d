"""The network and its training step as people write them in PyTorch: figure 1 with unpadded convolutions, float32, the
usual memory layout, nothing fused. The baseline of the benchmarks; it shares no code with `unet_paper`.
"""

import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional


def double_convolution(incoming: int, outgoing: int) -> nn.Sequential:
    """Twice convolution and ReLU."""
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, 3), nn.ReLU(inplace=True), nn.Conv2d(outgoing, outgoing, 3), nn.ReLU(inplace=True)
    )


class BaselineUNet(nn.Module):
    """Four poolings, the skips cropped by slicing; the classes' logits."""

    def __init__(self, base_channels: int = 64, classes: int = 2) -> None:
        super().__init__()
        sizes = [base_channels * 2**level for level in range(5)]
        self.down = nn.ModuleList(double_convolution(a, b) for a, b in zip([1, *sizes], sizes, strict=False))
        self.dropout = nn.Dropout2d(0.5)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * size, size, 2, stride=2) for size in sizes[-2::-1])
        self.after = nn.ModuleList(double_convolution(2 * size, size) for size in sizes[-2::-1])
        self.last = nn.Conv2d(base_channels, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) -> (B, classes, H - 184, W - 184)"""
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            if level >= 3:
                x = self.dropout(x)
            skips.append(x)
        skips.pop()
        for up, after in zip(self.up, self.after, strict=True):
            x, skip = up(x), skips.pop()
            top, left = (skip.shape[2] - x.shape[2]) // 2, (skip.shape[3] - x.shape[3]) // 2
            x = after(torch.cat([skip[:, :, top : top + x.shape[2], left : left + x.shape[3]], x], dim=1))
        return self.last(x)


def training_step(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    tile: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
) -> float:
    """One step of gradient descent on the weighted cross entropy; returns the loss as a number."""
    optimiser.zero_grad()
    loss = (functional.cross_entropy(network(tile), labels, reduction="none") * weights).mean()
    loss.backward()
    optimiser.step()
    return loss.item()


@torch.no_grad()
def predict(network: nn.Module, section: torch.Tensor, tta: str = "none") -> torch.Tensor:
    """A (512, 512) section, mirrored by 94 px, one pass for each version: (512, 512) probabilities of class 1."""
    if tta == "none":
        padded = functional.pad(section[None, None], (94, 94, 94, 94), mode="reflect")
        return torch.softmax(network(padded), dim=1)[0, 1, 2:-2, 2:-2]
    total = torch.zeros_like(section)
    if tta == "d4":
        for turns in range(4):
            for mirrored in (False, True):
                version = torch.rot90(section.flip(1) if mirrored else section, turns)
                turned_back = torch.rot90(predict(network, version), -turns)
                total += turned_back.flip(1) if mirrored else turned_back
        return total / 8
    if tta == "rot7":
        values = section.cpu().numpy()
        for turn in range(7):
            turned = torch.from_numpy(ndimage.rotate(values, turn * 360 / 7, reshape=False, order=1, mode="mirror"))
            probability = predict(network, turned.to(section.device)).cpu().numpy()
            probability = ndimage.rotate(probability, -turn * 360 / 7, reshape=False, order=1, mode="mirror")
            total += torch.from_numpy(probability).to(section.device)
        return total / 7
    raise ValueError(tta)
