//! Journals that somebody sends for inspection: read and replayed without harm, whatever is in them.

use revtun_core::initiator::{self, Initiator};
use revtun_core::journal::{Header, Journaled, Line, replay};
use revtun_core::responder::{self, Responder};

/// A journal, header first; or a journal without one.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for line in text.lines() {
        match Line::parse(line) {
            Ok(parsed) => assert_eq!(Line::parse(&parsed.to_string()).as_ref(), Ok(&parsed), "{line:?}"),
            Err(malformed) => assert!(!malformed.to_string().contains(char::is_control), "one clear line"),
        }
    }
    match Header::parse(text.lines().next().unwrap_or("")) {
        Ok(header) => {
            assert_eq!(Header::parse(&header.to_string()), Ok(header.clone()));
            if let Some(machine) = header.machine::<Initiator>() {
                take(machine, text);
            } else if let Some(machine) = header.machine::<Responder>() {
                take(machine, text);
            }
        }
        Err(_) => {
            take(Initiator::new(initiator::Config::default()), text);
            take(Responder::new(responder::Config::default()), text);
        }
    }
}

fn take<M: Journaled>(mut machine: M, text: &str) {
    if let Err(fault) = replay(&mut machine, text) {
        assert!(fault.line >= 1 && fault.line <= text.lines().count());
        assert!(!fault.to_string().contains(char::is_control), "one clear line: {fault}");
    }
    machine.check();
}
