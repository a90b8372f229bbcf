//! Who logs in where nobody says so: the user that this process runs as.

use crate::config::variables::Environment;
use crate::error::{Class, Error, Result};

/// The name of the user that this process runs as, from `/etc/passwd`, or `USER` for one who is not listed there.
pub(super) fn system_user(environment: Environment<'_>) -> Result<String> {
    let id = rustix::process::geteuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let listed = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(&id)).then(|| name.to_owned())
    });
    let user = listed.or_else(|| environment("USER")).filter(|user| !user.is_empty());
    user.ok_or_else(|| {
        Error::new(Class::Usage, format!("no user is given, and user id {id} has no name"))
            .todo("write user=NAME or set PGUSER")
    })
}
