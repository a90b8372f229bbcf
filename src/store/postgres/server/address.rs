//! How the server is reached: its socket, the role and the database, as a URL and as a command to type.

use super::{Server, cluster};
use crate::config::percent;
use std::path::Path;

impl Server {
    /// The folder of the socket.
    pub fn socket_dir(&self) -> &Path {
        &self.sockets
    }

    /// The port, which names the socket.
    pub fn port(&self) -> u16 {
        cluster::PORT
    }

    /// The role, a superuser.
    pub fn user(&self) -> &str {
        cluster::USER
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// `postgresql://liteferry@%2Fpath%2Fto%2Fsocket:5432/liteferry`, as psql and liteferry understand it.
    pub fn url(&self) -> String {
        format!(
            "postgresql://{}@{}:{}/{}",
            self.user(),
            percent::encode(self.sockets.as_os_str().as_encoded_bytes(), ""),
            self.port(),
            percent::encode(&self.database, "")
        )
    }

    /// What a person types to look into the database.
    pub fn psql_command(&self) -> String {
        let psql = self.bin_dir().join("psql");
        if !psql.is_file() {
            return format!("psql {}", self.url());
        }
        let libraries = self.cluster.binaries.libraries().to_string_lossy();
        let psql = shell_word(&psql.to_string_lossy());
        if libraries.is_empty() {
            return format!("{psql} {}", self.url());
        }
        format!("LD_LIBRARY_PATH={} {psql} {}", shell_word(&libraries), self.url())
    }
}

/// `text` as one word of a shell command.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
