//! What must be there before a server is made: a place where it could work, an account to run as, its programs.

use super::account::Account;
use super::binaries::{Binaries, search_list};
use super::cluster::{self, Cluster};
use super::{ServerOptions, install};
use crate::error::{Class, Error, Result};
use std::path::Path;

/// Fails where no server could work in `dir`, and gives the account that it would run as.
pub(super) fn check_place(dir: &Path) -> Result<Account> {
    cluster::check_name(dir)?;
    let account = Account::choose(&cluster::data_in(dir))?;
    account.check_reach(dir)?;
    Ok(account)
}

/// Finds or installs the programs for a server in `dir`.
pub(super) fn prepare(dir: &Path, options: &ServerOptions, say: &dyn Fn(&str)) -> Result<Cluster> {
    let binaries = binaries(dir, options.bin_dir.as_deref(), &check_place(dir)?, say)?;
    // A package may have brought a better account.
    Ok(Cluster { dir: dir.to_owned(), binaries, account: check_place(dir)? })
}

fn binaries(
    dir: &Path,
    given: Option<&Path>,
    account: &Account,
    say: &dyn Fn(&str),
) -> Result<Binaries> {
    let wanted = cluster::version_in(dir)?;
    let Some(given) = given else {
        let found = Binaries::find(search_list(), wanted, account);
        return found.map_or_else(|| install::install(wanted, account, say), Ok);
    };
    let found = Binaries::open(given, account)?;
    match wanted {
        Some(wanted) if wanted != found.major() => {
            let what = format!(
                "the data in {} are of PostgreSQL {wanted}, and the programs in {} of {}",
                dir.display(),
                given.display(),
                found.major()
            );
            Err(Error::new(Class::Server, what)
                .todo("give the programs of that version, or choose another folder for the data"))
        }
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::prepare;
    use crate::store::postgres::server::{ServerOptions, folder};

    #[test]
    fn programs_of_another_version_than_the_data_are_refused() {
        let options = ServerOptions::scratch();
        let found = prepare(&options.dir, &options, &|_| ()).unwrap();
        folder::make(&options.dir.join("data")).unwrap();
        std::fs::write(options.dir.join("data/PG_VERSION"), "14\n").unwrap();
        let given = Some(found.binaries.dir());
        let refused = super::binaries(&options.dir, given, &found.account, &|_| ());
        folder::remove(&options.dir).unwrap();
        assert!(refused.unwrap_err().to_string().contains("are of PostgreSQL 14"));
    }
}
