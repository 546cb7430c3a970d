"""The sums of the Rand error by hand."""

from unet_paper.metrics.rand_error import rand_sums


def test_rand_sums_by_hand(overlap_of):
    found = overlap_of([[1, 1, 1, 0, 2, 2]], [[1, 1, 1, 1, 1, 0]])
    # c = [[0, 3], [1, 1]]: AB = 9 + 1 + 1, A = 9 + 4, B = 16 + 1; pairs 3, 3 + 1, 6.
    assert rand_sums(found) == (11, 13, 17)
    assert rand_sums(found, "pairs") == (3, 4, 6)
