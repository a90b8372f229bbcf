//! How much of the source is looked at, as the command line says it.

use crate::config::{Census, Pipeline};
use clap::{Args, ValueEnum};

/// Commands that take a census have it.
#[derive(Debug, Clone, Args)]
pub(super) struct CensusArgument {
    /// How much of the source is looked at before types are chosen [default: what the pipeline file says, else full]
    #[arg(long, value_enum)]
    census: Option<CensusWord>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CensusWord {
    /// Every value
    Full,
    /// A part of each large table; values that do not fit what it shows are found at load, and end the run with 65
    Sample,
}

impl CensusArgument {
    /// What is said here goes before what the pipeline file says.
    pub(super) fn decide(&self, pipeline: &mut Pipeline) {
        pipeline.source.census = match self.census {
            Some(CensusWord::Full) => Census::Full,
            Some(CensusWord::Sample) => Census::Sample,
            None => pipeline.source.census,
        };
    }
}
