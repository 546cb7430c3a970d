"""The loss (section 3, equation 1): pixel-wise softmax and cross entropy, weighted per pixel by the weight map."""

import torch
from torch.nn import functional


def weighted_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """E = -1/n sum_x w(x) log p_label(x)(x), with p the softmax of the logits over the K classes.

    Parameters
    ----------
    logits : (B, K, H, W) float tensor
        The network's output.
    labels : (B, H, W) int64 tensor
        Class numbers, 0 to K - 1; pixels of -100, PyTorch's `ignore_index`, cost 0.
    weights : (B, H, W) float tensor, or one that broadcasts to it
        w(x), 0 or above; 0 for pixels of which the truth is not known.

    Returns
    -------
    Scalar float32 tensor, float64 with such weights
        The mean over the n = B H W pixels (ours; equation 1 is the bare sum), so that the learning rate does not depend
        on the tile size. It is not divided by the sum of the weights, so that a tile full of narrow borders counts for
        more.

    Raises
    ------
    RuntimeError or IndexError
        PyTorch's, for shapes that do not fit and all other labels.

    Notes
    -----
    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, section 3, equation 1.
    """
    return (functional.cross_entropy(logits.float(), labels, reduction="none") * weights).mean()
