"""How many vectors go to the store at once."""

from vectorstore.slice_size import ASKED_MOST, QUIET_MOST, SMALLEST, SliceSize


def test_slices_grow_while_nobody_asks():
    """A quick store takes more at once, up to a limit, and less as soon as somebody asks."""
    size = SliceSize()
    for _ in range(20):
        size.took(size.rows(0), 0.001 * size.rows(0) / 10, 0)
    assert size.rows(0) == QUIET_MOST
    size.asked(1)
    assert size.rows(1) == ASKED_MOST
    assert size.rows(10) == QUIET_MOST


def test_slices_shrink_with_a_slow_store_but_not_to_nothing():
    """What a call itself costs is not paid for a handful of vectors."""
    size = SliceSize()
    size.asked(0)
    for _ in range(20):
        size.took(size.rows(0), 10.0, 0)
    assert size.rows(0) == SMALLEST
