-- Questions of customers that the knowledge did not answer, grouped by what they mean.

-- `centroid` is the sum of the questions' embeddings (float32, little endian); `question` is the owner's wording.
CREATE TABLE gaps (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    language TEXT NOT NULL,
    embedder TEXT NOT NULL,
    centroid BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'ignored')),
    question TEXT,
    -- in knowledge.db: the document that answers it
    document_id TEXT,
    created_at INTEGER NOT NULL,
    settled_at INTEGER
);
CREATE INDEX gaps_of_business ON gaps (business_id, language, embedder);
CREATE INDEX gaps_open ON gaps (business_id) WHERE state = 'open';

-- `n` is what a list is read up to, so that its order stands still while it is paged through.
-- `part` numbers the questions of one message; `why`: the bot did not know, or a person had the chat.
CREATE TABLE gap_questions (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    gap_id TEXT NOT NULL REFERENCES gaps (id),
    business_id TEXT NOT NULL REFERENCES businesses (id),
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    message_id TEXT NOT NULL REFERENCES messages (id),
    part INTEGER NOT NULL,
    turn_id TEXT REFERENCES turns (id),
    why TEXT NOT NULL CHECK (why IN ('not_known', 'person')),
    question TEXT NOT NULL,
    vector BLOB NOT NULL,
    asked_at INTEGER NOT NULL,
    UNIQUE (message_id, part)
);
-- all that a list counts: the rows with their vectors are not read for it
CREATE INDEX gap_questions_of_gap ON gap_questions (business_id, gap_id, n, asked_at, why);
CREATE INDEX gap_questions_in_gap ON gap_questions (gap_id);
CREATE INDEX gap_questions_of_contact ON gap_questions (contact_id);
CREATE INDEX gap_questions_by_age ON gap_questions (asked_at);

-- up to when turns and messages have been looked at
CREATE TABLE gap_marks (
    why TEXT PRIMARY KEY CHECK (why IN ('not_known', 'person')),
    seen_at INTEGER NOT NULL
);
CREATE INDEX turns_not_known ON turns (finished_at, id) WHERE outcome = 'not_known';
CREATE INDEX messages_with_person ON messages (received_at, id) WHERE reason = 'with_person';
-- the newest questions of a business, for a replay
CREATE INDEX turns_of_business ON turns (business_id, id) WHERE outcome IN ('answered', 'not_known');
