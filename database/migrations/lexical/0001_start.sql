-- Derived from knowledge.db, rebuilt at will: words for the lexical leg of the search.

CREATE TABLE watermarks (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE words_rows (
    n INTEGER PRIMARY KEY,
    chunk_id TEXT NOT NULL UNIQUE,
    business_id TEXT NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5 (
    body, content='', tokenize="porter unicode61 remove_diacritics 2"
);
CREATE VIRTUAL TABLE words_vocabulary USING fts5vocab ('words', 'row');
