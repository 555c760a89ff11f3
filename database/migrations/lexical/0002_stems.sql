-- The stems of each chunk in their order (database/word_stems.py: 4 bytes each, little endian), for exact scores.
-- A file from before is made anew: the watermark -1 says so.
ALTER TABLE indexed_chunks ADD COLUMN stems BLOB NOT NULL DEFAULT x'';
UPDATE watermark SET n = -1 WHERE EXISTS (SELECT 1 FROM indexed_chunks);
