//! What a journey came to, for people and for programs.

mod report;

pub use report::{
    Differences, Heads, Losses, Misfits, Report, ShownDifference, TableReport, Unread,
};
