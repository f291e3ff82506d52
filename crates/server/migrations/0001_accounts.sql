-- Accounts: a name that only its owner may use.
CREATE TABLE accounts (
    -- Random, 22 characters of base64url: the person id of signalling.
    id            TEXT    PRIMARY KEY NOT NULL,
    -- As the owner writes it.
    name          TEXT    NOT NULL,
    -- What two names have in common that look the same: unique.
    name_key      TEXT    NOT NULL UNIQUE,
    -- An argon2id hash in PHC form; NULL if the account is entered by passkeys only.
    password      TEXT,
    -- Seconds since 1970.
    created       INTEGER NOT NULL
) STRICT;

-- Passkeys (WebAuthn credentials): public keys, no secrets.
CREATE TABLE passkeys (
    -- The credential id.
    id            BLOB    PRIMARY KEY NOT NULL,
    account       TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- The COSE key as the authenticator gave it (RFC 9052 section 7).
    public_key    BLOB    NOT NULL,
    -- The authenticator's signature counter when it was last used.
    counter       INTEGER NOT NULL,
    -- Seconds since 1970.
    created       INTEGER NOT NULL,
    used          INTEGER NOT NULL
) STRICT;
CREATE INDEX passkeys_by_account ON passkeys (account);

-- Logins: each is one identity token that was given out and not taken back.
CREATE TABLE logins (
    -- SHA-256 of the token's random part: the table alone opens nothing.
    id            BLOB    PRIMARY KEY NOT NULL,
    account       TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- Seconds since 1970.
    created       INTEGER NOT NULL,
    expires       INTEGER NOT NULL
) STRICT;
CREATE INDEX logins_by_account ON logins (account);
CREATE INDEX logins_by_end ON logins (expires);
