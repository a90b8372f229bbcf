//! Who writes to an archive in a bucket and who prunes it, kept apart by markers: objects below `locks`, one of each.
//!
//! Who comes first makes its marker, and then looks for those of others. A store that speaks S3 shows to everybody what
//! was put before, so of one who writes and one who prunes at least one sees the other: who prunes goes away, who writes
//! waits. A marker is worth nothing once it is old, by the store's own clock; its owner makes it new before.

use super::{Alone, Entry, Name, Place, held};
use crate::error::{Class, Error, Result};
use crate::store::parquet::cipher;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Who is in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Any number at once, none while one prunes.
    Writer,
    /// One, alone.
    Pruner,
}

impl Role {
    const ALL: [Self; 2] = [Self::Writer, Self::Pruner];

    fn prefix(self) -> &'static str {
        match self {
            Self::Writer => "locks/writer-",
            Self::Pruner => "locks/pruner-",
        }
    }

    /// How long a marker is worth something. One who writes may put nothing for hours while it reads a table; one who
    /// prunes and died keeps others waiting for no longer than this.
    fn lease(self) -> Duration {
        match self {
            Self::Writer => Duration::from_hours(24),
            Self::Pruner => Duration::from_mins(5),
        }
    }

    /// Whose marker it is.
    fn of(name: &Name) -> Option<Self> {
        Self::ALL.into_iter().find(|role| name.as_str().starts_with(role.prefix()))
    }
}

/// Who would write looks that often whether a pruning is over.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 1000 });
/// And for so long: the marker of one who died at it is worth nothing by then.
const PATIENCE: Duration = Duration::from_mins(10);
/// A marker is made new after this part of what it is worth, and believed for no longer than that one.
const RENEWED: u32 = 6;
const BELIEVED: u32 = 2;

/// A marker, until [`Lease::end`].
#[derive(Debug)]
pub(super) struct Lease {
    role: Role,
    marker: Name,
    /// When it was last made new, by a clock that nobody sets.
    since: Mutex<Instant>,
}

impl Lease {
    /// Lets in those who write; waits for one who prunes.
    pub(super) fn shared(place: &dyn Place) -> Result<Self> {
        Self::shared_within(place, PATIENCE)
    }

    fn shared_within(place: &dyn Place, patience: Duration) -> Result<Self> {
        let lease = Self::marked(place, Role::Writer)?;
        match lease.wait(place, patience) {
            Ok(()) => Ok(lease),
            Err(error) => {
                lease.end(place);
                Err(error)
            }
        }
    }

    /// Lets in nobody else.
    pub(super) fn alone(place: &dyn Place) -> Result<Within<'_>> {
        let within = Within { place, lease: Self::marked(place, Role::Pruner)? };
        match within.lease.others(place)?.into_iter().next() {
            None => Ok(within),
            Some((name, Role::Pruner)) => {
                Err(held(&format!("another run is pruning it, or died at it: {name}")))
            }
            Some((name, Role::Writer)) => {
                let what = format!("a run is writing to it, or died at it: {name}");
                Err(held(&what).todo("let it end; if it died, take its marker away, or wait a day"))
            }
        }
    }

    fn marked(place: &dyn Place, role: Role) -> Result<Self> {
        let random: String =
            cipher::random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let marker = Name::parse(&format!("{}{random}", role.prefix()))
            .ok_or_else(|| Error::internal("a marker has an odd name"))?;
        let lease = Self { role, marker, since: Mutex::new(Instant::now()) };
        lease.renew(place)?;
        Ok(lease)
    }

    /// Makes the marker new. What was measured before it was asked for is less than what the store will measure.
    fn renew(&self, place: &dyn Place) -> Result<()> {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let seconds = clock.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let text = format!("{{\"process\":{},\"since\":{seconds}}}\n", std::process::id());
        place.replace(&self.marker, text.as_bytes())?;
        *self.since.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = now;
        Ok(())
    }

    fn age(&self) -> Duration {
        self.since.lock().unwrap_or_else(std::sync::PoisonError::into_inner).elapsed()
    }

    /// Markers of others that are still worth something, by the store's clock.
    fn others(&self, place: &dyn Place) -> Result<Vec<(Name, Role)>> {
        self.others_of(&place.list(&Name::locks())?)
    }

    fn others_of(&self, all: &[Entry]) -> Result<Vec<(Name, Role)>> {
        let ours = all.iter().find(|entry| entry.name == self.marker);
        let lost = || Error::new(Class::Temporary, "somebody took this run's marker away");
        let now = ours.ok_or_else(lost)?.modified;
        let is_worth =
            |role: Role, modified| now.duration_since(modified).unwrap_or_default() < role.lease();
        let others = all.iter().filter(|entry| entry.name != self.marker);
        Ok(others
            .filter_map(|entry| Some((entry, Role::of(&entry.name)?)))
            .filter(|(entry, role)| is_worth(*role, entry.modified))
            .map(|(entry, role)| (entry.name.clone(), role))
            .collect())
    }

    /// Waits until nobody prunes.
    fn wait(&self, place: &dyn Place, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        loop {
            let others = self.others(place)?;
            match others.into_iter().find(|(_, role)| *role == Role::Pruner) {
                None => return Ok(()),
                Some((name, _)) if Instant::now() > until => {
                    return Err(held(&format!("another run is pruning it: {name}")));
                }
                Some(_) => super::pause(PAUSE),
            }
            // The store's clock is that of the newest marker.
            self.renew(place)?;
        }
    }

    /// Makes the marker new where it is time; a writer whose marker was worth nothing for a while comes in again.
    pub(super) fn keep(&self, place: &dyn Place) -> Result<()> {
        let age = self.age();
        if age < self.role.lease() / RENEWED {
            return Ok(());
        }
        let was_believed = age < self.role.lease() / BELIEVED;
        match self.role {
            Role::Pruner if !was_believed => {
                Err(Error::new(Class::Temporary, "the pruning stood still for too long")
                    .todo("run it again: it goes on from there"))
            }
            Role::Writer if !was_believed => {
                self.renew(place).and_then(|()| self.wait(place, PATIENCE))
            }
            Role::Pruner | Role::Writer => self.renew(place),
        }
    }

    /// Takes the marker away.
    pub(super) fn end(&self, place: &dyn Place) {
        // What stays behind is worth nothing after a while.
        let _left = place.delete(&self.marker);
    }

    #[cfg(test)]
    pub(super) fn set_age(&self, age: Duration) {
        *self.since.lock().unwrap() = Instant::now().checked_sub(age).unwrap();
    }
}

/// One who prunes, until this is dropped.
#[derive(Debug)]
pub(super) struct Within<'p> {
    place: &'p dyn Place,
    lease: Lease,
}

impl Alone for Within<'_> {
    fn keep(&self) -> Result<()> {
        self.lease.keep(self.place)
    }
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        self.lease.end(self.place);
    }
}

#[cfg(test)]
mod tests;
