//! The integration tests: the program itself, from a SQLite file to a PostgreSQL server, seen from outside.
//!
//! [`environment`] gives each test a database and a folder of its own, [`comparison`] judges what arrived; the rest is
//! one file a topic.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod archive;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod badfiles;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod comparison;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod encoders;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod equals;
#[cfg(test)]
mod existing;
#[cfg(test)]
mod expressions;
// Only builds with debug assertions know faults.
#[cfg(test)]
#[cfg(debug_assertions)]
mod faults;
#[cfg(test)]
mod house;
#[cfg(test)]
mod init;
#[cfg(test)]
mod late;
#[cfg(test)]
#[cfg(debug_assertions)]
mod live;
#[cfg(test)]
mod names;
#[cfg(test)]
mod pipelines;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod property;
#[cfg(test)]
mod rejects;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod sampled;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod temporal;
#[cfg(test)]
mod types;
#[cfg(test)]
mod utf16;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod written;
#[cfg(test)]
mod zoo;
