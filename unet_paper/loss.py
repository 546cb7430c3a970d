"""The loss (section 3, equation 1): pixel-wise softmax and cross entropy, weighted per pixel by the weight map."""

from torch.nn import functional


def weighted_cross_entropy(scores, labels, weights):
    """E = -1/n sum_x w(x) log p_label(x)(x), with p the softmax of the scores over the K maps.

    Parameters
    ----------
    scores : (B, K, H, W) float tensor, the network's output
    labels : (B, H, W) int64 tensor of class numbers 0 ... K - 1
    weights : (B, H, W) float tensor, w(x)

    Returns
    -------
    Scalar float32 tensor. The mean over the n = B H W pixels (ours; equation 1 is the bare sum), so that the learning
    rate does not depend on the tile size; not divided by the sum of the weights, so that a tile full of narrow
    borders counts for more.
    """
    return (functional.cross_entropy(scores.float(), labels, reduction="none") * weights).mean()
