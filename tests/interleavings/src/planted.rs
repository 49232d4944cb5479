//! Races put into copies of the files that ship: what the models are worth.

/// One race.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// Its name.
    pub name: &'static str,
    /// The file that it is put into, below `runtime/src/responder`.
    pub file: &'static str,
    /// What stands there, exactly once.
    pub right: &'static str,
    /// What is put in its place.
    pub wrong: &'static str,
    /// The model that has to find it, and what it has to say; `loom` or `shuttle` first.
    pub found_by: (&'static str, &'static str, &'static str),
}

/// All of them.
pub const RACES: [Race; 6] = [
    // A caller is put where its answer finds it only after the answer may have come.
    Race {
        name: "waits_too_late",
        file: "shared.rs",
        right: "            state.waiting.insert(stream, answer);\n            Opening::Waiting(Waiting::new(Arc::clone(self), stream, answered))\n        };\n        self.obey(state, effects);\n        opening",
        wrong: "            self.obey(state, effects);\n            self.lock().waiting.insert(stream, answer);\n            return Opening::Waiting(Waiting::new(Arc::clone(self), stream, answered));\n        };\n        self.obey(state, effects);\n        opening",
        found_by: ("loom", "no_wake_up_is_lost", "deadlock"),
    },
    // An answer that meets nobody is forgotten together with the tunnel in it.
    Race {
        name: "answer_forgotten",
        file: "shared.rs",
        right: "drop(waiting.send(answer))",
        wrong: "std::mem::forget(waiting.send(answer))",
        found_by: ("loom", "a_waiter_that_leaves_gives_its_tunnel_back", "never given back"),
    },
    // The lock is given back between the decision and the look at what it is about.
    Race {
        name: "looked_up_too_late",
        file: "shared.rs",
        right: "        let first = effects.iter().next().expect(\"the machine answers each caller at once\");\n",
        wrong: "        let first = effects.iter().next().expect(\"the machine answers each caller at once\");\n        drop(state);\n        let mut state = self.lock();\n",
        found_by: ("loom", "a_tunnel_that_closes_is_not_given_again", "assigns only tunnels that it has"),
    },
    // A new tunnel is seated after others could hear of it.
    Race {
        name: "seated_too_late",
        file: "shared.rs",
        right: "            state.seat(tunnel, Arc::clone(link));\n        }\n        self.obey(state, effects);\n        answer",
        wrong: "            self.obey(state, effects);\n            self.lock().seat(tunnel, Arc::clone(link));\n            return answer;\n        }\n        self.obey(state, effects);\n        answer",
        found_by: ("loom", "a_connection_is_reached_from_its_first_moment", "deadlock"),
    },
    // Look, then act.
    Race {
        name: "asked_twice",
        file: "link.rs",
        right: "        if !self.asked.swap(true, Ordering::Relaxed) {\n",
        wrong: "        if !self.asked.load(Ordering::Relaxed) {\n            self.asked.store(true, Ordering::Relaxed);\n",
        found_by: ("loom", "a_tunnel_is_started_once", "started twice"),
    },
    // A tunnel's place is kept by its number alone, so a late end takes the next one's.
    Race {
        name: "wrong_place_cleared",
        file: "shared.rs",
        right: "seat.take_if(|(seated, _)| *seated == tunnel)",
        wrong: "seat.take_if(|_| true)",
        found_by: ("shuttle", "random_orders_of_whole_lives", "assigns only tunnels that it has"),
    },
];
