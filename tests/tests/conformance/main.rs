//! HTTP, message by message: requests and answers by their bytes, through every pair of makers, and what the RFCs want of each.
//!
//! ```text
//!   rows ──▶ run ──▶ caller ──▶ responder ═══ initiator ──▶ service
//!              │                                              │
//!              └────────────── table ◀── what each saw ◀──────┘
//! ```

mod caller;
mod pair;
mod row;
mod rows;
mod run;
mod service;
mod table;

use std::collections::BTreeMap;
use std::{env, thread};

use self::pair::{Makers, Pair};
use self::row::Row;
use self::table::Outcomes;

/// How many rows there are at least.
const ROWS: usize = 150;

/// So many pairs of the same makers share the rows: most of the time is waited.
const SHARES: usize = 3;

#[test]
fn every_message_becomes_what_the_rfcs_want() {
    let rows = rows::all();
    assert!(rows.len() >= ROWS, "{} rows", rows.len());
    let only = env::var("REVTUN_ROWS").ok();
    let rows: Vec<Row> =
        rows.into_iter().filter(|row| only.as_ref().is_none_or(|only| row.name.contains(only))).collect();
    let mut running = Vec::new();
    for makers in Makers::ALL {
        let shares = (0..SHARES).map(|first| rows.iter().skip(first).step_by(SHARES).cloned().collect::<Vec<_>>());
        let shares: Vec<_> = shares.map(|rows| thread::spawn(move || run_all(makers, &rows))).collect();
        running.push((makers, shares));
    }
    let mut outcomes = BTreeMap::new();
    for (makers, shares) in running {
        let shares: Vec<_> = shares.into_iter().filter_map(|share| share.join().expect("no panic")).collect();
        if shares.len() == SHARES {
            outcomes.insert(makers, in_order_of_rows(shares));
        }
    }
    if only.is_some() {
        for (makers, outcomes) in &outcomes {
            for (row, outcome) in rows.iter().zip(outcomes) {
                eprintln!(
                    "{}: {} ({:?}): {}",
                    makers.name(),
                    row.name,
                    row.ask.version,
                    outcome.as_deref().unwrap_or("as it should be")
                );
            }
        }
        panic!("only some of the rows were run, which proves nothing");
    }
    if outcomes.len() == Makers::ALL.len() {
        table::compare(&rows, &outcomes);
    }
}

#[test]
fn no_two_rows_have_the_same_name() {
    let mut names: Vec<_> =
        rows::all().into_iter().map(|row| (row.name, row.ask.version == row::Version::Http2)).collect();
    names.sort();
    for pair in names.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
}

/// The outcomes of the rows that were dealt out in turn.
fn in_order_of_rows(shares: Vec<Outcomes>) -> Outcomes {
    let count = shares.iter().map(Vec::len).sum();
    let mut shares: Vec<_> = shares.into_iter().map(Vec::into_iter).collect();
    let in_turn = (0..SHARES).cycle().take(count);
    in_turn.map(|share| shares[share].next().expect("rows are dealt out in turn")).collect()
}

/// Runs all rows through one pair; none where Envoy cannot be had.
fn run_all(makers: Makers, rows: &[Row]) -> Option<Outcomes> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut pair = Pair::start(makers).await?;
        let mut outcomes = Vec::new();
        for row in rows {
            outcomes.push(run::run(&mut pair, row).await);
        }
        Some(outcomes)
    })
}
