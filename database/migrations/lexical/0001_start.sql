-- Derived from knowledge.db, rebuilt at will: words for the lexical leg of the search.
-- Each business has an FTS5 table of its own, words_<number>, made with its first chunk: its ranks depend on nobody
-- else's words, and nobody else's rows are ever touched.

-- one row: every chunk up to this n is in here
CREATE TABLE watermark (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    n INTEGER NOT NULL
);
INSERT INTO watermark (id, n) VALUES (1, 0);

CREATE TABLE word_tables (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id TEXT NOT NULL UNIQUE,
    -- rows in the table now, for the estimate of what is rare
    chunks INTEGER NOT NULL DEFAULT 0
);

-- `n` is chunks.n of knowledge.db and the rowid in the FTS5 table
CREATE TABLE indexed_chunks (
    n INTEGER PRIMARY KEY,
    chunk_id TEXT NOT NULL UNIQUE,
    number INTEGER NOT NULL REFERENCES word_tables (number)
);
