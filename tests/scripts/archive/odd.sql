-- What zoo.sql has not: cells that are written otherwise than their columns, rows that do not fit, counts of time of each
-- kind, keys of each kind.
CREATE TABLE counted (
    id INTEGER PRIMARY KEY, seconds DATETIME, milliseconds TIMESTAMP, julian DATETIME, words BOOLEAN, either NUMERIC
);
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)
INSERT INTO counted
SELECT n, 1700000000 + n * 977, 1700000000123 + n * 86399999, julianday('2024-02-28') + n / 8.0,
    CASE n % 3 WHEN 0 THEN 'true' ELSE 'false' END, CASE n % 2 WHEN 0 THEN n ELSE n / 7.0 END
FROM n;
CREATE TABLE told (id INTEGER PRIMARY KEY, local DATETIME, zoned DATETIME, day DATE, clock TIME, document JSON, name UUID);
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500)
INSERT INTO told
SELECT n, datetime(1700000000 + n * 4001, 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%S', 1700000000 + n * 4001, 'unixepoch')
        || CASE n % 2 WHEN 0 THEN 'Z' ELSE '+05:30' END,
    date(n * 86400 * 30, 'unixepoch'), time(n * 171, 'unixepoch'), json_array(n, n / 4.0, NULL, '"ü\'),
    printf('%08x-0000-4000-8000-%012x', n, n * n)
FROM n;
UPDATE told SET local = replace(local, ' ', 'T') || '.250' WHERE id % 100 = 7;
UPDATE told SET name = upper(name) WHERE id % 90 = 11;
CREATE TABLE aside (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL);
INSERT INTO aside VALUES
    (1, 5, 'x', 0.5), (2, 6, x'00ff', -0.0), (3, 7, 'a' || char(0) || 'b', 9e999), (4, NULL, CAST(x'fffe41' AS TEXT), NULL);
CREATE TABLE words (word TEXT PRIMARY KEY, n NUMERIC) WITHOUT ROWID;
INSERT INTO words VALUES ('a', 1), ('b', 2.5), ('ü', NULL), ('', 1e300), (char(0), 5);
CREATE TABLE twins (line TEXT, n);
INSERT INTO twins VALUES ('one', 1), ('two', 2.0), ('one', 1), (NULL, 'x'), (NULL, NULL), ('zero', 0.0);
CREATE TABLE "no/rows ""here""" (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c DATETIME, d NUMERIC(10, 2));
CREATE TABLE computed (a INTEGER, b INTEGER AS (a * 2), c TEXT AS (a || '!') STORED);
INSERT INTO computed (a) VALUES (1), (NULL), (-3);
CREATE INDEX told_local ON told (local DESC) WHERE id > 7;
CREATE VIEW latest AS SELECT max(local) FROM told;
PRAGMA user_version = 42;
