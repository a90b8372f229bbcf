//! The pipeline file that a user begins with: what the census saw, and what would be done about it.

use super::Setting;
use super::inspect::Inspected;
use super::target::written_in_a_file;
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::plan::{Plan, file};
use std::path::{Path, PathBuf};

/// A pipeline file, not written yet.
#[derive(Debug)]
pub struct Initial {
    /// Its text.
    pub text: String,
    /// What it says.
    pub plan: Plan,
}

/// Looks at the source's values and says in a pipeline file what would be done. The target is not asked.
/// `output` is where the file will stand: the source's path is relative to its folder.
///
/// # Errors
///
/// A source that cannot be read, or that cannot be moved as it is.
pub fn init(pipeline: &Pipeline, output: &Path, setting: Setting<'_>) -> Result<Initial> {
    let source = path_from(output, &pipeline.source.path)?;
    let source = source.to_str().ok_or_else(|| {
        Error::new(
            Class::Usage,
            "the source's path is not UTF-8, and cannot stand in a pipeline file",
        )
        .todo("give it another name")
    })?;
    let inspected = Inspected::open(pipeline, setting.stop)?;
    if std::fs::canonicalize(output).is_ok_and(|output| output == inspected.source.path()) {
        return Err(Error::new(Class::Usage, "the output is the source itself")
            .todo("give another file by --output"));
    }
    let plan = inspected.plan(pipeline, &[], setting)?;
    let target = written_in_a_file(&pipeline.target.url);
    Ok(Initial { text: file::pipeline_file(&plan, source, &target, pipeline.source.census), plan })
}

/// The path as it is where the file stands in the current folder, else the whole path.
fn path_from(output: &Path, source: &Path) -> Result<PathBuf> {
    if output.parent().is_none_or(|folder| folder.as_os_str().is_empty()) {
        return Ok(source.into());
    }
    std::path::absolute(source)
        .map_err(|error| Error::new(Class::Usage, "the current folder is unknown").because(error))
}
