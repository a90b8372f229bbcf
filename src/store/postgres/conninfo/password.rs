//! The password: given, or looked up in the password file, or the reason why there is none.

use super::Secret;
use super::parameters::{Giver, Parameters};
use super::passfile::{self, Lookup, Wanted};
use std::path::Path;

/// A password, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// The password itself.
    pub secret: Option<Secret>,
    /// For people, and told to them when the server refuses: where it comes from, or why there is none.
    pub origin: String,
}

impl Password {
    pub(super) fn decide(
        given: &Parameters,
        wanted: Wanted<'_>,
        passfile: Option<&Path>,
        home: Option<&Path>,
    ) -> Self {
        if let (Some(password), Some(giver)) = (given.get("password"), given.giver("password")) {
            let origin = match giver {
                Giver::Written => "the password came from the pipeline file's variables".to_owned(),
                giver => format!("the password came from {giver}"),
            };
            return Self { secret: Some(Secret::new(password)), origin };
        }
        let usual = || home.map(|home| home.join(".pgpass"));
        let Some(file) = passfile.map(Path::to_path_buf).or_else(usual) else {
            let origin =
                "no password is given, and without HOME there is no password file".to_owned();
            return Self { secret: None, origin };
        };
        match passfile::look_up(&file, wanted) {
            Lookup::Found(secret) => {
                let origin = format!("the password came from {}", file.display());
                Self { secret: Some(secret), origin }
            }
            Lookup::Nothing(origin) | Lookup::Ignored(origin) => Self { secret: None, origin },
        }
    }
}
