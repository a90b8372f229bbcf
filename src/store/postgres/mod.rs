//! The PostgreSQL side: the only room that knows tokio and tokio-postgres.
//!
//! [`conninfo`] says where, [`connection`] opens, [`session`] makes calls of it, [`link`] keeps it through lost
//! connections. [`introspect`] looks at tables that exist, [`define`] makes tables and keys, [`write`](mod@write) loads,
//! [`read`] reads back, [`ledger`] remembers. [`stage`] and [`apply`] bring what changed since, [`guard`] keeps others from
//! writing meanwhile. [`dump`] takes whole databases out and puts them in. [`server`] is the private PostgreSQL.

pub mod apply;
pub mod autovacuum;
pub mod connection;
pub mod conninfo;
pub mod define;
pub mod dump;
pub mod facts;
pub mod failure;
pub mod guard;
mod holders;
pub mod introspect;
pub mod ledger;
pub mod link;
mod memory;
pub mod read;
pub mod refused;
pub mod retry;
pub mod server;
pub mod session;
pub mod stage;
pub mod tls;
pub mod write;
