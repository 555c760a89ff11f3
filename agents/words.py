"""The agents' words are those of the search, so that what it found can be compared with what was asked."""

from database.word_stems import INDIC, RUN, UNSPACED, WRITTEN, folded, is_unspaced, stem, words

__all__ = ["INDIC", "RUN", "UNSPACED", "WRITTEN", "folded", "is_unspaced", "stem", "words"]
