-- The source of truth for knowledge: documents → versions → chunks, and the chunks' embeddings.

CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL,
    filename TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'parsing', 'embedding', 'indexing', 'ready', 'failed')),
    progress REAL NOT NULL DEFAULT 0,
    is_processed INTEGER NOT NULL DEFAULT 0 CHECK (is_processed IN (0, 1)),
    chunks_count INTEGER NOT NULL DEFAULT 0,
    error_message TEXT,
    bytes INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 1,
    -- beginnings of work inside this process since the last progress: what keeps killing it is given up
    attempts INTEGER NOT NULL DEFAULT 0,
    -- what answers: NULL until a version is complete
    live_version_id TEXT,
    -- set by delete: no search finds it from that moment; the rows and files go afterwards
    deleted_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX documents_of_business ON documents (business_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX documents_open ON documents (created_at) WHERE status NOT IN ('ready', 'failed') AND deleted_at IS NULL;
CREATE INDEX documents_deleted ON documents (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX documents_live ON documents (live_version_id) WHERE live_version_id IS NOT NULL;

CREATE TABLE versions (
    id TEXT PRIMARY KEY,
    document_id TEXT NOT NULL REFERENCES documents (id),
    business_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    mime TEXT,
    parser TEXT,
    chunker TEXT,
    embedder TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (document_id, number)
);

-- `n` is the watermark of the lexical index; `id` is the vector's id in Chroma.
CREATE TABLE chunks (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    business_id TEXT NOT NULL,
    document_id TEXT NOT NULL REFERENCES documents (id),
    version_id TEXT NOT NULL REFERENCES versions (id),
    ordinal INTEGER NOT NULL,
    heading TEXT,
    page INTEGER,
    text TEXT NOT NULL,
    UNIQUE (version_id, ordinal)
);
CREATE INDEX chunks_of_document ON chunks (document_id);

-- float32, little endian, normalised to length 1
CREATE TABLE embeddings (
    chunk_id TEXT NOT NULL REFERENCES chunks (id),
    embedder TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (chunk_id, embedder)
) WITHOUT ROWID;

-- one row: counts every change of what is live, per business
CREATE TABLE knowledge_versions (
    business_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL
);
