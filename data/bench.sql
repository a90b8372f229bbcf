-- The workload of the speed benchmark. DDL only: data/bench.rs makes the rows.
-- The widths are such that 3,000,000 trades and 2,000,000 candles make a file of about 1.4 GB.

CREATE TABLE pools (
	id TEXT PRIMARY KEY NOT NULL,
	name TEXT NOT NULL,
	dex TEXT NOT NULL,
	reserve_usd DECIMAL(20, 4),
	created_at DATETIME NOT NULL
);

-- block_timestamp is UTC.
CREATE TABLE trades (
	id INTEGER PRIMARY KEY,
	pool_id TEXT NOT NULL REFERENCES pools (id),
	block_number BIGINT NOT NULL,
	tx_hash TEXT NOT NULL,
	tx_from_address TEXT,
	from_token_amount REAL,
	to_token_amount REAL,
	price_usd REAL,
	volume_usd DECIMAL(20, 4),
	side TEXT,
	block_timestamp DATETIME NOT NULL
);

-- timestamp is in unix seconds; datetime is the same instant in UTC.
CREATE TABLE candles (
	id INTEGER PRIMARY KEY,
	pool_id TEXT NOT NULL REFERENCES pools (id),
	timeframe TEXT NOT NULL,
	timestamp BIGINT NOT NULL,
	open REAL NOT NULL,
	high REAL NOT NULL,
	low REAL NOT NULL,
	close REAL NOT NULL,
	volume_usd DECIMAL(20, 4) NOT NULL,
	datetime DATETIME NOT NULL,
	UNIQUE (pool_id, timeframe, timestamp)
);

CREATE INDEX trades_pool_time ON trades (pool_id, block_timestamp);
CREATE INDEX trades_time ON trades (block_timestamp);
CREATE INDEX trades_volume ON trades (volume_usd DESC);
