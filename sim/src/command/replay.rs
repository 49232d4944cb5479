//! `revtun-sim replay`.

use std::fmt::Write as _;
use std::process::ExitCode;

use revtun_sim::journals::Journals;
use revtun_sim::plan::Cuts;
use revtun_sim::region::Outcome;
use revtun_sim::report;

use crate::cli::ReplayArgs;

pub(crate) fn replay(args: &ReplayArgs) -> ExitCode {
    let cuts = Cuts { keep: args.keep.clone(), calm: args.calm, ..args.shape.cuts() };
    let plan = args.scenario.plan(args.seed, &cuts);
    let journals = args.journal.as_ref().map(|folder| Journals::within(folder, &format!("seed-{}", args.seed)));
    let outcome = args.scenario.play(args.seed, &cuts, journals.as_ref());
    if let Some(journals) = journals {
        journals.finish();
    }
    let text = log(&outcome);
    let drawn = args.report.as_ref().map_or(Ok(()), |file| {
        let alone = file.extension().is_some_and(|extension| extension == "svg");
        std::fs::write(file, if alone { report::picture(&plan, &outcome) } else { report::page(&plan, &outcome) })
    });
    let written = match &args.log {
        None if args.report.is_some() => Ok(()),
        None => {
            print!("{plan}{text}");
            Ok(())
        }
        Some(file) => std::fs::write(file, format!("{plan}{text}")),
    };
    if let Err(error) = drawn.and(written) {
        eprintln!("cannot write: {error}");
        return ExitCode::FAILURE;
    }
    match outcome.failure {
        None => {
            println!("everything holds");
            ExitCode::SUCCESS
        }
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// What happened, a line each.
fn log(outcome: &Outcome) -> String {
    let mut text = String::new();
    for (at, fact) in &outcome.facts {
        writeln!(text, "{:>10.4} {fact}", at.as_secs_f64()).expect("a string takes it");
    }
    writeln!(text, "{:?}, digest {:016x}", outcome.toll, outcome.packets).expect("a string takes it");
    text
}
