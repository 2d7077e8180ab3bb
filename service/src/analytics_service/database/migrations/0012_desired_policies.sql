-- phase: expand
-- What the worker that leads wants, so that `policies` answers the same in a process that does not have its settings.
CREATE TABLE desired_policy (
    name text PRIMARY KEY,
    value integer -- as in `policy`, before any rule was checked
);
