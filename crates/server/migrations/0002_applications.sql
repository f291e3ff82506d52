-- Rooms that applications have set up.
CREATE TABLE rooms (
    name          TEXT    PRIMARY KEY NOT NULL,
    -- How it is set up, as JSON.
    settings      TEXT    NOT NULL,
    -- The conference that is on in it: its members find back to it after a restart.
    call          TEXT
) STRICT;

-- Join tokens for one use that were used, until they would have ended anyhow.
CREATE TABLE used_tokens (
    -- SHA-256 of the application's key id and the token's id.
    id            BLOB    PRIMARY KEY NOT NULL,
    -- Seconds since 1970.
    expires       INTEGER NOT NULL
) STRICT;
CREATE INDEX used_tokens_by_end ON used_tokens (expires);

-- Events that are to be delivered, one row for each address.
CREATE TABLE webhook_events (
    -- The order in which they happened.
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The event's own id: the same at all addresses, and each time it is sent.
    event         TEXT    NOT NULL,
    url           TEXT    NOT NULL,
    -- Events of one room go to one address in their order.
    room          TEXT    NOT NULL,
    body          TEXT    NOT NULL,
    -- Seconds since 1970.
    created       INTEGER NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    next          INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_events_by_line ON webhook_events (url, room, id);
