-- phase: expand
-- API keys (docs/decisions/0033-api-keys.md). A secret is stored nowhere: a key is found by the hash of it. Rows stay when
-- keys end: they say who made, replaced and revoked them.
CREATE TABLE api_key (
    id text PRIMARY KEY,
    org_id text NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL, -- the first characters of the secret, by which people know it again
    sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
    projects text[] NOT NULL, -- empty: all of the organisation
    role text NOT NULL,
    scopes text[] NOT NULL, -- permissions beside those of the role
    per_minute integer CHECK (per_minute BETWEEN 1 AND 1000000),
    burst integer CHECK (burst BETWEEN 1 AND 1000000),
    content text NOT NULL, -- what becomes of prompts and completions that it sends: keep, truncate or drop
    content_characters integer CHECK (content_characters > 0), -- of truncate
    redact text[] NOT NULL, -- names of what is masked in them
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz CHECK (isfinite(expires_at)), -- NULL: never
    revoked_at timestamptz,
    revoked_by text,
    replaced_by text REFERENCES api_key,
    last_used_at timestamptz,
    CHECK ((per_minute IS NULL) = (burst IS NULL)),
    CHECK ((content = 'truncate') = (content_characters IS NOT NULL)),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX api_key_created ON api_key (org_id, created_at DESC, id DESC);
