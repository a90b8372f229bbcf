-- What can go wrong when a load is taken up again: many small chunks, keys of each kind and none, duplicates, foreign
-- keys that hold and one that does not, sequences that have given out more than is there, a table without rows.
CREATE TABLE dexes (id TEXT PRIMARY KEY, name VARCHAR(60) NOT NULL UNIQUE);
CREATE TABLE pools (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dex TEXT NOT NULL REFERENCES dexes (id),
    name VARCHAR(40) NOT NULL,
    UNIQUE (dex, name)
);
CREATE TABLE trades (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pool INTEGER NOT NULL REFERENCES pools (id),
    price REAL NOT NULL,
    amount DECIMAL(12, 2) CHECK (amount >= 0),
    note TEXT
);
CREATE INDEX "schema" ON trades (pool, id DESC);
CREATE INDEX dear ON trades (price) WHERE price > 500;
CREATE TABLE log (at TEXT NOT NULL, line TEXT);
CREATE TABLE pairs (base TEXT NOT NULL, quote INTEGER NOT NULL, raw BLOB, PRIMARY KEY (base, quote)) WITHOUT ROWID;
CREATE TABLE watchlist (pool INTEGER REFERENCES pools (id), "by" TEXT);
CREATE TABLE empty (id INTEGER PRIMARY KEY, remark TEXT);

INSERT INTO dexes
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 399)
SELECT printf('dex-%03d', i * 7 % 400), printf('exchange number %d', i) FROM n;

INSERT INTO pools (dex, name)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
SELECT printf('dex-%03d', i % 400), printf('pool %d', i) FROM n;

INSERT INTO trades (pool, price, amount, note)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
SELECT i * 13 % 500 + 1, i * 0.7 + 0.1, (i * 37 % 10000) / 100.0,
       CASE WHEN i % 5 = 0 THEN NULL ELSE printf('märz %d, "%s"', i, substr('abcdefghij', i % 10)) END
FROM n;
INSERT INTO trades (id, pool, price) VALUES (-5, 1, 1e-300), (900000, 2, 1e300);
DELETE FROM trades WHERE id = 900000 OR id % 50 = 0;

INSERT INTO log
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1199)
SELECT printf('tick %d', i / 40), CASE WHEN i % 40 = 7 THEN NULL ELSE printf('line %d of the log', i % 3) END FROM n;

INSERT INTO pairs
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299)
SELECT printf('coin %d', i % 30), i / 30 - 3, CAST(printf('%d', i) AS BLOB) FROM n;

INSERT INTO watchlist SELECT id, 'me' FROM pools WHERE id % 3 = 0;
INSERT INTO watchlist VALUES (4711, 'a pool that never was'), (NULL, 'nobody');
