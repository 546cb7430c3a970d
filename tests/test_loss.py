"""Equation 1."""

import math

import numpy as np
import pytest
import torch

from unet_paper.loss import weighted_cross_entropy


def test_against_the_formula(random):
    logits = random.normal(size=(2, 3, 5, 7))
    labels = random.integers(0, 3, (2, 5, 7))
    weights = random.uniform(0, 10, (2, 5, 7))
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    chosen = np.take_along_axis(softmax, labels[:, None], axis=1)[:, 0]
    expected = -(weights * np.log(chosen)).mean()
    loss = weighted_cross_entropy(*(torch.from_numpy(values) for values in (logits, labels, weights)))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_indifferent_logits_cost_log_k():
    loss = weighted_cross_entropy(
        torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.long), torch.full((1, 4, 4), 3.0)
    )
    assert float(loss) == pytest.approx(3 * math.log(2))


def test_a_pixel_of_weight_zero_has_no_gradient():
    logits = torch.randn(1, 2, 2, 2, requires_grad=True)
    weights = torch.tensor([[[0.0, 1.0], [2.0, 4.0]]])
    weighted_cross_entropy(logits, torch.ones(1, 2, 2, dtype=torch.long), weights).backward()
    size = logits.grad.abs().sum((0, 1))
    assert size[0, 0] == 0 and size[0, 1] > 0


def test_what_weights_and_labels_may_be_besides():
    logits, labels = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    weights = torch.rand(4, 5)
    expected = weighted_cross_entropy(logits, labels, weights.expand(2, 4, 5))
    assert torch.equal(weighted_cross_entropy(logits, labels, weights), expected)
    assert weighted_cross_entropy(logits, labels, weights.double()).dtype == torch.float64
    unknown = torch.full_like(labels, -100)
    assert weighted_cross_entropy(logits, unknown, weights) == 0
    with pytest.raises((IndexError, RuntimeError)):
        weighted_cross_entropy(logits, torch.full_like(labels, -1), weights)


def test_half_precision_logits_are_summed_in_float32():
    logits = torch.randn(1, 2, 64, 64).bfloat16()
    labels, weights = torch.zeros(1, 64, 64, dtype=torch.long), torch.ones(1, 64, 64)
    loss = weighted_cross_entropy(logits, labels, weights)
    assert loss.dtype == torch.float32
    # a softmax in bfloat16 is wrong by up to 1 / 256, and so is its logarithm
    assert float(loss) == pytest.approx(float(weighted_cross_entropy(logits.double(), labels, weights)), rel=1e-6)
