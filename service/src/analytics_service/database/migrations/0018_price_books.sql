-- phase: expand
-- Price books as they were set, by name. Rows are never changed: `price_version` of a request names one of them, so its
-- text is the proof of what the request cost. The last row of a name is the book in use; no text stands for its removal.
CREATE TABLE price_book (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    version text, -- 12 hex digits
    text text,
    set_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((text IS NULL) = (version IS NULL))
);
CREATE INDEX price_book_name ON price_book (name, number DESC);
