//! libpq's password file, `~/.pgpass` by default: a line `host:port:database:user:password` for each password.
//!
//! `*` alone in a field matches anything, `\` takes the next character (`:` or `\`) as it is, and `#` begins a
//! comment line; the first line that matches holds. `localhost` also stands for the usual Unix socket folders. As in
//! libpq, a file that others may read is ignored; here the reason is kept, for the one who is then refused.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Secret;
use super::host::SOCKET_FOLDERS;

/// What a line of the file must match.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The host's name as given, or the folder of the Unix socket.
    pub host: &'a str,
    /// The port, also for a Unix socket.
    pub port: u16,
    /// The database.
    pub database: &'a str,
    /// The role that logs in.
    pub user: &'a str,
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// The password of the first line that matches.
    Found(Secret),
    /// There is no such file, or no line in it that matches; the reason, for people.
    Nothing(String),
    /// The file is there but may not be used; the reason, for people.
    Ignored(String),
}

/// Looks for the password in `file`.
pub(super) fn look_up(file: &Path, wanted: Wanted<'_>) -> Lookup {
    let shown = file.display();
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Lookup::Nothing(format!("the password file {shown} does not exist"));
        }
        Err(error) => {
            return Lookup::Ignored(format!("the password file {shown} is ignored: {error}"));
        }
    };
    if !metadata.is_file() {
        return Lookup::Ignored(format!(
            "the password file {shown} is ignored: it is no plain file"
        ));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Lookup::Ignored(format!(
            "the password file {shown} is ignored: others have access to it \
             (mode {mode:04o}, it must be 0600)"
        ));
    }
    match std::fs::read_to_string(file) {
        Ok(text) => text.lines().find_map(|line| password(line, wanted)).map_or_else(
            || {
                Lookup::Nothing(format!(
                    "the password file {shown} has no line for {}",
                    wanted.line()
                ))
            },
            Lookup::Found,
        ),
        Err(error) => Lookup::Ignored(format!("the password file {shown} is ignored: {error}")),
    }
}

impl Wanted<'_> {
    /// The line that would match, without its password.
    fn line(self) -> String {
        format!("{}:{}:{}:{}", self.host, self.port, self.database, self.user)
    }
}

fn password(line: &str, wanted: Wanted<'_>) -> Option<Secret> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = fields(line.trim_end_matches('\r'));
    let (host, port) = (fields.next()?, fields.next()?);
    let (database, user) = (fields.next()?, fields.next()?);
    let socket = host == "localhost" && SOCKET_FOLDERS.contains(&wanted.host);
    let matches = (socket || fits(&host, wanted.host))
        && fits(&port, &wanted.port.to_string())
        && fits(&database, wanted.database)
        && fits(&user, wanted.user);
    let password = fields.next().filter(|password| matches && !password.is_empty())?;
    Some(Secret::new(unescaped(&password)))
}

fn fits(field: &str, wanted: &str) -> bool {
    field == "*" || unescaped(field) == wanted
}

/// The text between colons that no `\` precedes, still escaped, so that `*` and `\*` differ.
fn fields(line: &str) -> impl Iterator<Item = String> {
    let mut characters = line.chars();
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut field = String::new();
        loop {
            match characters.next() {
                Some('\\') => {
                    field.push('\\');
                    field.extend(characters.next());
                }
                Some(':') => return Some(field),
                Some(character) => field.push(character),
                None => {
                    ended = true;
                    return Some(field);
                }
            }
        }
    })
}

fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next().unwrap_or('\\')),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Lookup, Secret, Wanted, look_up};
    use std::os::unix::fs::PermissionsExt as _;

    const WANTED: Wanted<'_> = Wanted { host: "db", port: 5432, database: "d", user: "u" };

    fn found(text: &str, wanted: Wanted<'_>) -> Lookup {
        looked_up(text, 0o600, wanted)
    }

    fn looked_up(text: &str, mode: u32, wanted: Wanted<'_>) -> Lookup {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        look_up(&file, wanted)
    }

    fn password(text: &str) -> Lookup {
        Lookup::Found(Secret::new(text))
    }

    #[test]
    fn the_first_line_that_matches_every_field_holds() {
        let text = "db:5432:d:other:1\n#db:5432:d:u:2\ndb:5433:*:*:3\ndb:*:d:u:4\n*:*:*:*:5\n";
        assert_eq!(found(text, WANTED), password("4"));
        assert_eq!(found(text, Wanted { user: "x", ..WANTED }), password("5"));
    }

    #[test]
    fn escapes_hold_in_every_field_and_in_the_password() {
        let wanted = Wanted { host: "::1", user: r"a\b", ..WANTED };
        assert_eq!(found(r"\:\:1:5432:d:a\\b:p\:w\\x:tail", wanted), password(r"p:w\x"));
    }

    #[test]
    fn an_escaped_star_is_a_star_and_not_everything() {
        assert!(matches!(found(r"db:5432:\*:u:p", WANTED), Lookup::Nothing(_)));
        let star = Wanted { database: "*", ..WANTED };
        assert_eq!(found(r"db:5432:\*:u:p", star), password("p"));
    }

    #[test]
    fn localhost_stands_for_the_usual_socket_folders_only() {
        let at = |host| found("localhost:5432:d:u:p", Wanted { host, ..WANTED });
        for host in ["localhost", "/tmp", "/var/run/postgresql"] {
            assert_eq!(at(host), password("p"), "{host}");
        }
        assert!(matches!(at("/srv/sockets"), Lookup::Nothing(_)));
    }

    #[test]
    fn a_file_that_others_may_read_is_ignored_and_the_reason_says_so() {
        for mode in [0o640, 0o604, 0o644, 0o620, 0o601] {
            let Lookup::Ignored(reason) = looked_up("*:*:*:*:hunter2", mode, WANTED) else {
                panic!("mode {mode:o} was accepted");
            };
            assert!(reason.contains(&format!("{mode:04o}")) && !reason.contains("hunter2"));
        }
        assert_eq!(looked_up("*:*:*:*:p", 0o400, WANTED), password("p"));
    }

    #[test]
    fn a_missing_file_and_a_missing_line_are_told_apart() {
        let Lookup::Nothing(missing) = look_up("/nonexistent/pgpass".as_ref(), WANTED) else {
            panic!("found something in no file");
        };
        assert!(missing.contains("does not exist"));
        let Lookup::Nothing(unmatched) = found("x:1:y:z:hunter2\nshort\n", WANTED) else {
            panic!("found something for another");
        };
        assert!(unmatched.ends_with("no line for db:5432:d:u"), "{unmatched}");
        assert!(matches!(look_up("/tmp".as_ref(), WANTED), Lookup::Ignored(_)));
    }
}
