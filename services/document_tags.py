"""Tags of documents: one rule for every door that takes them."""

from collections.abc import Iterable

MOST_TAGS = 20
LONGEST_TAG = 64


def tidy_tag(text: str) -> str:
    """A tag as it is stored: lower case, without outer blanks. Raises ValueError for what can be none.

    Commas part the tags of an address and of a command line.
    """
    tag = text.strip().lower()
    if not 0 < len(tag) <= LONGEST_TAG or "," in tag or not tag.isprintable():
        raise ValueError(f"must be 1 to {LONGEST_TAG} characters, none of them a comma or a control character")
    return tag


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Each once, in their order. Raises ValueError when one can be none, or when they are too many."""
    tidy = tuple(dict.fromkeys(_each_tidy(tags)))
    if len(tidy) > MOST_TAGS:
        raise ValueError(f"must be at most {MOST_TAGS}")
    return tidy


def _each_tidy(tags: Iterable[str]) -> Iterable[str]:
    for tag in tags:
        try:
            yield tidy_tag(tag)
        except ValueError as error:
            raise ValueError(f"each {error}") from None
