//! The liteferry program: parse, run, say what went wrong, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    liteferry::cli::main()
}
