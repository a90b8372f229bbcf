//! The PostgreSQL side: the only room that knows tokio and tokio-postgres.
