//! Following: what changes in the source is applied to the target, for minutes or for weeks.

use super::Setting;
use super::archive::Archive;
use super::begin::Migrated;
use super::inspect::Inspected;
use super::live::{Job, Live, Look, Looked, Passed, Rolling, Vacuuming, look, vacuum};
use super::noted::noted;
use super::pause::check_goes_on;
use super::reject;
use crate::config::Pipeline;
use crate::error::{Class, Error, Result, with_cause};
use crate::pipeline::hand::{Hand, with_hand};
use crate::pipeline::{Event, Stop};
use crate::status::{ArchiveReport, Heads, Report};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::wake::Wake;
use std::time::{Duration, Instant};

/// Where following ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When the target is what the source is.
    CaughtUp,
    /// When somebody stops it.
    Stopped,
}

/// Follows a source whose snapshot is loaded.
///
/// # Errors
///
/// Whatever stands in the way; the same command goes on from there.
pub fn follow(
    pipeline: &Pipeline,
    conninfo: &Conninfo,
    until: Until,
    setting: Setting<'_>,
) -> Result<Report> {
    let began = Instant::now();
    let inspected = Inspected::open_moving(pipeline, setting.stop)?;
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    let (migrated, lease) = Migrated::take(&mut link, pipeline)?;
    migrated.check_same_source(&inspected, pipeline)?;
    migrated.check_followed()?;
    let words = match until {
        Until::CaughtUp => "follow --until-caught-up",
        Until::Stopped => "follow",
    };
    let archive = Archive::of(pipeline)?;
    let live = Live::new(&inspected, &migrated.plan, pipeline, lease, setting)
        .with_archive(archive.as_ref());
    Archive::check_given(archive.as_ref(), lease, &mut link)?;
    noted(conninfo, &mut link, lease, (words, &migrated.plan_hash), |link| {
        live.guard(link)?;
        let mut following = Following {
            reader: Reader::of_moving(inspected.source.connect()?),
            wake: Wake::new(&inspected.source)?,
            touches_per_second: pipeline.follow.max_rate.map(u32::from),
            unpurged: 0,
            purged: None,
            publishing: pipeline.archive.as_ref().map(|archive| archive.every),
            published: Instant::now(),
            rolling: Rolling::new(&live, &migrated.phase),
            vacuuming: Vacuuming::new(&live),
            renewed: Instant::now(),
            live: &live,
            archived: None,
            held: 0,
            told: Vec::new(),
            waited: Duration::ZERO,
            migration: migrated.id,
            setting,
        };
        let compare = |part: Look, stop: &Stop| {
            look((&migrated.plan, migrated.id), part, Setting { stop, ..setting })
        };
        let (head, phase, archive) = with_hand(
            setting.stop,
            |job, _| vacuum(job),
            |vacuums| {
                with_hand(setting.stop, compare, |compares| {
                    let head = following.go(until, (compares, vacuums), link)?;
                    Ok((head, following.rolling.phase(), following.archived.take()))
                })
            },
        )?;
        Ok(Report {
            command: "follow",
            phase: phase.into(),
            tables: reject::tables(&migrated.plan, link, migrated.id)?,
            phases: vec![("follow", began.elapsed())],
            position: Some(Heads { source: head, applied: head }),
            archive,
            misfits: reject::misfits(&migrated.plan, link, migrated.id)?,
            ..Report::default()
        })
    })
}

/// How often in a row somebody else may be writing to the archive.
const HELD_MAX: u32 = 5;

/// How long it waits for a commit before it looks around.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest pause before an archive that takes nothing is tried again.
const ARCHIVE_PATIENCE: Duration = Duration::from_secs(30);

/// How long a session is used. Its temp tables are as old as itself to the server, which can forget no transaction that is
/// younger.
const RENEWED_EVERY: Duration = Duration::from_hours(1);

/// Touches after which the log is sealed and they are taken out of it, and how long fewer wait for that.
const PURGED_TOUCHES: u64 = 10_000;
const PURGED_EVERY: Duration = Duration::from_secs(10);

/// One follower.
struct Following<'a> {
    live: &'a Live<'a>,
    reader: Reader,
    wake: Wake,
    touches_per_second: Option<u32>,
    /// Touches that were applied since the log was purged.
    unpurged: u64,
    /// When that was; none before the first time.
    purged: Option<Instant>,
    /// How often a generation of the archive is published, and when that was last.
    publishing: Option<Duration>,
    published: Instant,
    rolling: Rolling<'a>,
    vacuuming: Vacuuming<'a>,
    /// Since when the session is there.
    renewed: Instant,
    /// The newest generation, where there is an archive.
    archived: Option<ArchiveReport>,
    /// How often in a row somebody else was writing to it.
    held: u32,
    /// What was told of it since it could be written to last.
    told: Vec<&'static str>,
    /// How long it was waited for last, in a row.
    waited: Duration,
    migration: i32,
    setting: Setting<'a>,
}

impl Following<'_> {
    fn go<'l>(
        &mut self,
        until: Until,
        (hand, vacuums): (&Hand<Look, Looked>, &Hand<Job<'l>, Result<()>>),
        link: &mut Link<'l>,
    ) -> Result<i64> {
        loop {
            self.wait_while_paused(until, link)?;
            self.renew_now_and_then(link)?;
            // Before the rows are touched that are vacuumed the next time.
            self.vacuuming.turn(vacuums, link)?;
            let began = Instant::now();
            let (head, passed) = match self.live.advance(&mut self.reader, link) {
                Err(error) if until == Until::Stopped && self.live.waits_for_archive(&error) => {
                    self.wait_for_archive(&error)?;
                    continue;
                }
                advanced => advanced?,
            };
            self.waited = Duration::ZERO;
            self.unpurged += passed.touches;
            if passed.drained && until == Until::CaughtUp {
                self.archived = self.live.publish(link)?;
                self.live.purge(link)?;
                self.vacuuming.rest(vacuums, link)?;
                return Ok(head);
            }
            self.purge_now_and_then(link)?;
            self.slow_down(passed, began)?;
            if !passed.drained {
                continue;
            }
            self.publish_now_and_then(link)?;
            self.unpurged += self.rolling.turn(hand, link)?;
            while !self.wake.wait(self.rolling.wait(hand, PATIENCE), self.setting.stop)? {
                self.live.check_same_file()?;
                self.unpurged += self.rolling.turn(hand, link)?;
                self.vacuuming.turn(vacuums, link)?;
                self.publish_now_and_then(link)?;
                self.purge_now_and_then(link)?;
                self.renew_now_and_then(link)?;
            }
        }
    }

    /// Publishes a generation where it is time for one, and purges the log of what it has then.
    fn publish_now_and_then(&mut self, link: &mut Link<'_>) -> Result<()> {
        let Some(every) = self.publishing.filter(|every| self.published.elapsed() >= *every) else {
            return Ok(());
        };
        match self.live.publish(link) {
            // Somebody compacts the archive just now.
            Err(error) if error.class() == Class::Held && self.held < HELD_MAX => {
                self.held += 1;
                let told = format!("the archive is not published yet: {error}");
                self.setting.progress.tell(Event::Warning(told));
                self.published = Instant::now().checked_sub(every / 2).unwrap_or(self.published);
                return Ok(());
            }
            // Until it can be, the log is kept, and the target follows.
            Err(error) if error.class() == Class::Temporary => {
                self.tell_once("the archive is not published until it can be written to", &error);
                self.published = Instant::now();
                return Ok(());
            }
            published => self.archived = published?,
        }
        if !std::mem::take(&mut self.told).is_empty() {
            self.setting.progress.tell(Event::Note("the archive is published again".into()));
        }
        self.held = 0;
        self.published = Instant::now();
        self.live.purge(link)
    }

    /// Nothing is applied while the archive takes nothing and there is no room to keep more for it: the changelog keeps
    /// what is written meanwhile.
    fn wait_for_archive(&mut self, error: &Error) -> Result<()> {
        self.tell_once("nothing is applied until the archive can be written to", error);
        self.waited = (self.waited * 2).clamp(PATIENCE, ARCHIVE_PATIENCE);
        self.setting.stop.wait(self.waited)
    }

    /// Tells what ails the archive, once until it is published again.
    fn tell_once(&mut self, what: &'static str, error: &Error) {
        if !self.told.contains(&what) {
            self.told.push(what);
            self.setting.progress.tell(Event::Warning(format!("{what}: {}", with_cause(error))));
        }
    }

    /// Nothing is applied while somebody has it paused; the changelog keeps what is written meanwhile.
    fn wait_while_paused(&mut self, until: Until, link: &mut Link<'_>) -> Result<()> {
        let mut told = false;
        while link.with(|session| ledger::is_paused(session, self.migration))? {
            if until == Until::CaughtUp {
                return check_goes_on(link, self.migration);
            }
            if !std::mem::replace(&mut told, true) {
                self.setting.progress.tell(Event::Note("paused".into()));
            }
            self.renew_now_and_then(link)?;
            self.setting.stop.wait(PATIENCE)?;
        }
        if told {
            self.live.distrust();
            self.setting.progress.tell(Event::Note("resumed".into()));
        }
        Ok(())
    }

    fn renew_now_and_then(&mut self, link: &mut Link<'_>) -> Result<()> {
        if self.renewed.elapsed() < RENEWED_EVERY {
            return Ok(());
        }
        self.renewed = Instant::now();
        link.renew()
    }

    /// Seals the log and takes what was read out of it, soon after it was read, and not so often that it would cost the
    /// application anything.
    fn purge_now_and_then(&mut self, link: &mut Link<'_>) -> Result<()> {
        let is_early = self.purged.is_some_and(|purged| purged.elapsed() < PURGED_EVERY);
        if is_early && self.unpurged < PURGED_TOUCHES {
            return Ok(());
        }
        (self.unpurged, self.purged) = (0, Some(Instant::now()));
        self.live.purge(link)
    }

    /// Keeps below the rate that the user allows.
    fn slow_down(&self, passed: Passed, began: Instant) -> Result<()> {
        let Some(rate) = self.touches_per_second else { return Ok(()) };
        let rows = passed.touches.saturating_add(passed.grown);
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let due = Duration::from_secs_f64(f64::from(rows) / f64::from(rate));
        match due.saturating_sub(began.elapsed()) {
            Duration::ZERO => Ok(()),
            early => self.setting.stop.wait(early),
        }
    }
}
