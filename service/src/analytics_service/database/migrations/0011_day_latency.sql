-- phase: expand
-- Histograms by day, for percentiles of months: their bins fill up, so that a day has hardly more of them than an hour.
CREATE TABLE rollup_1day_latency (LIKE rollup_1hour_latency INCLUDING ALL);
CREATE VIEW traces_1day_latency AS SELECT * FROM rollup_1day_latency;

-- No writer may be under way: one that began before would append the levels of before only.
LOCK TABLE traces IN SHARE ROW EXCLUSIVE MODE;
SELECT FROM rollup_floor FOR SHARE; -- a day between the floor here and a later one would be neither dirty nor there

-- Days whose raw is gone are answered from hours.
INSERT INTO rollup_level (level, step, floor) SELECT '1day_latency', '1 day', floor FROM rollup_floor;
INSERT INTO rollup_dirty (level, org_id, bucket_start)
SELECT '1day_latency', org_id, bucket FROM rollup_1day WHERE bucket >= (SELECT floor FROM rollup_floor)
UNION SELECT '1day_latency', org_id, bucket_start FROM rollup_dirty WHERE level = '1day';
