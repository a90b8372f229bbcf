//! The connection as somebody wrote it, and what may stand there: no password, and variables in a pipeline file only.

use super::grammar::parse;
use crate::config::variables::{self, Encoding, Environment};
use crate::error::{Class, Error, Result};

/// Where the string was written, which decides whether it may hold a password and whether `${NAME}` is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, which every user of the machine can read: no password.
    Argument,
    /// In a pipeline file: a password only as `${NAME}`.
    PipelineFile,
}

/// The parameters in what is written, in their order; names are not checked yet.
pub(super) fn parameters(
    written: &str,
    environment: Environment<'_>,
    origin: Origin,
) -> Result<Vec<(String, String)>> {
    let expand = |text: &str| variables::expand(text, environment, Encoding::Verbatim);
    if origin == Origin::PipelineFile && variables::is_only_variables(written.trim()) {
        return parse(&expand(written)?);
    }
    let mut parameters = parse(written)?;
    for (name, value) in &mut parameters {
        if name == "password" && !value.is_empty() {
            refuse_password(value, origin)?;
        }
        if origin == Origin::PipelineFile {
            *value = expand(value)?;
        }
    }
    Ok(parameters)
}

fn refuse_password(password: &str, origin: Origin) -> Result<()> {
    let what = match origin {
        Origin::PipelineFile if variables::is_only_variables(password) => return Ok(()),
        Origin::PipelineFile => "a password stands in the pipeline file, which is kept and shared",
        Origin::Argument => {
            "a password stands on the command line, where every user of this machine can read it"
        }
    };
    Err(Error::new(Class::Secret, what).todo(
        "take it out, and give it in one of these ways: \
         a line host:port:database:user:password in ~/.pgpass, or in the file that \
         PGPASSFILE or passfile=FILE names (mode 0600); the variable PGPASSWORD; a service file (service=NAME, PGSERVICE); \
         ${NAME} in the place of the password in a pipeline file",
    ))
}
