-- Times are UTC epoch milliseconds (`*_at`). Ids are UUIDv7 text. Enums are TEXT with CHECK.

CREATE TABLE businesses (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- A Meta app: who signs our webhooks. The default app's secrets come from the environment.
CREATE TABLE apps (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    name TEXT NOT NULL UNIQUE,
    encrypted_secrets BLOB,
    created_at INTEGER NOT NULL
);

-- A WhatsApp number of ours; `id` is Meta's phone_number_id.
CREATE TABLE numbers (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    app_id TEXT NOT NULL REFERENCES apps (id),
    display_phone TEXT,
    created_at INTEGER NOT NULL
);

CREATE TABLE contacts (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    bsuid TEXT,
    phone TEXT,
    name TEXT,
    username TEXT,
    zone TEXT,
    language TEXT,
    opted_out_at INTEGER,
    blocked_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (business_id, bsuid),
    UNIQUE (business_id, phone)
);

-- Ids that a contact had before (WHATSAPP.md 3.3).
CREATE TABLE contact_aliases (
    business_id TEXT NOT NULL REFERENCES businesses (id),
    alias TEXT NOT NULL,
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (business_id, alias)
);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    number_id TEXT NOT NULL REFERENCES numbers (id),
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    mode TEXT NOT NULL DEFAULT 'bot' CHECK (mode IN ('bot', 'person')),
    next_seq INTEGER NOT NULL DEFAULT 1,
    -- the batcher: when the burst began, when its turn is due; both NULL while nothing waits
    burst_at INTEGER,
    due_at INTEGER,
    -- the claim: which turn holds the conversation, until when; the fence counts claims and never goes back
    claim TEXT,
    claim_until INTEGER,
    fence INTEGER NOT NULL DEFAULT 0,
    failed_claims INTEGER NOT NULL DEFAULT 0,
    superseded INTEGER NOT NULL DEFAULT 0,
    last_inbound_at INTEGER,
    last_message_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (number_id, contact_id)
);
CREATE INDEX conversations_due ON conversations (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX conversations_claimed ON conversations (claim_until) WHERE claim IS NOT NULL;
CREATE INDEX conversations_recent ON conversations (business_id, created_at, id);

CREATE TABLE turns (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    outcome TEXT NOT NULL CHECK (outcome IN ('answered', 'not_known', 'apology', 'closed')),
    intents TEXT NOT NULL,
    language TEXT,
    model TEXT,
    prompt_hash TEXT,
    knowledge_version INTEGER,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0,
    stages TEXT NOT NULL,
    sources TEXT NOT NULL,
    error TEXT,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
);
CREATE INDEX turns_of_conversation ON turns (conversation_id, id);

-- Inbound messages. `seq` is the conversation's own order, shared with the outbox.
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    seq INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    wamid TEXT NOT NULL,
    type TEXT NOT NULL,
    text TEXT,
    button_id TEXT,
    quoted_wamid TEXT,
    payload TEXT,
    status TEXT NOT NULL DEFAULT 'received' CHECK (status IN ('received', 'answered', 'closed')),
    reason TEXT CHECK (reason IN ('unsupported', 'with_person', 'opted_out', 'blocked', 'rate_limited',
        'too_old', 'revoked', 'not_for_us', 'no_reply_needed')),
    turn_id TEXT REFERENCES turns (id),
    sent_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    UNIQUE (conversation_id, seq),
    CHECK ((status = 'closed') = (reason IS NOT NULL)),
    CHECK (status <> 'answered' OR turn_id IS NOT NULL)
);
CREATE INDEX messages_pending ON messages (conversation_id, seq) WHERE status = 'received';

-- Outbound messages. `body` is the message object for Meta without its recipient.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    business_id TEXT NOT NULL REFERENCES businesses (id),
    number_id TEXT NOT NULL REFERENCES numbers (id),
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    turn_id TEXT REFERENCES turns (id),
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    text TEXT,
    body TEXT NOT NULL,
    -- a hand-over sentence goes out although a person answers now; the confirmation of "stop" although they opted out
    purpose TEXT NOT NULL DEFAULT 'reply' CHECK (purpose IN ('reply', 'hand_over', 'opt_out')),
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sending', 'unconfirmed', 'accepted', 'sent',
        'delivered', 'read', 'played', 'failed', 'held', 'cancelled')),
    reason TEXT,
    wamid TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (conversation_id, seq)
);
CREATE INDEX outbox_active ON outbox (conversation_id, seq, state) WHERE state IN ('queued', 'sending', 'unconfirmed');
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'queued';

-- One row before the first byte leaves. `id` travels as biz_opaque_callback_data.
CREATE TABLE send_attempts (
    id TEXT PRIMARY KEY,
    outbox_id TEXT NOT NULL REFERENCES outbox (id),
    n INTEGER NOT NULL,
    wamid TEXT,
    state TEXT NOT NULL DEFAULT 'started' CHECK (state IN ('started', 'accepted', 'refused', 'unconfirmed', 'resent')),
    error_code INTEGER,
    error TEXT,
    -- which start of the owner made it: attempts of an earlier one have lost their sender
    fence INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    UNIQUE (outbox_id, n)
);
CREATE INDEX send_attempts_wamid ON send_attempts (wamid) WHERE wamid IS NOT NULL;
CREATE INDEX send_attempts_open ON send_attempts (state) WHERE state IN ('started', 'unconfirmed');

-- Webhook POSTs as they came, and the events in them.
CREATE TABLE inbox_posts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    body BLOB,
    error TEXT,
    received_at INTEGER NOT NULL
);
CREATE TABLE inbox_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    post_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    dedupe_key TEXT NOT NULL UNIQUE,
    pointer TEXT NOT NULL,
    phone_number_id TEXT,
    subject TEXT,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'handled', 'ignored', 'dead')),
    error TEXT,
    received_at INTEGER NOT NULL
);
CREATE INDEX inbox_events_waiting ON inbox_events (id) WHERE state = 'waiting';
CREATE INDEX inbox_events_dead ON inbox_events (id) WHERE state = 'dead';
-- a status that came before the answer to the send that it speaks of
CREATE INDEX inbox_events_early ON inbox_events (subject) WHERE state = 'ignored' AND kind = 'status';

-- Counts the starts of the owning process.
CREATE TABLE owner_starts (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    fence INTEGER NOT NULL
);

CREATE TABLE audit_log (
    id TEXT PRIMARY KEY,
    business_id TEXT REFERENCES businesses (id),
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    contact_id TEXT REFERENCES contacts (id),
    happened_at INTEGER NOT NULL
);
