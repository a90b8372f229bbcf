//! PostgreSQL without root, from the packages of a Debian-like system.
//!
//! The packages are downloaded and unpacked into `CACHE/<version>`, together with the shared libraries that the
//! machine lacks. The programs find their other files from where they are, because the layout below `usr` is kept.

use super::apt::Apt;
use super::folder;
use super::program::{clean_program, program, run};
use crate::error::{Class, Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The programs that must find all their libraries.
const PROGRAMS: [&str; 4] = ["initdb", "pg_ctl", "postgres", "psql"];

/// Where the programs of an unpacked version are.
pub(super) fn bin_dir(cache: &Path, major: u32) -> PathBuf {
    bin_below(&cache.join(major.to_string()), major)
}

/// Unpacks the newest version, or the wanted one, into `cache`, which the caller has locked, and gives the folder of its
/// programs.
pub(super) fn unpack(cache: &Path, wanted: Option<u32>, say: &dyn Fn(&str)) -> Result<PathBuf> {
    let (staging, lists) = (cache.join("new"), cache.join("apt"));
    let major = match fill(&staging, &Apt::system(), wanted, say) {
        Ok(major) => major,
        Err(error) => {
            // The machine's lists may be absent, or older than what the mirror still has.
            say(&format!("{error}; fetching package lists of our own (apt-get update)"));
            fill(&staging, &Apt::own(&lists)?, wanted, say)?
        }
    };
    let place = cache.join(major.to_string());
    folder::remove(&place)?;
    std::fs::rename(staging.join("root"), &place).map_err(|cause| {
        Error::new(Class::Server, format!("cannot make {}", place.display())).because(cause)
    })?;
    folder::remove(&staging)?;
    folder::remove(&lists)?;
    Ok(bin_dir(cache, major))
}

/// Downloads and unpacks everything into `staging/root`, and gives the version.
fn fill(staging: &Path, apt: &Apt, wanted: Option<u32>, say: &dyn Fn(&str)) -> Result<u32> {
    let major = apt.newest_postgres(wanted)?;
    let root = staging.join("root");
    folder::remove(staging)?;
    folder::make(&root)?;
    let packages =
        BTreeSet::from([format!("postgresql-{major}"), format!("postgresql-client-{major}")]);
    say(&format!("downloading PostgreSQL {major} (apt-get download, no root needed)"));
    add(apt, &packages, &staging.join("server"), &root)?;
    let bin = bin_below(&root, major);
    if !missing_libraries(&root, &bin)?.is_empty() {
        let libraries = apt.missing_libraries(&packages)?;
        say(&format!("downloading {} shared libraries for it", libraries.len()));
        add(apt, &libraries, &staging.join("libraries"), &root)?;
    }
    let missing = missing_libraries(&root, &bin)?;
    if !missing.is_empty() {
        let what = format!("PostgreSQL {major} needs shared libraries that no package brought");
        return Err(Error::new(Class::Server, what).because(missing.join(", ")));
    }
    // Without its compiler library, which is not downloaded, the server must not find the plugin that wants it.
    folder::remove_file(&root.join(format!("usr/lib/postgresql/{major}/lib/llvmjit.so")))?;
    Ok(major)
}

/// Downloads `packages` into `downloads` and unpacks them into `root`.
fn add(apt: &Apt, packages: &BTreeSet<String>, downloads: &Path, root: &Path) -> Result<()> {
    folder::make(downloads)?;
    apt.download(packages, downloads)?;
    for file in folder::files(downloads)? {
        run(program("dpkg-deb").arg("-x").arg(file).arg(root))?;
    }
    Ok(())
}

/// The shared libraries that the dynamic linker does not find.
fn missing_libraries(root: &Path, bin: &Path) -> Result<Vec<String>> {
    let libraries = super::binaries::libraries_beside(bin);
    let mut missing = BTreeSet::new();
    for name in PROGRAMS {
        let said = run(clean_program("ldd").env("LD_LIBRARY_PATH", &libraries).arg(bin.join(name)))
            .map_err(|error| error.at(root.display().to_string()))?;
        missing.extend(not_found(&said));
    }
    Ok(missing.into_iter().collect())
}

/// The names before "=> not found" in what `ldd` says.
fn not_found(said: &str) -> impl Iterator<Item = String> {
    said.lines()
        .filter_map(|line| line.split_once("=> not found"))
        .map(|(name, _)| name.trim().to_owned())
}

fn bin_below(root: &Path, major: u32) -> PathBuf {
    root.join("usr/lib/postgresql").join(major.to_string()).join("bin")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_libraries_that_the_linker_misses_are_named() {
        let said = "\tlinux-vdso.so.1 (0x7)\n\tlibpq.so.5 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x7)\n";
        assert_eq!(super::not_found(said).collect::<Vec<_>>(), ["libpq.so.5"]);
    }
}
