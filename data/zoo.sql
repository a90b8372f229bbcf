-- A zoo of values, keys, names and indexes that must arrive in PostgreSQL exactly, one kind a table.
-- Loads with the sqlite3 program, with foreign keys enforced or not; nothing in it breaks a rule of its schema.

BEGIN;

-- 64-bit integers under every declared width; SQLite keeps all of them in 64 bits.
CREATE TABLE integers (
    id INTEGER PRIMARY KEY,
    plain INTEGER,
    small SMALLINT,
    big BIGINT NOT NULL,
    odd INT
);
INSERT INTO integers (id, plain, small, big, odd) VALUES
    (1, 0, 0, 0, 0),
    (2, 1, -1, 1, -1),
    (3, 127, -128, 255, 256),
    (4, 32767, -32768, 65535, 65536),
    (5, 2147483647, -2147483648, 4294967295, 4294967296),
    (6, 9007199254740991, -9007199254740991, 9007199254740992, 9007199254740993),
    (7, 9223372036854775807, -9223372036854775808, 9223372036854775807, -9223372036854775808),
    (8, NULL, 70000, -9223372036854775807, NULL);

-- Doubles: whole ones, the nearest to 0.1 + 0.2, the largest, the smallest normal, subnormals, both infinities.
-- A REAL column stores whole numbers as integers and loses the sign of zero; a column without a type keeps it.
CREATE TABLE doubles (
    id INTEGER PRIMARY KEY,
    value REAL,
    wide DOUBLE PRECISION,
    untyped
);
INSERT INTO doubles (id, value, wide, untyped) VALUES
    (1, 0.0, 0, 0.0),
    (2, 1, -1, 1.0),
    (3, 0.1 + 0.2, 0.1, 0.1 + 0.2),
    (4, 3.141592653589793, -2.718281828459045, 1.5),
    (5, 1e308, -1e308, 1e308),
    (6, 1.7976931348623157e308, -1.7976931348623157e308, 1.7976931348623157e308),
    (7, 2.2250738585072014e-308, -2.2250738585072014e-308, 2.2250738585072014e-308),
    (8, 2.225073858507201e-308, 1.23e-310, 2.225073858507201e-308),
    (9, 5e-324, -5e-324, 5e-324),
    (10, 9e999, -9e999, 9e999),
    (11, 9007199254740993, 1e15, 9007199254740992.0),
    (12, 6.87e-06, 3.04E-8, 3407798730.7499),
    (13, -0.0, 1e100, -0.0),
    (14, NULL, NULL, NULL);

-- Decimals as SQLite holds them: INTEGER where the value is whole, REAL elsewhere, in one column.
-- Every amount fits DECIMAL(20, 8); the rates have more digits than any declaration would allow.
CREATE TABLE decimals (
    id INTEGER PRIMARY KEY,
    amount DECIMAL(20, 8),
    rate NUMERIC
);
INSERT INTO decimals (id, amount, rate) VALUES
    (1, 0, 0),
    (2, 5, 5.0),
    (3, 0.1, 0.30000000000000004),
    (4, -0.00000001, 6.87e-06),
    (5, 12345678.12345678, 3.04E-8),
    (6, 999999999999, 9223372036854775807),
    (7, -999999999999, -9223372036854775808),
    (8, 3407798730.7499, 0.19895699153858956),
    (9, 99999.5, 1e22),
    (10, 1e3, 1e-300),
    (11, -42, -1234.5678),
    (12, NULL, NULL);

-- Text: empty, blank, quotes, backslashes, what COPY uses as marks, line ends, scripts, emoji, the ends of Unicode.
CREATE TABLE texts (
    id INTEGER PRIMARY KEY,
    body TEXT
);
INSERT INTO texts (id, body) VALUES
    (1, ''),
    (2, ' '),
    (3, 'plain'),
    (4, 'it''s "quoted" `here`'),
    (5, 'back\slash \n \\ \x41 \N'),
    (6, '\N'),
    (7, '\.'),
    (8, 'two' || char(10) || 'lines'),
    (9, 'carriage' || char(13, 10) || 'return'),
    (10, char(9) || 'tabs' || char(9)),
    (11, 'Привет, мир'),
    (12, 'ß Ä é é 中文 日本語 한국어 العربية עברית'),
    (13, '🐸 Pepe 👨‍👩‍👧‍👦 🇺🇸 ❤️'),
    (14, char(1) || char(31) || char(127) || char(128) || char(65279) || char(65535) || char(1114111)),
    (15, '; DROP TABLE texts; --'),
    (16, 'NULL'),
    (17, NULL),
    (18, '5'),
    (19, '  5.50  '),
    (20, '{"json": [1, null, "two"]}'),
    (21, 'trailing space '),
    (22, hex(zeroblob(50000)));

-- Declared lengths that SQLite does not enforce: `code` stays within its length, `label` does not. Characters count,
-- not bytes.
CREATE TABLE varchars (
    id INTEGER PRIMARY KEY,
    code VARCHAR(8),
    label VARCHAR(7),
    fixed CHAR(3),
    wide NVARCHAR(20)
);
INSERT INTO varchars (id, code, label, fixed, wide) VALUES
    (1, '', '', '', ''),
    (2, 'exactly8', 'seven 7', 'abc', 'twenty characters 20'),
    (3, 'Привет, ', 'twelve chars', 'a', 'Москва'),
    (4, '🐸🐸🐸🐸🐸🐸🐸🐸', '🚀', 'a  ', 'x '),
    (5, NULL, NULL, NULL, NULL);

-- Booleans as SQLite has them: 0 and 1.
CREATE TABLE booleans (
    id INTEGER PRIMARY KEY,
    flag BOOLEAN NOT NULL,
    maybe BOOL
);
INSERT INTO booleans (id, flag, maybe) VALUES (1, 0, 1), (2, 1, 0), (3, FALSE, TRUE), (4, TRUE, NULL);

-- Bytes: none at all, NULs, what is not UTF-8, all 256 values, a page and more.
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    data BLOB
);
INSERT INTO blobs (id, data) VALUES
    (1, x''),
    (2, x'00'),
    (3, x'00FF00'),
    (4, x'68656C6C6F00776F726C64'),
    (5, x'FFFEFD80C0'),
    (6, x'5C7844454144'),
    (7, x'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF'),
    (8, zeroblob(10000)),
    (9, NULL);

-- Dates and times as text, without a zone: before 1970, the first and the last year, leap days, microseconds, 'T'.
CREATE TABLE dates (
    id INTEGER PRIMARY KEY,
    day DATE,
    moment DATETIME,
    stamp TIMESTAMP
);
INSERT INTO dates (id, day, moment, stamp) VALUES
    (1, '1970-01-01', '1970-01-01 00:00:00', '1970-01-01T00:00:00'),
    (2, '1969-12-31', '1969-12-31 23:59:59.999999', '1969-12-31T23:59:59.5'),
    (3, '0001-01-01', '0001-01-01 00:00:00', '0001-01-01T00:00:00.000001'),
    (4, '9999-12-31', '9999-12-31 23:59:59.999999', '9999-12-31T23:59:59'),
    (5, '2024-02-29', '2000-02-29 12:00:00.000', '1600-02-29T01:02:03'),
    (6, '2025-09-15', '2025-09-15 06:13:18.850619', '2025-09-15T12:13:22'),
    (7, '1582-10-10', '1883-11-18 12:03:58', '2025-03-09T02:30:00'),
    (8, NULL, NULL, NULL);

-- Instants: dates and times with their offset, `Z` among them.
CREATE TABLE instants (
    id INTEGER PRIMARY KEY,
    at DATETIME NOT NULL
);
INSERT INTO instants (id, at) VALUES
    (1, '2025-09-15T12:13:22Z'),
    (2, '2025-09-15 12:13:22.850619Z'),
    (3, '2025-09-15T06:13:22-06:00'),
    (4, '2025-09-15 12:13:22+00:00'),
    (5, '1969-12-31T23:59:59.999999Z'),
    (6, '2025-01-01T05:45:00+05:45');

-- Rowids at both ends of 64 bits, below zero and far apart.
CREATE TABLE rowids (
    id INTEGER PRIMARY KEY,
    note TEXT NOT NULL
);
INSERT INTO rowids (id, note) VALUES
    (-9223372036854775808, 'the least'),
    (-9223372036854775807, 'the next'),
    (-4294967296, 'far below zero'),
    (-1, 'below zero'),
    (0, 'zero'),
    (1, 'one'),
    (4294967296, 'far above'),
    (9223372036854775807, 'the greatest');

-- A key of two columns that differ in type and are not the first ones.
CREATE TABLE composite_key (
    note TEXT,
    region TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (region, number)
);
INSERT INTO composite_key (note, region, number) VALUES
    ('a', 'north', 1), ('b', 'north', 2), ('c', 'south', 1), (NULL, '', -1);

-- No key at all, and rows that are equal in everything.
CREATE TABLE keyless (
    name TEXT,
    amount REAL
);
INSERT INTO keyless (name, amount) VALUES
    ('twin', 1.5), ('twin', 1.5), ('twin', 1.5), (NULL, NULL), (NULL, NULL), ('single', 2.5);

-- A key of text: long ones, and ones whose order depends on the collation.
CREATE TABLE text_key (
    id TEXT PRIMARY KEY NOT NULL,
    value INTEGER
);
INSERT INTO text_key (id, value) VALUES
    ('solana_366912345_5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW_12_1757938397', 1),
    ('a', 2), ('B', 3), ('b', 4), ('A', 5), ('ä', 6), ('', 7), (' ', 8), ('10', 9), ('9', 10), ('🐸', 11), ('a-b', 12), ('ab', 13);

-- Without a rowid: the key is where the row lives.
CREATE TABLE without_rowid (
    word TEXT NOT NULL,
    page INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    PRIMARY KEY (word, page)
) WITHOUT ROWID;
INSERT INTO without_rowid (word, page, hits) VALUES ('ferry', 2, 7), ('ferry', 1, 3), ('boat', -1, 0);

-- Rows that refer to others of their own table.
CREATE TABLE staff (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    manager_id INTEGER REFERENCES staff (id) ON DELETE SET NULL
);
INSERT INTO staff (id, name, manager_id) VALUES (1, 'Ada', NULL), (2, 'Ben', 1), (3, 'Cem', 2), (4, 'Dee', 4);

-- A foreign key of two columns, with NULLs that refer to nothing, and one that names only the table.
CREATE TABLE composite_reference (
    id INTEGER PRIMARY KEY,
    region TEXT,
    number INTEGER,
    boss INTEGER REFERENCES staff ON UPDATE CASCADE,
    FOREIGN KEY (region, number) REFERENCES composite_key (region, number) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO composite_reference (id, region, number, boss) VALUES
    (1, 'north', 2, 1), (2, 'south', 1, NULL), (3, NULL, 99, 3), (4, NULL, NULL, 4);

-- No row.
CREATE TABLE empty (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    amount DECIMAL(10, 2),
    at DATETIME
);

-- One row.
CREATE TABLE single (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    version TEXT NOT NULL
);
INSERT INTO single (only, version) VALUES (1, '1.0');

-- Ids that are never given twice: the counter is ahead of the greatest id.
CREATE TABLE autoincremented (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT
);
INSERT INTO autoincremented (id, name) VALUES (1, 'first'), (7, 'seventh'), (1000, 'gone');
DELETE FROM autoincremented WHERE id = 1000;

-- Names that are keywords, have spaces, capitals or quotes.
CREATE TABLE "order" (
    "current_date" TEXT,
    "end" INTEGER,
    "interval" TEXT,
    "timestamp" INTEGER,
    "user" TEXT,
    "Key" INTEGER PRIMARY KEY
);
INSERT INTO "order" VALUES ('2025-09-15', 10, '5m', 1757938397, 'postgres', 1), (NULL, NULL, NULL, NULL, NULL, 2);

CREATE TABLE "Order Details" (
    "Order ID" INTEGER NOT NULL REFERENCES "order" ("Key"),
    "lineNumber" INTEGER NOT NULL,
    "it""s" TEXT,
    "100%" REAL,
    "größe" TEXT,
    PRIMARY KEY ("Order ID", "lineNumber")
);
INSERT INTO "Order Details" VALUES (1, 1, 'quoted', 0.5, 'groß'), (1, 2, NULL, NULL, NULL), (2, 1, '', 100, '');

-- Indexes: descending, of several columns, partial, unique, unique and partial; NULLs do not collide.
CREATE TABLE indexed (
    id INTEGER PRIMARY KEY,
    pool TEXT NOT NULL,
    volume REAL,
    at DATETIME NOT NULL,
    slug TEXT UNIQUE,
    is_active BOOLEAN NOT NULL
);
INSERT INTO indexed (id, pool, volume, at, slug, is_active) VALUES
    (1, 'a', 10.5, '2025-09-15 00:00:00', 'one', 1),
    (2, 'a', 2000.25, '2025-09-15 00:01:00', NULL, 0),
    (3, 'b', NULL, '2025-09-15 00:00:00', NULL, 1),
    (4, 'c', 5000.75, '2025-09-14 23:59:59', 'four', 0);
CREATE INDEX indexed_volume ON indexed (volume DESC);
CREATE INDEX indexed_pool_at ON indexed (pool, at DESC);
CREATE INDEX indexed_large ON indexed (volume) WHERE volume > 1000;
CREATE UNIQUE INDEX indexed_pool_at_unique ON indexed (at, pool);
CREATE UNIQUE INDEX indexed_one_active_of_a_pool ON indexed (pool) WHERE is_active = 1;

-- Defaults, literal and computed, and checks.
CREATE TABLE ruled (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL DEFAULT 'it''s new' CHECK (length(name) > 0),
    price DECIMAL(12, 4) NOT NULL DEFAULT 0 CHECK (price >= 0),
    ratio REAL DEFAULT -1.5,
    side VARCHAR(4) DEFAULT 'buy' CHECK (side IN ('buy', 'sell')),
    is_open BOOLEAN NOT NULL DEFAULT 1,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    low INTEGER,
    high INTEGER,
    CONSTRAINT low_is_below_high CHECK (low <= high)
);
INSERT INTO ruled (id, name, price, created_at) VALUES (1, 'by default', 12.3456, '2025-09-15 12:13:22');
INSERT INTO ruled (id, price, ratio, side, is_open, created_at, low, high) VALUES
    (2, 7, NULL, 'sell', 0, '2025-09-15 12:13:23', 1, 1),
    (3, 0.5, 2, NULL, 1, '2025-09-15 12:13:24', NULL, 5);

COMMIT;
