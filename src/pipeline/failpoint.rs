//! Named steps of the path at which a test can make the process die or stand still.
//!
//! `LITEFERRY_FAIL=chunk-claimed:3=kill` kills the process, as `kill -9` would, when a chunk is claimed for the third
//! time; `=stop` says so on stderr and stands still until SIGCONT; without `:3` it is the first time; `any` counts every
//! step. Only builds with debug assertions know how: in others [`reach`] is nothing, and the variable is refused.

use crate::error::{Class, Error, Result};
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::SIGCONT;
use signal_hook::iterator::Signals;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The environment variable.
pub const VARIABLE: &str = "LITEFERRY_FAIL";

macro_rules! steps {
    ($($(#[$meta:meta])* $step:ident = $name:literal,)*) => {
        /// A step of the path.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Step {
            $($(#[$meta])* $step,)*
        }

        impl Step {
            /// Every step, in about the order in which a run comes to them.
            pub const ALL: &'static [Self] = &[$(Self::$step),*];

            /// Its name in the variable.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)*
                }
            }
        }
    };
}

steps! {
    /// A part of the census has passed.
    CensusPassing = "census-passing",
    /// Every value was looked at, and the plan is made.
    CensusTaken = "census-taken",
    /// The plan is in the ledger, not committed.
    PlanWritten = "plan-written",
    /// The plan is in the ledger.
    PlanBegun = "plan-begun",
    /// The run has the lease.
    LeaseTaken = "lease-taken",
    /// The run is in the ledger.
    RunNoted = "run-noted",
    /// Tables whose columns are widened are made anew, not committed.
    AnewMade = "anew-made",
    /// Tables whose columns are widened are there anew, and empty.
    AnewCommitted = "anew-committed",
    /// Tables that the user has taken anew are empty, not committed.
    RetakenMade = "retaken-made",
    /// Tables that the user has taken anew are empty.
    RetakenCommitted = "retaken-committed",
    /// Tables that exist are locked.
    ExistingLocked = "existing-locked",
    /// What stands in the way of the load is put aside, not committed.
    ExistingCleared = "existing-cleared",
    /// Tables that exist are ready for the load.
    ExistingReady = "existing-ready",
    /// The tables are created, not committed.
    TablesMade = "tables-made",
    /// The tables are there.
    TablesCommitted = "tables-committed",
    /// Nobody else can write to the tables; nothing is committed.
    GuardRaised = "guard-raised",
    /// How the changelog is taken out of the source again is in the ledger.
    RemovalNoted = "removal-noted",
    /// The changelog is in the source, and the ledger does not know.
    ChangelogInstalled = "changelog-installed",
    /// A worker takes its next chunk.
    ChunkNext = "chunk-next",
    /// The chunk's row is in the ledger, without its sums.
    ChunkClaimed = "chunk-claimed",
    /// The server waits for rows.
    CopyBegun = "copy-begun",
    /// A piece of a chunk is read in its state, which is let go.
    PieceRead = "piece-read",
    /// A piece of rows is sent.
    PieceSent = "piece-sent",
    /// A file of the archive is in its place; nothing names it.
    FilePut = "file-put",
    /// A file of a copied archive is in its place; nothing there names it.
    FileCopied = "file-copied",
    /// The manifest of a copied generation is in its place; nothing points to it.
    ManifestCopied = "manifest-copied",
    /// The server has taken all rows.
    CopyEnded = "copy-ended",
    /// The chunk's row in the ledger has its sums; nothing is committed.
    ChunkCompleted = "chunk-completed",
    /// The chunk is there; nobody knows yet.
    ChunkCommitted = "chunk-committed",
    /// Constraints that late rows may break are put aside, not committed.
    ConstraintsAside = "constraints-aside",
    /// Constraints that late rows may break are aside.
    ConstraintsGone = "constraints-gone",
    /// Rows that were set aside are loaded after all; nothing is committed.
    RejectsLoaded = "rejects-loaded",
    /// A phase is noted as reached.
    PhaseNoted = "phase-noted",
    /// A key, an index or a check is made, not committed.
    KeyMade = "key-made",
    /// A key, an index or a check is there.
    KeyCommitted = "key-committed",
    /// A constraint is checked against the rows, not committed.
    Checked = "checked",
    /// A check's outcome is noted.
    CheckNoted = "check-noted",
    /// A sequence is set, not noted.
    SequenceSet = "sequence-set",
    /// A sequence is noted as set.
    SequenceNoted = "sequence-noted",
    /// A table is vacuumed, not noted.
    Vacuumed = "vacuumed",
    /// A table is noted as vacuumed.
    VacuumNoted = "vacuum-noted",
    /// A foreign key is added, not committed.
    ForeignKeyMade = "foreign-key-made",
    /// A foreign key is there.
    ForeignKeyCommitted = "foreign-key-committed",
    /// A trigger fires again, not committed.
    TriggerEnabled = "trigger-enabled",
    /// A trigger fires again.
    TriggerCommitted = "trigger-committed",
    /// What changed is applied, the position is not noted, and nothing is committed.
    DeltaApplied = "delta-applied",
    /// The position is noted, not committed.
    PositionNoted = "position-noted",
    /// What changed is there; nobody knows yet.
    PassCommitted = "pass-committed",
    /// The source's log has a new nonce, and the ledger does not know it.
    LogSealed = "log-sealed",
    /// The ledger knows the log's new nonce.
    SealNoted = "seal-noted",
    /// What was read is taken out of the log.
    LogPurged = "log-purged",
    /// All files of a generation are in the archive; nothing names them.
    FilesReady = "files-ready",
    /// A generation is published; the ledger does not know.
    GenerationPublished = "generation-published",
    /// The ledger knows that a generation names what waited for it.
    GenerationNoted = "generation-noted",
    /// A part of the rows is in a SQLite file that is restored.
    PartWritten = "part-written",
    /// All rows are in a SQLite file that is restored.
    FileFilled = "file-filled",
    /// A SQLite file that is restored has its indexes too; it is not proved and has no name yet.
    FileIndexed = "file-indexed",
    /// A SQLite file is restored.
    FileNamed = "file-named",
    /// A target that was restored is brought forward to a later generation, not committed.
    ForwardApplied = "forward-applied",
    /// A target is at a later generation; nobody has looked at it yet.
    ForwardCommitted = "forward-committed",
    /// The proof begins.
    ProofBegun = "proof-begun",
    /// A part of a source that moves is compared, and it is noted if it is equal.
    PartProved = "part-proved",
    /// A part of the target is read back.
    PortionRead = "portion-read",
    /// A chunk that has no steps behind it any more is in the archive.
    ChunkCompacted = "chunk-compacted",
    /// All such chunks are read back; no generation names them.
    CompactionProved = "compaction-proved",
    /// A generation without steps is in the archive.
    CompactionPublished = "compaction-published",
    /// It is known what is pruned, and nothing of it is gone.
    PruningBegun = "pruning-begun",
    /// The manifest of a generation that is pruned is gone, or what named a backup.
    ManifestPruned = "manifest-pruned",
    /// A file that nothing names is pruned.
    FilePruned = "file-pruned",
    /// A piece of a backup is about to be moved.
    BackupMoved = "backup-moved",
    /// What is backed up is known to be whole.
    BackupProved = "backup-proved",
    /// A backup is in the archive; nothing names it.
    BackupPut = "backup-put",
    /// A backup is in the archive under its name.
    BackupNamed = "backup-named",
    /// A backup is unpacked beside the place where it shall be.
    BackupUnpacked = "backup-unpacked",
    /// A backup is restored.
    BackupRestored = "backup-restored",
    /// Everything is done, and the run's end is not noted.
    EndReached = "end-reached",
    /// The run's end is noted.
    EndNoted = "end-noted",
}

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    Stop,
}

/// A fault that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    /// Where; none is everywhere.
    step: Option<Step>,
    /// The how manieth time, from 1.
    time: u64,
    blow: Blow,
}

static FAULT: OnceLock<Fault> = OnceLock::new();
static REACHED: AtomicU64 = AtomicU64::new(0);

/// Reads the variable, once, when the process starts.
///
/// # Errors
///
/// [`Class::Usage`] where the variable says something else than it can, or where this build knows no faults.
pub fn arm() -> Result<()> {
    let Some(setting) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let refused = |why: &str| Error::new(Class::Usage, format!("{VARIABLE}: {why}"));
    if !cfg!(debug_assertions) {
        return Err(refused("this build knows no faults"));
    }
    let fault = setting.to_str().and_then(Fault::parse);
    let fault = fault.ok_or_else(|| {
        refused("cannot be understood")
            .todo("write STEP=kill, STEP:N=kill, STEP=stop or STEP:N=stop")
    })?;
    FAULT.set(fault).map_err(|_armed| Error::internal("a fault was asked for twice"))
}

/// Says that the path has come to a step.
#[inline]
pub fn reach(step: Step) {
    if cfg!(debug_assertions)
        && let Some(fault) = FAULT.get()
    {
        fault.pass(step);
    }
}

impl Fault {
    fn parse(setting: &str) -> Option<Self> {
        let (place, blow) = setting.split_once('=')?;
        let (name, time) = place.split_once(':').unwrap_or((place, "1"));
        let step = match name {
            "any" => None,
            name => Some(*Step::ALL.iter().find(|step| step.name() == name)?),
        };
        let blow = match blow {
            "kill" => Blow::Kill,
            "stop" => Blow::Stop,
            _ => return None,
        };
        let time = time.parse().ok().filter(|&time| time > 0)?;
        Some(Self { step, time, blow })
    }

    fn pass(self, step: Step) {
        if self.step.is_some_and(|own| own != step)
            || REACHED.fetch_add(1, Ordering::SeqCst) + 1 != self.time
        {
            return;
        }
        // Whoever does not read this sees the process itself stand still or die.
        let _nobody_listens = writeln!(std::io::stderr(), "{VARIABLE}: {}", step.name());
        match self.blow {
            Blow::Kill => strike(Signal::KILL),
            Blow::Stop => stand_still(),
        }
    }
}

/// The signal stops the process by whichever of its threads: this one takes no further step until it goes on.
fn stand_still() {
    let continued = Signals::new([SIGCONT]);
    strike(Signal::STOP);
    if let Ok(mut continued) = continued {
        continued.forever().next();
    }
}

fn strike(signal: Signal) {
    let struck = kill_process(getpid(), signal);
    debug_assert!(struck.is_ok(), "a process may signal itself");
}

#[cfg(test)]
mod tests {
    use super::{Blow, Fault, Step};

    #[test]
    fn a_fault_says_where_when_and_what() {
        let fault = |step, time, blow| Some(Fault { step, time, blow });
        let claimed = Some(Step::ChunkClaimed);
        assert_eq!(Fault::parse("chunk-claimed=kill"), fault(claimed, 1, Blow::Kill));
        assert_eq!(Fault::parse("chunk-claimed:12=stop"), fault(claimed, 12, Blow::Stop));
        assert_eq!(Fault::parse("any:7=kill"), fault(None, 7, Blow::Kill));
    }

    #[test]
    fn a_fault_that_would_never_strike_is_refused() {
        for setting in [
            "",
            "kill",
            "=kill",
            "chunk-claimed",
            "chunk-claimed=",
            "chunk-claimed=die",
            "chunk-claimed:0=kill",
            "chunk-claimed:=kill",
            "chunk-claimed:-1=kill",
            "chunk-claimd=kill",
            "chunk-claimed =kill",
        ] {
            assert_eq!(Fault::parse(setting), None, "{setting}");
        }
    }

    #[test]
    fn no_two_steps_have_one_name() {
        let mut names: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Step::ALL.len());
        assert!(!names.contains(&"any"));
    }
}
