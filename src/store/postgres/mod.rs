//! The PostgreSQL side: the only room that knows tokio and tokio-postgres.
//!
//! [`conninfo`] says where, [`connection`] opens, [`session`] makes calls of it, [`link`] keeps it through lost
//! connections. [`introspect`] looks at tables that exist, [`define`] makes tables and keys, [`write`](mod@write) loads,
//! [`read`] reads back, [`ledger`] remembers. [`server`] is the private PostgreSQL.

pub mod connection;
pub mod conninfo;
pub mod define;
pub mod facts;
pub mod failure;
pub mod introspect;
pub mod ledger;
pub mod link;
pub mod read;
pub mod retry;
pub mod server;
pub mod session;
pub mod tls;
pub mod write;
