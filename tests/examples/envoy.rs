//! Prints where the Envoy executable is, for scripts; fetches it first if need be.

use std::process::ExitCode;

fn main() -> ExitCode {
    match revtun_tests::envoy::executable() {
        Some(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        // Why was said already.
        None => ExitCode::FAILURE,
    }
}
