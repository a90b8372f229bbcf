//! Sealing the changelog: it gets a new nonce, so that a copy of the file from before can be told from it.
//!
//! The nonce that the target has noted stays beside the new one. Whichever side a crash keeps from taking the step, the
//! nonce that is noted is one of the two; that of an older copy of the file is not.

use super::META;
use super::meta::NONCE;
use super::turn::Turns;
use crate::error::Result;
use crate::store::sqlite::connection::Source;

/// Gives the changelog of this identity a new nonce, to be noted in the target in the place of `noted`, which is noted
/// there; none where the application was writing, and it has to be tried again later. What was logged before is on the
/// disk then.
///
/// # Errors
///
/// [`crate::Class::SourceChanged`] where the changelog is another one; [`crate::Class::Temporary`] where the disk is full.
pub fn seal(source: &Source, identity: &str, noted: &str) -> Result<Option<String>> {
    let sql = format!("UPDATE main.{META} SET nonce = {NONCE}, nonce_before = ?1 RETURNING nonce");
    let Some(mut turns) = Turns::new(source, identity, noted)? else { return Ok(None) };
    turns.take(|connection| connection.query_row(&sql, [noted], |row| row.get(0)))
}
