"""Tags of documents, whichever door they come through."""

import pytest

from services.document_tags import tidy_tags


def test_tags_are_tidied():
    """Lower case, without outer blanks, each once, in their order."""
    assert tidy_tags([" Prices ", "2026", "prices", "Größe 40"]) == ("prices", "2026", "größe 40")
    assert tidy_tags([]) == ()
    assert len(tidy_tags(f"{n}" for n in range(20))) == 20


@pytest.mark.parametrize("tag", ["x" * 65, "", " ", "a,b", "a\nb", "a\0b", "\ud83d", "İ" * 64])
def test_what_can_be_no_tag(tag):
    """A sentence says what a tag may be; a letter that gets longer in lower case counts as it is stored."""
    with pytest.raises(ValueError, match="each must be 1 to 64 characters, none of them a comma"):
        tidy_tags(["fine", tag])


def test_too_many_tags():
    """A sentence says how many there may be."""
    with pytest.raises(ValueError, match="must be at most 20"):
        tidy_tags(f"{n}" for n in range(21))
