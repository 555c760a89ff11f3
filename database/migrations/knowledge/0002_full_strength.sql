-- Versions that switch, documents from other places than uploads, settings of a business, and what is measured.

-- where a document comes from: a file, a web page, a question with its answer, a chunk set
ALTER TABLE documents ADD COLUMN source TEXT NOT NULL DEFAULT 'upload'
    CHECK (source IN ('upload', 'web', 'answer', 'import'));
-- a ready document may lack something: what was left out of it, in a sentence for its owner
ALTER TABLE documents ADD COLUMN warning TEXT;
-- chunks of the live version that have no embedding yet: found by their words, healed later
ALTER TABLE documents ADD COLUMN chunks_missing INTEGER NOT NULL DEFAULT 0;
-- chunks of the newest version that said nothing, or nothing that can be read
ALTER TABLE documents ADD COLUMN chunks_dropped INTEGER NOT NULL DEFAULT 0;
CREATE INDEX documents_by_name ON documents (business_id, source, filename) WHERE deleted_at IS NULL;
CREATE INDEX documents_missing ON documents (business_id) WHERE chunks_missing > 0 AND deleted_at IS NULL;

CREATE TABLE document_tags (
    document_id TEXT NOT NULL REFERENCES documents (id),
    tag TEXT NOT NULL,
    PRIMARY KEY (document_id, tag)
) WITHOUT ROWID;
CREATE INDEX document_tags_by_tag ON document_tags (tag, document_id);

-- `hold`: when it is complete it waits for a person to publish it. `completed_at`: all of it is in the indexes.
-- `origin` is the number of the version whose content it repeats, for one that a roll-back made.
ALTER TABLE versions ADD COLUMN hold INTEGER NOT NULL DEFAULT 0 CHECK (hold IN (0, 1));
ALTER TABLE versions ADD COLUMN completed_at INTEGER;
ALTER TABLE versions ADD COLUMN live_at INTEGER;
ALTER TABLE versions ADD COLUMN chunks_count INTEGER;
ALTER TABLE versions ADD COLUMN error_message TEXT;
ALTER TABLE versions ADD COLUMN origin INTEGER;
-- the name that its document has once it is live; NULL: the one that the document has
ALTER TABLE versions ADD COLUMN filename TEXT;
-- as in documents, for the day when it answers again
ALTER TABLE versions ADD COLUMN warning TEXT;
ALTER TABLE versions ADD COLUMN chunks_dropped INTEGER NOT NULL DEFAULT 0;
-- an embedder that is to take over and has embedded all of it, too
ALTER TABLE versions ADD COLUMN embedded_too TEXT;
-- an old version that is kept for a roll-back: its chunks have left both indexes
ALTER TABLE versions ADD COLUMN shelved_at INTEGER;
-- what a business keeps on disk; a version whose file was refused has no sum
CREATE INDEX versions_kept ON versions (business_id, bytes) WHERE sha256 <> '';

-- SHA-256 of the text that is embedded (heading and text), the first 16 bytes: the same text keeps its embedding.
-- NULL for chunks from before.
ALTER TABLE chunks ADD COLUMN text_hash BLOB;
CREATE INDEX chunks_by_text ON chunks (business_id, text_hash) WHERE text_hash IS NOT NULL;

-- What a business set for its knowledge; NULL means the default of the server.
CREATE TABLE knowledge_settings (
    business_id TEXT PRIMARY KEY,
    chunk_characters INTEGER,
    answer_threshold REAL,
    vector_weight REAL,
    updated_at INTEGER NOT NULL
);

-- The embedder whose vectors answer now; another one of the settings takes over when all is embedded by it.
-- `installation` tells our collections on a Chroma server from those of others.
CREATE TABLE index_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    installation TEXT NOT NULL,
    embedder TEXT NOT NULL,
    switched_at INTEGER NOT NULL
);

-- Addresses that are looked at again. A sitemap has pages of its own, which name it as their parent.
-- A page's document has the page's id. `digest` is the SHA-256 of what a reader sees of it, '' before anything was
-- read, NULL before there was a document. `left_at`: its sitemap does not name it any more. `stopped_at`: its owner
-- deleted the document; the row keeps its sitemap from bringing it back.
CREATE TABLE web_sources (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL,
    parent_id TEXT REFERENCES web_sources (id),
    kind TEXT NOT NULL CHECK (kind IN ('page', 'sitemap')),
    url TEXT NOT NULL,
    every_seconds INTEGER NOT NULL,
    document_id TEXT REFERENCES documents (id),
    etag TEXT,
    last_modified TEXT,
    digest TEXT,
    checked_at INTEGER,
    changed_at INTEGER,
    next_at INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    error_message TEXT,
    left_at INTEGER,
    stopped_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (business_id, url)
);
CREATE INDEX web_sources_due ON web_sources (next_at) WHERE stopped_at IS NULL;
CREATE INDEX web_sources_of_business ON web_sources (business_id, created_at, id);
CREATE INDEX web_sources_of_parent ON web_sources (parent_id) WHERE parent_id IS NOT NULL;

-- A question with its answer, as its owner wrote it; the document is made of it.
-- `question_key` is the question without case, spaces and marks: asked twice, it is one. `pending`: the document does
-- not have it yet; the row is written first, so that no crash loses it.
CREATE TABLE answers (
    document_id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL,
    question TEXT NOT NULL,
    question_key TEXT NOT NULL,
    answer TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]',
    pending INTEGER NOT NULL DEFAULT 1 CHECK (pending IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX answers_pending ON answers (updated_at) WHERE pending = 1;
CREATE UNIQUE INDEX answers_by_question ON answers (business_id, question_key);
CREATE INDEX answers_of_business ON answers (business_id, created_at, document_id);

-- Questions and answers that were read out of a chat and wait for a person's yes. `question_key` as above: what was
-- taken or refused once is not proposed again.
CREATE TABLE proposed_answers (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL,
    filename TEXT NOT NULL,
    question TEXT NOT NULL,
    question_key TEXT NOT NULL,
    answer TEXT NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    asked_at TEXT,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'taken', 'refused')),
    document_id TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (business_id, question_key)
);
CREATE INDEX proposed_answers_of_business ON proposed_answers (business_id, state, created_at, id);

-- What `concierge eval` measured, to be compared with the next time; `figures` is a JSON object.
CREATE TABLE evaluations (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL,
    name TEXT NOT NULL,
    questions INTEGER NOT NULL,
    figures TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX evaluations_of_business ON evaluations (business_id, name, created_at);
