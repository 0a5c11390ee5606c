-- The tables. Instants are microseconds since 1970; `at`, `look_at`, `overdue_at`, `lost_at` and `settled_at` are in steady
-- time, which is the database's clock; the others are the machine's. Columns named sealed are AES-256-GCM; no other column
-- holds a secret. Texts are compared byte by byte.
--
-- events, deliveries, attempts and settled are appended to, and not changed while all goes well. What waits is in a small
-- table of its own.

-- A process that has the store open. Its deliveries are taken over when it no longer beats.
CREATE SEQUENCE epoch_numbers;
CREATE TABLE epochs (
    number   bigint PRIMARY KEY,
    version  text        NOT NULL,                 -- of reelhook
    schema   integer     NOT NULL,                 -- the newest migration that it knows
    began_at timestamptz NOT NULL,
    beat_at  timestamptz NOT NULL,
    -- No delivery below this number is fresh and not settled.
    oldest   bigint      NOT NULL
);

-- An operation with its expectation and its watches. The hashes find rows; the texts decide.
CREATE SEQUENCE operation_numbers;
CREATE TABLE operations (
    number            bigint PRIMARY KEY,
    id                text COLLATE "C" NOT NULL,
    id_hash           bigint  NOT NULL,
    call_id           text COLLATE "C" NOT NULL,   -- '' where it is not known
    call_hash         bigint,                      -- NULL where it is not known
    client_context    text COLLATE "C",
    context_hash      bigint,
    status            text COLLATE "C" NOT NULL,
    is_terminal       boolean NOT NULL,
    created_at        bigint  NOT NULL,
    modified_at       bigint  NOT NULL,
    version           bigint  NOT NULL,            -- grows with every change
    tenant_id         text COLLATE "C",
    completion_reason text COLLATE "C",
    result_code       bigint,
    result_subcode    bigint,
    state_event       bigint,                      -- the event that set the state
    proof             bigint  NOT NULL,            -- its rank; 0: only its client has named it
    expectation_id    text COLLATE "C",            -- NULL: nothing was announced, and nothing is lost
    expectation_hash  bigint,
    expectation       text COLLATE "C",            -- its state
    announced_at      bigint,
    expected_by       bigint,
    metadata          text COLLATE "C",            -- a JSON object
    sinks             text COLLATE "C",            -- a JSON array of names
    waits_for         text COLLATE "C",            -- the client context ('': none) until Graph's id is known
    waits_hash        bigint,
    overdue_at        bigint,                      -- when it is reported as overdue
    lost_at           bigint                       -- when it is reported as lost
) WITH (fillfactor = 85);
CREATE INDEX operations_by_id ON operations (id_hash, number);
CREATE INDEX operations_by_expectation_id ON operations (expectation_hash, number) WHERE expectation_hash IS NOT NULL;
CREATE INDEX operations_open_by_context ON operations (context_hash, number)
    WHERE NOT is_terminal AND context_hash IS NOT NULL;
CREATE INDEX operations_by_call ON operations (call_hash, number) WHERE call_hash IS NOT NULL;
CREATE INDEX operations_open_by_call ON operations (call_hash, number) WHERE NOT is_terminal AND call_hash IS NOT NULL;
CREATE INDEX operations_waiting ON operations (waits_hash, expectation DESC, number) WHERE waits_hash IS NOT NULL;
CREATE INDEX operations_overdue ON operations (overdue_at) WHERE overdue_at IS NOT NULL;
CREATE INDEX operations_lost ON operations (lost_at) WHERE lost_at IS NOT NULL;
CREATE INDEX operations_by_creation ON operations (created_at, number);
CREATE INDEX operations_by_context ON operations (context_hash, created_at) WHERE context_hash IS NOT NULL;
CREATE INDEX operations_by_expectation ON operations (expectation, created_at) WHERE expectation IS NOT NULL;

-- number is part of id. Numbers are given under a lock that is held until the commit, so they are in the order of commits.
CREATE SEQUENCE event_numbers;
CREATE TABLE events (
    number          bigint PRIMARY KEY,
    id              uuid     NOT NULL,
    epoch           bigint   NOT NULL,             -- the process that accepted it
    origin          smallint NOT NULL,             -- 0 Graph, 1 reelhook
    received_at     bigint   NOT NULL,
    accepted_at     bigint,                        -- NULL: when it was received
    channel         text COLLATE "C" NOT NULL,
    operation       bigint,
    hash            bytea    NOT NULL,             -- 16 bytes that identify its bytes
    lookup          bigint,                        -- of its Graph id, or else of its bytes; an operation's have none
    is_matched      boolean  NOT NULL,
    has_token       boolean  NOT NULL,
    kind            text COLLATE "C" NOT NULL,
    resource_type   text COLLATE "C" NOT NULL,
    resource        text COLLATE "C" NOT NULL,
    client_context  text COLLATE "C",
    tenant_id       text COLLATE "C",
    subscription_id text COLLATE "C",
    graph_id        text COLLATE "C",
    status          text COLLATE "C",
    op_order        text COLLATE "C",
    previous_status text COLLATE "C",
    message         bigint,                        -- of the message of the calling platform, and its place there
    possible_repeat boolean  NOT NULL,
    sealed          bytea    NOT NULL
);
-- What is sealed cannot be compressed.
ALTER TABLE events ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX events_by_lookup ON events (lookup, number) WHERE lookup IS NOT NULL;
CREATE INDEX events_by_operation ON events (operation, number) WHERE operation IS NOT NULL;
CREATE INDEX events_unmatched ON events (number) WHERE NOT is_matched;
CREATE INDEX events_late ON events (number) WHERE accepted_at IS NOT NULL;

-- Events whose POST was not answered 2xx in time. The repeat removes its event.
CREATE TABLE unanswered (event bigint PRIMARY KEY);

-- When an event is looked at next: for its token, then for its retention. Each event has one entry.
CREATE TABLE upkeep (
    look_at bigint NOT NULL,
    event   bigint NOT NULL,
    PRIMARY KEY (look_at, event)
);

-- number is the event's number times 4096 plus another one. A fresh delivery belongs to the process that accepted it
-- (epoch), which attempts it from memory until fresh_until. Those of no process are in waiting from the beginning.
CREATE TABLE deliveries (
    number      bigint PRIMARY KEY,
    id          uuid   NOT NULL,
    operation   bigint,
    sink        text COLLATE "C" NOT NULL,
    route       text COLLATE "C" NOT NULL,
    captures    text COLLATE "C",
    created_at  bigint NOT NULL,
    resend_of   uuid,
    epoch       bigint,
    fresh_until bigint
);
CREATE INDEX deliveries_fresh_by_operation ON deliveries (operation, number)
    WHERE operation IS NOT NULL AND epoch IS NOT NULL;

-- Deliveries that were delivered, one statement for many.
CREATE TABLE settled (
    number     bigint PRIMARY KEY,
    at         bigint  NOT NULL,                   -- by the machine's clock
    settled_at bigint  NOT NULL,
    started_at bigint  NOT NULL,
    took       bigint  NOT NULL,
    exchange   bigint,
    n_attempts bigint  NOT NULL,                   -- since the last replay
    reason     text COLLATE "C"                    -- of the last attempt that failed
);

-- Deliveries that wait for an attempt of whoever leases them. state: 0 open, 1 blocked.
CREATE TABLE waiting (
    number     bigint PRIMARY KEY,
    sink       text COLLATE "C" NOT NULL,
    operation  bigint,
    state      smallint NOT NULL,
    at         bigint   NOT NULL,                  -- when it is due; leased: when the lease ends
    is_leased  boolean  NOT NULL,
    token      bigint   NOT NULL,                  -- grows with each lease
    epoch      bigint,                             -- of the process that has leased it
    n_attempts bigint   NOT NULL,
    reason     text COLLATE "C"
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
CREATE INDEX waiting_due ON waiting (sink, at, number) WHERE state = 0;
CREATE INDEX waiting_free ON waiting (sink, at) WHERE state = 0 AND NOT is_leased;
CREATE INDEX waiting_by_operation ON waiting (operation, sink, number) WHERE operation IS NOT NULL;
CREATE INDEX waiting_by_sink ON waiting (sink, number);
CREATE INDEX waiting_leased ON waiting (epoch) WHERE is_leased;

-- Dead letters.
CREATE TABLE dead (
    number     bigint PRIMARY KEY,
    sink       text COLLATE "C" NOT NULL,
    at         bigint NOT NULL,                    -- by the machine's clock
    settled_at bigint NOT NULL,
    token      bigint NOT NULL,
    n_attempts bigint NOT NULL,
    reason     text COLLATE "C"
);
CREATE INDEX dead_by_sink ON dead (sink, number);

-- A delivery as it is now. state: 0 open, 1 blocked, 2 delivered, 3 dead; place: 0 fresh, 1 waiting, 2 settled, 3 dead.
CREATE VIEW delivery_rows AS
    SELECT d.number, d.id, d.operation, d.sink, d.route, d.captures, d.created_at, d.resend_of,
           CASE WHEN w.number IS NOT NULL THEN 1 WHEN s.number IS NOT NULL THEN 2 WHEN x.number IS NOT NULL THEN 3
                ELSE 0 END::smallint AS place,
           CASE WHEN w.number IS NOT NULL THEN w.state WHEN s.number IS NOT NULL THEN 2 WHEN x.number IS NOT NULL THEN 3
                ELSE 0 END::smallint AS state,
           coalesce(w.at, s.at, x.at, d.fresh_until, d.created_at) AS at,
           coalesce(w.is_leased, s.number IS NULL AND x.number IS NULL) AS is_leased,
           coalesce(w.token, x.token, 1) AS token,
           coalesce(w.n_attempts, s.n_attempts, x.n_attempts, 0) AS n_attempts,
           coalesce(w.reason, s.reason, x.reason) AS reason,
           s.started_at, s.took, s.exchange, coalesce(s.settled_at, x.settled_at) AS settled_at
    FROM deliveries d LEFT JOIN waiting w ON w.number = d.number LEFT JOIN settled s ON s.number = d.number
    LEFT JOIN dead x ON x.number = d.number;

-- Attempts that failed.
CREATE TABLE attempts (
    delivery   bigint NOT NULL,
    started_at bigint NOT NULL,
    number     bigint NOT NULL,
    took       bigint NOT NULL,
    reason     text COLLATE "C" NOT NULL,
    exchange   bigint,
    PRIMARY KEY (delivery, started_at, number)
);

-- What was sent and answered in an attempt, without secrets. The oldest make room.
CREATE SEQUENCE exchange_numbers;
CREATE TABLE exchanges (
    id         bigint PRIMARY KEY DEFAULT nextval('exchange_numbers'),
    delivery   bigint  NOT NULL,
    started_at bigint  NOT NULL,
    number     bigint  NOT NULL,
    sealed     bytea   NOT NULL
);
CREATE INDEX exchanges_by_delivery ON exchanges (delivery);

-- wish: NULL none, false verify again, true verify again with the operator's word. class: 0 strangers, 1 known senders,
-- 2 items that wait for keys.
CREATE SEQUENCE quarantine_numbers;
CREATE TABLE quarantine (
    id             bigint PRIMARY KEY,
    received_at    bigint   NOT NULL,
    channel        text COLLATE "C" NOT NULL,
    reason         text COLLATE "C" NOT NULL,
    first_reason   text COLLATE "C",
    verified_at    bigint,
    tenant_id      text COLLATE "C",
    n_bytes        bigint   NOT NULL,
    request_bytes  bigint   NOT NULL,
    class          smallint NOT NULL,
    post           bigint,
    wish           boolean,
    sealed         bytea    NOT NULL,
    sealed_request bytea
);
CREATE INDEX quarantine_by_class ON quarantine (class, id);
CREATE INDEX quarantine_wished ON quarantine (id) WHERE wish IS NOT NULL;
CREATE INDEX quarantine_by_post ON quarantine (post) WHERE post IS NOT NULL;

-- The size of each class of the quarantine (0, 1, 2), and of the exchanges (3).
CREATE TABLE sizes (
    class     smallint PRIMARY KEY,
    n_entries bigint NOT NULL,
    n_bytes   bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO sizes (class, n_entries, n_bytes) VALUES (0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0);

CREATE TABLE waiting_posts (
    post       bigint PRIMARY KEY,                 -- the number of its first entry
    arrived_at bigint NOT NULL,
    sealed     bytea  NOT NULL
);

-- Calls that have ended.
CREATE SEQUENCE ended_call_numbers;
CREATE TABLE ended_calls (
    number     bigint PRIMARY KEY,
    call_id    text COLLATE "C" NOT NULL,
    call_hash  bigint NOT NULL,
    ended_at   bigint NOT NULL,
    learned_at bigint NOT NULL,
    sealed     bytea
);
CREATE INDEX ended_calls_by_call ON ended_calls (call_hash);

-- Subscriptions that send encrypted content, the longest known first.
CREATE SEQUENCE rich_numbers;
CREATE TABLE rich_subscriptions (
    number bigint PRIMARY KEY DEFAULT nextval('rich_numbers'),
    id     text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE paused_sinks (
    sink      text COLLATE "C" PRIMARY KEY,
    paused_at bigint NOT NULL
);

CREATE TABLE sink_conditions (
    sink          text COLLATE "C" PRIMARY KEY,
    version       bigint NOT NULL,
    failing_since bigint,
    failed_at     bigint,
    reason        text COLLATE "C"
);

-- What operators were told last of something that goes on.
CREATE TABLE told (
    subject text COLLATE "C" PRIMARY KEY,          -- what it is about, as a path
    state   text COLLATE "C" NOT NULL,             -- how it was
    told_to text COLLATE "C" NOT NULL,             -- the sinks that it was told to: JSON
    told_at bigint NOT NULL                        -- when its last beginning was told, in steady time
);

CREATE TABLE history (
    minute  bigint NOT NULL,
    counter text COLLATE "C" NOT NULL,
    n       bigint NOT NULL,
    PRIMARY KEY (minute, counter)
);

-- Something sealed, so that another key is noticed at the start.
CREATE TABLE seal_check (sealed bytea NOT NULL);
