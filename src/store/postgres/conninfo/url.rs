//! The connection as a URL without its password, and without what nobody said.

use super::host::DEFAULT_PORT;
use super::network::{CONNECT_TIMEOUT, KEEPALIVES, TCP};
use super::{APPLICATION_NAME, CHANNEL_BINDING, Conninfo, Host, SESSION};
use crate::config::percent;
use crate::store::postgres::tls::Roots;
use std::time::Duration;
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};

impl Conninfo {
    /// A URL without password, for people and logs. [`Conninfo::decide`] reads the same connection from it.
    pub fn display(&self) -> String {
        let mut query = Vec::new();
        let authority = match &self.host {
            Host::Unix(folder) => {
                query.push(("host", folder.display().to_string()));
                if self.port != DEFAULT_PORT {
                    query.push(("port", self.port.to_string()));
                }
                String::new()
            }
            Host::Tcp { name, address } => {
                query.extend(address.map(|address| ("hostaddr", address.to_string())));
                format!("{}:{}", shown_host(name), self.port)
            }
        };
        self.describe_tls(&mut query);
        self.describe_session(&mut query);
        let query: Vec<_> = query
            .into_iter()
            .map(|(name, value)| format!("{name}={}", percent::encode(&value, "/")))
            .collect();
        let (user, database) =
            (percent::encode(&self.user, ""), percent::encode(&self.database, ""));
        let separator = if query.is_empty() { "" } else { "?" };
        format!("postgresql://{user}@{authority}/{database}{separator}{}", query.join("&"))
    }

    fn describe_tls(&self, query: &mut Vec<(&'static str, String)>) {
        if matches!(self.host, Host::Tcp { .. }) {
            query.push(("sslmode", self.tls.mode.as_str().to_owned()));
        }
        match &self.tls.roots {
            Some(Roots::File(file)) => query.push(("sslrootcert", file.display().to_string())),
            Some(Roots::System) => query.push(("sslrootcert", "system".to_owned())),
            None => {}
        }
        if let Some(identity) = &self.tls.identity {
            query.push(("sslcert", identity.certificate.display().to_string()));
            query.push(("sslkey", identity.key.display().to_string()));
        }
        if self.channel_binding != ChannelBinding::Prefer {
            query.extend(
                word(&CHANNEL_BINDING, &self.channel_binding).map(|w| ("channel_binding", w)),
            );
        }
    }

    fn describe_session(&self, query: &mut Vec<(&'static str, String)>) {
        query.extend(self.passfile.iter().map(|file| ("passfile", file.display().to_string())));
        if self.application_name != APPLICATION_NAME {
            query.push(("application_name", self.application_name.clone()));
        }
        query.extend(self.options.iter().map(|options| ("options", options.clone())));
        if self.connect_timeout != Some(CONNECT_TIMEOUT) {
            query.push(("connect_timeout", seconds(self.connect_timeout)));
        }
        if self.tcp.user_timeout != TCP.user_timeout {
            let milliseconds = self.tcp.user_timeout.unwrap_or_default().as_millis();
            query.push(("tcp_user_timeout", milliseconds.to_string()));
        }
        match self.tcp.keepalives {
            None => query.push(("keepalives", "0".to_owned())),
            Some(probes) if probes != KEEPALIVES => {
                query.push(("keepalives_idle", seconds(Some(probes.idle))));
                query.push(("keepalives_interval", seconds(Some(probes.interval))));
                query.push(("keepalives_count", probes.count.to_string()));
            }
            Some(_) => {}
        }
        if self.session != TargetSessionAttrs::Any {
            query.extend(word(&SESSION, &self.session).map(|w| ("target_session_attrs", w)));
        }
    }
}

fn shown_host(name: &str) -> String {
    if name.contains(':') { format!("[{name}]") } else { percent::encode(name, "") }
}

fn word<T: PartialEq>(words: &[(&str, T)], meaning: &T) -> Option<String> {
    words.iter().find(|(_, means)| means == meaning).map(|(word, _)| (*word).to_owned())
}

fn seconds(duration: Option<Duration>) -> String {
    duration.unwrap_or_default().as_secs().to_string()
}

#[cfg(test)]
mod tests {
    use crate::store::postgres::conninfo::tests::{decided, nothing};
    use crate::store::postgres::conninfo::{Conninfo, Host, Origin};
    use crate::store::postgres::tls::{Reach, SslMode};
    use proptest::prelude::*;

    #[test]
    fn the_url_shown_is_short_where_nothing_unusual_was_said() {
        let shown = |written: &str| decided(written, &[]).display();
        assert_eq!(
            shown("host=localhost user=u dbname=d"),
            "postgresql://u@localhost:5432/d?sslmode=prefer"
        );
        assert_eq!(shown("host=/tmp user=u port=7"), "postgresql://u@/u?host=/tmp&port=7");
    }

    #[test]
    fn every_parameter_survives_being_shown_and_read_again() {
        let written = [
            "host=::1 user=u hostaddr=::1 sslmode=verify-ca sslrootcert='/a b/&=.crt'",
            "host=h user=u sslcert=/c sslkey=/k channel_binding=require sslmode=require",
            "host=h user=u passfile=/p application_name='a b' options='-c x=1&y' connect_timeout=0",
            "host=h user=u tcp_user_timeout=0 keepalives=0 target_session_attrs=read-write",
            "host=/tmp user=u tcp_user_timeout=1500 keepalives_idle=1 keepalives_count=9",
            "hostaddr=10.0.0.1 user=u connect_timeout=3 sslmode=disable",
        ];
        for written in written {
            let conninfo = decided(written, &[]);
            let again = Conninfo::decide(&conninfo.display(), &nothing, Origin::Argument).unwrap();
            assert_eq!(again, conninfo, "{}", conninfo.display());
        }
    }

    proptest! {
        #[test]
        fn any_name_survives_being_shown_and_read_again(
            user in "[^\0]{1,9}",
            database in "[^\0]{1,9}",
            host in "[^\0,/][^\0,]{0,9}",
            port in 1_u16..
        ) {
            let mut conninfo = decided("host=h user=u", &[]);
            conninfo.host = Host::Tcp { name: host.replace([':', '[', ']'], "-"), address: None };
            conninfo.tls.mode = SslMode::VerifyFull;
            prop_assume!(conninfo.host.reach() == Reach::Network);
            (conninfo.user, conninfo.database, conninfo.port) = (user, database, port);
            let again = Conninfo::decide(&conninfo.display(), &nothing, Origin::Argument).unwrap();
            prop_assert_eq!(again, conninfo);
        }
    }
}
