//! The pipeline file that a user begins with: what the census saw, and what would be done about it.

use super::inspect::Inspected;
use super::target::written_in_a_file;
use super::{Setting, live};
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::Motion;
use crate::plan::{Plan, file};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A pipeline file, not written yet.
#[derive(Debug)]
pub struct Initial {
    /// Its text.
    pub text: String,
    /// What it says.
    pub plan: Plan,
    /// The tables that cannot be followed, each with the reason.
    pub refused: Vec<(String, String)>,
}

/// Looks at the source's values and says in a pipeline file what would be done. The target is not asked.
/// The source moves, or is at rest; `output` is where the file will stand: the source's path is relative to its folder.
///
/// # Errors
///
/// A source that cannot be read, or that cannot be moved as it is.
pub fn init(
    pipeline: &Pipeline,
    motion: Motion,
    output: &Path,
    setting: Setting<'_>,
) -> Result<Initial> {
    let source = path_from(output, &pipeline.source.path)?;
    let source = source.to_str().ok_or_else(|| {
        Error::new(
            Class::Usage,
            "the source's path is not UTF-8, and cannot stand in a pipeline file",
        )
        .todo("give it another name")
    })?;
    let inspected = Inspected::open_as(motion, pipeline, setting.stop)?;
    if std::fs::canonicalize(output).is_ok_and(|output| output == inspected.source.path()) {
        return Err(Error::new(Class::Usage, "the output is the source itself")
            .todo("give another file by --output"));
    }
    let plan = inspected.plan_untried(pipeline, &[], &BTreeSet::new(), setting)?;
    let logging = live::logging(&inspected, &plan, setting)?;
    let refused = logging.map(|logging| logging.refused).unwrap_or_default();
    let target = written_in_a_file(&pipeline.target.url);
    let census = pipeline.source.census;
    let text = file::pipeline_file(&plan, source, &target, census, &refused);
    Ok(Initial { text, plan, refused })
}

/// The path as it is where the file stands in the current folder, else the whole path.
fn path_from(output: &Path, source: &Path) -> Result<PathBuf> {
    if output.parent().is_none_or(|folder| folder.as_os_str().is_empty()) {
        return Ok(source.into());
    }
    std::path::absolute(source)
        .map_err(|error| Error::new(Class::Usage, "the current folder is unknown").because(error))
}
