"""The sums of the Rand error by hand."""

from unet_paper.metrics.rand_error import rand_f, rand_sums


def test_rand_sums_by_hand(overlap_of):
    found = overlap_of([[1, 1, 1, 0, 2, 2]], [[1, 1, 1, 1, 1, 0]])
    # c = [[0, 3], [1, 1]]: AB = 9 + 1 + 1, A = 9 + 4, B = 16 + 1; pairs 3, 3 + 1, 6.
    assert rand_sums(found) == (11, 13, 17)
    assert rand_sums(found, "pairs") == (3, 4, 6)


def test_single_pixels_hold_no_pair_and_that_is_right(overlap_of):
    found = overlap_of([[1, 0, 2]], [[1, 0, 0]])
    assert rand_sums(found, "pairs") == (0, 0, 0) and rand_f([(0, 0, 0)]) == 1
