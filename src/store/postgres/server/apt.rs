//! apt's programs: over the package lists of the machine, or over lists of liteferry's own, which need no root.

use super::binaries::OLDEST;
use super::program::{program, run};
use crate::error::{Class, Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// apt, and where its package lists are.
#[derive(Debug)]
pub(super) struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// With the machine's package lists.
    pub(super) fn system() -> Self {
        Self { options: Vec::new() }
    }

    /// With lists in `folder`, which are fetched now.
    pub(super) fn own(folder: &Path) -> Result<Self> {
        let (state, cache) = (folder.join("state"), folder.join("cache"));
        for needed in [state.join("lists/partial"), cache.join("archives/partial")] {
            std::fs::create_dir_all(&needed).map_err(|cause| {
                Error::new(Class::Server, format!("cannot make {}", needed.display()))
                    .because(cause)
            })?;
        }
        let options = vec![
            format!("Dir::State={}", state.display()),
            format!("Dir::State::Lists={}", state.join("lists").display()),
            "Dir::State::status=/var/lib/dpkg/status".to_owned(),
            format!("Dir::Cache={}", cache.display()),
        ];
        let apt = Self { options };
        apt.update()?;
        Ok(apt)
    }

    /// Fetches the package lists.
    pub(super) fn update(&self) -> Result<()> {
        run(program("apt-get").args(self.options()).args([
            "-q",
            "-o",
            "APT::Update::Error-Mode=any",
            "update",
        ]))
        .map(drop)
    }

    /// The newest major version that there is a package of, or `wanted` if there is one of that.
    pub(super) fn newest_postgres(&self, wanted: Option<u32>) -> Result<u32> {
        let mut search = program("apt-cache");
        search.args(self.options()).args(["search", "--names-only", "^postgresql-[0-9]+$"]);
        newest(&run(&mut search)?, wanted).ok_or_else(|| {
            let what = match wanted {
                Some(major) => format!("apt knows no package postgresql-{major}"),
                None => format!("apt knows no package of PostgreSQL {OLDEST} or newer"),
            };
            Error::new(Class::Server, what)
        })
    }

    /// Downloads the package files of `packages` into `folder`.
    pub(super) fn download(&self, packages: &BTreeSet<String>, folder: &Path) -> Result<()> {
        let mut download = program("apt-get");
        download.current_dir(folder).args(self.options()).args(["-q", "download"]).args(packages);
        run(&mut download).map(drop)
    }

    /// The packages of shared libraries that `packages` need, and those that these need, and so on, but for those
    /// that the machine has, and for the compiler (LLVM) that PostgreSQL can do without.
    pub(super) fn missing_libraries(
        &self,
        packages: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>> {
        let direct = self.libraries_of(packages, &["depends", "--important"])?;
        let mut all = self.libraries_of(&direct, &["depends", "--important", "--recurse"])?;
        all.extend(direct);
        let installed =
            run(program("dpkg-query").args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"]))?;
        let installed: BTreeSet<&str> =
            installed.lines().filter_map(|line| line.strip_prefix("ii ")).map(str::trim).collect();
        Ok(all.into_iter().filter(|package| !installed.contains(package.as_str())).collect())
    }

    fn libraries_of(&self, packages: &BTreeSet<String>, ask: &[&str]) -> Result<BTreeSet<String>> {
        let listed = run(program("apt-cache").args(self.options()).args(ask).args(packages))?;
        Ok(libraries(&listed))
    }

    fn options(&self) -> impl Iterator<Item = &str> {
        self.options.iter().flat_map(|option| ["-o", option])
    }
}

/// The version to take of those that `apt-cache search` lists.
fn newest(listed: &str, wanted: Option<u32>) -> Option<u32> {
    listed
        .lines()
        .filter_map(|line| {
            line.strip_prefix("postgresql-")?.split_whitespace().next()?.parse().ok()
        })
        .filter(|major| wanted.map_or(*major >= OLDEST, |wanted| *major == wanted))
        .max()
}

/// The packages of shared libraries among those that `apt-cache depends` lists.
fn libraries(listed: &str) -> BTreeSet<String> {
    listed
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|name| !name.contains(['<', ':']) && !name.contains("perl"))
        .filter(|name| name.starts_with("lib") || name.starts_with("zlib"))
        .filter(|name| !name.starts_with("libllvm"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{libraries, newest};

    #[test]
    fn the_newest_package_is_taken_but_none_that_is_too_old() {
        let listed = "postgresql-9 - a\npostgresql-15 - b\npostgresql-13 - c\n";
        assert_eq!(newest(listed, None), Some(15));
        assert_eq!(newest(listed, Some(13)), Some(13));
        assert_eq!(newest(listed, Some(14)), None);
        assert_eq!(newest("postgresql-11 - a\n", None), None);
    }

    #[test]
    fn only_shared_libraries_that_the_server_cannot_do_without_are_taken() {
        let listed = "postgresql-15\n |Depends: locales\n  Depends: libllvm14\n  Depends: libicu72\n  \
                      Depends: <debconf-2.0>\n    debconf\n  Depends: zlib1g\n  Depends: libjson-perl\nlibc6:i386\n";
        let taken: Vec<String> = libraries(listed).into_iter().collect();
        assert_eq!(taken, ["libicu72", "zlib1g"]);
    }
}
