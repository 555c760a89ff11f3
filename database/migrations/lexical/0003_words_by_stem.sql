-- FTS5 keeps stems instead of words (database/word_stems.py): every form of a word proposes a chunk.
-- A file from before is made anew: the watermark -1 says so.
UPDATE watermark SET n = -1 WHERE EXISTS (SELECT 1 FROM word_tables);
