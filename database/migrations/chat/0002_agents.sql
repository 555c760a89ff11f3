-- Topics that a business named, with messages that are about them (`examples` is a JSON list).
CREATE TABLE topics (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    name TEXT NOT NULL,
    examples TEXT NOT NULL,
    action TEXT NOT NULL DEFAULT 'answer' CHECK (action IN ('answer', 'route', 'hand_over', 'refuse')),
    reply TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (business_id, name)
);
-- Asked for every burst: whether anything changed. Without it each row's examples would have to be read past.
CREATE INDEX topics_changed ON topics (business_id, updated_at, id);
ALTER TABLE turns ADD COLUMN topic TEXT;

-- What a customer said of themselves; shown to the business, erasable.
CREATE TABLE contact_facts (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    fact TEXT NOT NULL,
    turn_id TEXT REFERENCES turns (id),
    created_at INTEGER NOT NULL,
    UNIQUE (contact_id, fact)
);

-- What was said before the recent turns.
ALTER TABLE conversations ADD COLUMN summary TEXT;
ALTER TABLE conversations ADD COLUMN summary_seq INTEGER NOT NULL DEFAULT 0;

-- What models cost, by day (UTC, YYYY-MM-DD): the daily budget is kept against it.
CREATE TABLE model_spending (
    business_id TEXT NOT NULL REFERENCES businesses (id),
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (business_id, day, model)
);

-- Changes of knowledge that an admin was asked about in a chat.
CREATE TABLE proposals (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    kind TEXT NOT NULL CHECK (kind IN ('add', 'replace', 'forget')),
    details TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'reading', 'done', 'dropped')),
    -- the answer that was begun to be carried out: the first one counts, also when its turn was cut off
    chosen TEXT CHECK (chosen IN ('add', 'replace', 'forget', 'drop')),
    -- passages that it has taken sentences out of
    taken_out INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    settled_at INTEGER
);
CREATE INDEX proposals_open ON proposals (conversation_id) WHERE state = 'open';
-- said yes to; who said it is told when the document has been read
CREATE INDEX proposals_reading ON proposals (settled_at) WHERE state = 'reading';
