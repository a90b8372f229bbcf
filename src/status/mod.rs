//! What a journey came to, for people and for programs.

mod report;
mod time;

pub use report::{
    ArchiveReport, Differences, FOLLOWING, Heads, Losses, Misfits, NOT_EQUAL, Report,
    ShownDifference, TableReport, Unread,
};
pub use time::about;
