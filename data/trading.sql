-- A trading-data collector's database (dexes, pools, tokens, trades, candles, watchlist) as SQLAlchemy declares it,
-- with the secondary indexes of its alembic lineage. DDL only: data/trading.rs makes the rows.

CREATE TABLE dexes (
	id VARCHAR(50) NOT NULL,
	name VARCHAR(100) NOT NULL,
	network VARCHAR(20) NOT NULL,
	last_updated DATETIME,
	PRIMARY KEY (id)
);

CREATE TABLE tokens (
	id VARCHAR(100) NOT NULL,
	address VARCHAR(100) NOT NULL,
	name VARCHAR(200),
	symbol VARCHAR(20),
	decimals INTEGER,
	network VARCHAR(20) NOT NULL,
	last_updated DATETIME,
	PRIMARY KEY (id)
);

-- The tokens of a pool are named without a foreign key.
CREATE TABLE pools (
	id VARCHAR(100) NOT NULL,
	address VARCHAR(100) NOT NULL,
	name VARCHAR(200),
	dex_id VARCHAR(50) NOT NULL,
	base_token_id VARCHAR(100),
	quote_token_id VARCHAR(100),
	reserve_usd NUMERIC(20, 8),
	created_at DATETIME,
	last_updated DATETIME,
	activity_score NUMERIC(5, 2),
	discovery_source VARCHAR(20),
	collection_priority VARCHAR(10),
	auto_discovered_at DATETIME,
	last_activity_check DATETIME,
	PRIMARY KEY (id),
	FOREIGN KEY(dex_id) REFERENCES dexes (id)
);

CREATE TABLE watchlist (
	id INTEGER NOT NULL,
	pool_id VARCHAR(100) NOT NULL,
	token_symbol VARCHAR(20),
	token_name VARCHAR(200),
	network_address VARCHAR(100),
	added_at DATETIME,
	is_active BOOLEAN,
	PRIMARY KEY (id),
	CONSTRAINT uq_watchlist_pool_id UNIQUE (pool_id),
	FOREIGN KEY(pool_id) REFERENCES pools (id)
);

-- timestamp is in unix seconds; datetime is the same instant on the collector's wall clock, America/Denver.
CREATE TABLE ohlcv_data (
	id INTEGER NOT NULL,
	pool_id VARCHAR(100) NOT NULL,
	timeframe VARCHAR(10) NOT NULL,
	timestamp BIGINT NOT NULL,
	open_price NUMERIC(30, 18) NOT NULL,
	high_price NUMERIC(30, 18) NOT NULL,
	low_price NUMERIC(30, 18) NOT NULL,
	close_price NUMERIC(30, 18) NOT NULL,
	volume_usd NUMERIC(20, 8) NOT NULL,
	datetime DATETIME NOT NULL,
	created_at DATETIME,
	PRIMARY KEY (id),
	CONSTRAINT uq_ohlcv_pool_timeframe_timestamp UNIQUE (pool_id, timeframe, timestamp),
	FOREIGN KEY(pool_id) REFERENCES pools (id)
);

-- block_timestamp is UTC, unlike ohlcv_data.datetime.
CREATE TABLE trades (
	id VARCHAR(200) NOT NULL,
	pool_id VARCHAR(100) NOT NULL,
	block_number BIGINT,
	tx_hash VARCHAR(100),
	tx_from_address VARCHAR(100),
	from_token_amount NUMERIC(30, 18),
	to_token_amount NUMERIC(30, 18),
	price_usd NUMERIC(30, 18),
	volume_usd NUMERIC(20, 8),
	side VARCHAR(10),
	block_timestamp DATETIME,
	created_at DATETIME,
	PRIMARY KEY (id),
	FOREIGN KEY(pool_id) REFERENCES pools (id)
);

CREATE INDEX idx_pools_dex ON pools (dex_id);
CREATE INDEX idx_ohlcv_pool_timeframe ON ohlcv_data (pool_id, timeframe);
CREATE INDEX idx_ohlcv_datetime ON ohlcv_data (datetime);
CREATE INDEX idx_trades_pool_timestamp ON trades (pool_id, block_timestamp);
CREATE INDEX idx_trades_volume ON trades (volume_usd DESC);
CREATE INDEX idx_trades_large_volume ON trades (volume_usd) WHERE volume_usd > 1000;
CREATE INDEX idx_watchlist_active ON watchlist (is_active) WHERE is_active = 1;
