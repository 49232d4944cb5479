//! What has to hold in every state of both machines together, by the names that `spec/README.md` has for it. What a
//! step has to keep is asserted where the step is taken.

use revtun_core::handshake::Instance;
use revtun_core::{Machine, TunnelId};

use crate::stages::{STAYING, Stages, UP, is_member};
use crate::system::{At, System};
use crate::wire::{Line, Party, Way, Word};

/// Both ends of one line.
struct Ends<'a> {
    line: &'a Line,
    here: &'static str,
    there: &'static str,
}

impl System {
    /// # Panics
    /// If a promise is broken.
    pub(crate) fn check_promises(&self) {
        for (_, machine) in self.initiators() {
            machine.check();
        }
        self.responder.check();
        let stages = Stages::of(self);
        let ends = || {
            self.lines.iter().zip(&stages.here).zip(&stages.there).map(|((line, here), there)| Ends {
                line,
                here,
                there,
            })
        };
        for end in ends() {
            end.check();
        }
        for (party, _) in self.initiators() {
            let up = ends().filter(|end| end.line.by.party == party && UP.contains(&end.here)).count();
            assert!(up <= usize::from(self.scope.count), "TargetBound");
        }
        if !self.running {
            let counts = self.responder.counts();
            assert_eq!(
                (counts.tunnels, counts.handshakes, counts.waiting, self.waiting.len()),
                (0, 0, 0, 0),
                "DownIsEmpty"
            );
            assert!(ends().all(|end| end.there == "none"), "DownIsEmpty");
        }
        self.check_names();
        self.check_callers(&stages);
        self.check_counts(&stages);
    }

    /// FailClosed: a tunnel is registered under the name of the process that dialled it, and no other.
    fn check_names(&self) {
        let spec_state = self.responder.spec_state();
        for tunnel in &spec_state.tunnels {
            let by = self.lines[self.line_there(tunnel.id)].by;
            let Some((who, process)) = tunnel.peer else { continue };
            let (tenant, node, cluster) = self.name_of(by.party);
            assert_eq!(
                (who.tenant.as_str(), who.node.as_str(), who.cluster.as_str()),
                (tenant, node, cluster),
                "FailClosed"
            );
            assert_eq!(process, Some(Instance(by.number.into())), "FailClosed");
            // SupersededGetNoWork: what can be found belongs to the process that is known as the newest, or to any of
            // those that turned out to live at the same time.
            let known =
                spec_state.nodes.iter().find(|it| (it.tenant, it.name) == (tenant, node)).expect("it has a tunnel");
            assert!(!tunnel.listed || known.contended || known.current == process, "SupersededGetNoWork");
        }
    }

    /// TenantIsolation, from the caller to the process that gets the request, and OneHolder.
    fn check_callers(&self, stages: &Stages) {
        let carriers: Vec<(usize, TunnelId)> = (0..)
            .zip(&self.at)
            .filter_map(|(caller, at)| if let At::Carried(tunnel) = at { Some((caller, *tunnel)) } else { None })
            .collect();
        for (caller, tunnel) in &carriers {
            let index = self.line_there(*tunnel);
            let line = &self.lines[index];
            let (tenant, node, _) = self.scope.callers[*caller];
            let name = self.name_of(line.by.party);
            assert_eq!((name.0, name.1), (tenant, node), "TenantIsolation");
            assert_eq!((line.prefaces, line.verdict), (1, Some(true)), "OneHolder");
            assert!(!matches!(stages.here[index], "dialing"), "UpMeansHandshaken");
        }
        assert_eq!(self.responder.counts().streams as usize, carriers.len(), "GaugesAgree");
    }

    /// Where nothing is under way, is cut or about to be told, both ends count the same tunnels, at most the target.
    fn check_counts(&self, stages: &Stages) {
        let quiet = self.lines.iter().all(Line::is_quiet) && !stages.there.contains(&"retiring");
        if !quiet {
            return;
        }
        for (party, _) in self.initiators() {
            let of = |at: &[&'static str], good: &[&str]| {
                self.lines.iter().zip(at).filter(|(line, stage)| line.by.party == party && good.contains(stage)).count()
            };
            let (up, registered) = (of(&stages.here, &UP), of(&stages.there, &STAYING));
            assert_eq!(up, registered, "RegistryConverges");
            assert!(registered <= usize::from(self.scope.count), "TargetBound");
        }
    }

    /// Exactly the target is up at both ends, can be found there, and nobody waits: L1 and L2.
    pub(crate) fn has_reached_its_target(&self) -> bool {
        let stages = Stages::of(self);
        let whole = |index: usize| {
            UP.contains(&stages.here[index])
                && STAYING.contains(&stages.there[index])
                && !self.lines[index].is_severed()
        };
        let reached = |party: Party| {
            let of_party = || (0..self.lines.len()).filter(|index| self.lines[*index].by.party == party);
            let count = usize::from(self.scope.count);
            of_party().all(whole) && of_party().count() == count
        };
        self.waiting.is_empty() && self.running && self.initiators().all(|(party, _)| reached(party))
    }
}

impl Ends<'_> {
    fn check(&self) {
        let Self { line, here, there } = self;
        assert!(!UP.contains(here) || line.verdict == Some(true), "UpMeansHandshaken");
        assert!(line.prefaces <= 1, "OneHolder");
        if line.verdict == Some(false) {
            let pending = ["none", "dialing", "handshaking"];
            assert!(["rejected", "none"].contains(there) && pending.contains(here), "RejectIsFinal");
        }
        let count = |way, wanted| line.words(way).iter().filter(|word| **word == wanted).count();
        let pings = count(Way::Down, Word::Ping) + count(Way::Up, Word::Echo);
        assert!(pings <= 1, "PingExact");
        assert!(pings == 0 || !["settling", "resting"].contains(there), "PingExact");
        assert!(line.words(Way::Up).len() <= 4 && line.words(Way::Down).len() <= 5, "what is under way is bounded");
        // Whoever said the last word has gone, and nothing is said behind it.
        for (way, stage) in [(Way::Up, here), (Way::Down, there)] {
            let end = line.words(way).iter().position(|word| *word == Word::Fin);
            let is_last = end.is_none_or(|end| end + 1 == line.words(way).len());
            assert!(is_last && (end.is_none() || ["none", "rejected"].contains(stage)), "NoUseAfterClose");
        }
        if line.is_quiet() {
            self.agree();
        }
    }

    /// With nothing under way each end knows what the other does.
    fn agree(&self) {
        let Self { here, there, .. } = self;
        let agree = match *here {
            "dialing" => ["none", "handshaking"].contains(there),
            "draining" => ["draining", "parting"].contains(there),
            _ if UP.contains(here) => is_member(there) && !["draining", "parting"].contains(there),
            _ => false,
        };
        assert!(agree, "RegistryConverges: {here} here and {there} there, with nothing under way");
    }
}
