//! libpq's service file: `[name]`, then `parameter=value` lines; `#` begins a comment line.
//!
//! `PGSERVICEFILE`, or else `~/.pg_service.conf`, is looked at first, then `PGSYSCONFDIR/pg_service.conf`
//! (`/etc/postgresql-common` where that is not set, as Debian and Ubuntu build libpq).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::parameters::Parameters;
use crate::config::variables::Environment;
use crate::error::{Class, Error, Place, Result};

/// Adds the parameters of `service` to those that were not given before.
///
/// A service that no file defines and a line that cannot be understood are errors of [`Class::Usage`].
pub(super) fn add(
    service: &str,
    given: &mut Parameters,
    environment: Environment<'_>,
) -> Result<()> {
    let files = files(environment);
    for file in &files {
        let Some(text) = read(file)? else { continue };
        let lines = section(&text, service);
        if let Some(lines) = lines {
            return lines.into_iter().try_for_each(|(number, line)| {
                add_line(line, file, given).at(|| format!("{}:{number}", file.display()))
            });
        }
    }
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    Err(Error::new(Class::Usage, format!("no definition of the service {service:?}"))
        .todo(format!("add a section [{service}] to {}", names.join(" or "))))
}

fn files(environment: Environment<'_>) -> Vec<PathBuf> {
    let named =
        |variable| environment(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own =
        named("PGSERVICEFILE").or_else(|| named("HOME").map(|home| home.join(".pg_service.conf")));
    let shared = named("PGSYSCONFDIR").unwrap_or_else(|| PathBuf::from("/etc/postgresql-common"));
    own.into_iter().chain([shared.join("pg_service.conf")]).collect()
}

fn read(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let what = format!("cannot read the service file {}", file.display());
            Err(Error::new(Class::Usage, what).because(error))
        }
    }
}

/// The lines of the first section of that name, numbered from 1, without blank lines and comments.
fn section<'a>(text: &'a str, service: &str) -> Option<Vec<(usize, &'a str)>> {
    let header = format!("[{service}]");
    let mut lines = text.lines().map(str::trim).enumerate().map(|(index, line)| (index + 1, line));
    lines.find(|(_, line)| *line == header)?;
    let of_this = lines.take_while(|(_, line)| !line.starts_with('['));
    Some(of_this.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect())
}

fn add_line(line: &str, file: &Path, given: &mut Parameters) -> Result<()> {
    let malformed = |what: &str| Error::new(Class::Usage, what);
    let (name, value) =
        line.split_once('=').ok_or_else(|| malformed("the line is not parameter=value"))?;
    if name == "service" {
        return Err(malformed("a service cannot name another service"));
    }
    given.take_service(name, value, file)
}

#[cfg(test)]
mod tests {
    use super::{Parameters, add};

    fn looked_up(text: &str, service: &str) -> crate::error::Result<Parameters> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("services");
        std::fs::write(&file, text).unwrap();
        let mut given = Parameters::default();
        let file = file.display().to_string();
        add(service, &mut given, &|name| (name == "PGSERVICEFILE").then(|| file.clone()))?;
        Ok(given)
    }

    const TEXT: &str = "# mine\n[a]\nhost=one\n\n  # more\nport=7\nhost=two\n[b]\nhost=three\n";

    #[test]
    fn only_the_named_section_is_read_and_its_first_value_holds() {
        let given = looked_up(TEXT, "a").unwrap();
        assert_eq!((given.get("host"), given.get("port")), (Some("one"), Some("7")));
        assert_eq!(looked_up(TEXT, "b").unwrap().get("host"), Some("three"));
    }

    #[test]
    fn the_shared_file_is_read_when_the_own_one_does_not_define_the_service() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pg_service.conf"), TEXT).unwrap();
        std::fs::write(folder.path().join(".pg_service.conf"), "[mine]\nhost=own\n").unwrap();
        let path = folder.path().display().to_string();
        let environment =
            |name: &str| ["HOME", "PGSYSCONFDIR"].contains(&name).then(|| path.clone());
        for (service, host) in [("mine", "own"), ("b", "three")] {
            let mut given = Parameters::default();
            add(service, &mut given, &environment).unwrap();
            assert_eq!(given.get("host"), Some(host));
        }
    }

    #[test]
    fn an_unknown_service_or_parameter_and_a_nested_service_are_refused() {
        let refused = |text, service| looked_up(text, service).err().unwrap().to_string();
        assert!(refused(TEXT, "c").contains("\"c\""));
        assert!(refused("[a]\nhost=x\ncolour=red\n", "a").contains("services:3: "));
        assert!(refused("[a]\nservice=b\n", "a").contains("another service"));
        assert!(refused("[a]\nhost\n", "a").contains("services:2: "));
    }
}
