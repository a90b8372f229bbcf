//! Every crash is resumed by the same command, and nothing is loaded twice.
//!
//! A run is killed, stopped or interrupted at named steps and at random instants, and its server is restarted, killed
//! or cut off under it. Whatever happened, at the end the same command ends with 0, source and target are equal by the
//! independent comparison, and the ledger says of every row once where it came from.

mod changes;
mod interrupts;
pub(crate) mod kills;
mod outages;
mod process;
pub(crate) mod proxy;
mod stage;
mod zombies;
