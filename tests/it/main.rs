//! The integration tests: the program as a user has it, against a real PostgreSQL.

mod faults;
