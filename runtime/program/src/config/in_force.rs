//! What `revtun config` prints: every setting with its value and where that came from, as a file that says the same.

use super::diagnostic::{Origin, Source};
use super::initiator::{InitiatorSettings, Listener, RouteSettings};
use super::setting::{Declaration, Group, quoted};
use super::settings::Settings;
use super::sources::End;
use super::{initiator, log, responder};

/// The column of the origins, where lines are short enough.
const ORIGINS_AT: usize = 56;

/// Every setting of the log and of `ends`, a line each: `responder.threads = 4`, and behind a `#` where that came from.
/// A setting without a value, or whose value follows from another setting, is a comment. So all of it is a file with
/// the same meaning, for a process that is started in this folder.
#[must_use]
pub fn in_force(settings: &Settings, ends: &[End], source: Option<Source<'_>>) -> String {
    let mut page = Page { settings, source, text: String::new() };
    page.write(&log::DECLARATION, &settings.log);
    for end in ends {
        match end {
            End::Responder => {
                page.write(&responder::table::DECLARATION, &settings.responder.clone().unwrap_or_default());
            }
            End::Initiator => {
                let initiator = settings.initiator.clone().unwrap_or_default();
                page.write(&initiator::table::DECLARATION, &initiator);
                page.write_addresses(&initiator);
            }
        }
    }
    page.text
}

struct Page<'a> {
    settings: &'a Settings,
    source: Option<Source<'a>>,
    text: String,
}

impl Page<'_> {
    fn write<S: Clone>(&mut self, declaration: &Declaration<S>, settings: &S) {
        for group in declaration.groups {
            self.write_group(declaration, group, settings);
        }
    }

    fn write_group<S: Clone>(&mut self, declaration: &Declaration<S>, group: &Group<S>, settings: &S) {
        let is_there = group.is_there(settings);
        if group.presence.is_some() && is_there {
            let table = format!("{}.{}", declaration.name, group.table);
            let origin = self.settings.origin(&table);
            if origin != Origin::Absent {
                self.line(&format!("# {table}"), &origin.describe(self.source));
            }
        }
        for setting in group.settings.iter().filter(|setting| setting.is_in_file()) {
            let name = format!("{}.{}", declaration.name, group.dotted(setting.key));
            let origin = self.settings.origin(&name);
            // A slot may put a table there, which must not show.
            let value = is_there.then(|| setting.show(&mut settings.clone())).flatten();
            match value {
                None if is_there => self.line(&format!("# {name}"), &format!("default: {}", setting.absent)),
                None => self.line(&format!("# {name}"), &format!("default: no {}", group.table)),
                Some(value) if matches!(origin, Origin::Follows(_)) => {
                    self.line(&format!("# {name} = {value}"), &origin.describe(self.source));
                }
                Some(value) => self.line(&format!("{name} = {value}"), &origin.describe(self.source)),
            }
        }
    }

    /// The tables whose keys are of the operator's choice.
    fn write_addresses(&mut self, initiator: &InitiatorSettings) {
        for (name, endpoints) in &initiator.upstreams {
            let origin = self.settings.origin(&format!("initiator.upstreams.{name}")).describe(self.source);
            let endpoints: Vec<_> = endpoints.iter().map(|endpoint| quoted(&endpoint.to_string())).collect();
            self.line(&format!("initiator.upstreams.{} = [{}]", key(name), endpoints.join(", ")), &origin);
        }
        for (name, service) in &initiator.services {
            let origin = service.origin.describe(self.source);
            for (key, value) in service.written() {
                self.line(&format!("initiator.services.{name}.{key} = {value}"), &origin);
            }
        }
        if initiator.listeners.is_empty() {
            return;
        }
        self.text += "initiator.listener = [\n";
        for Listener { address, forward, routes, origin, forward_origin } in &initiator.listeners {
            let forward = forward.as_ref().map(|service| format!("forward = {}", quoted(&service.to_string())));
            let routes: Vec<_> = routes.iter().map(RouteSettings::inline).collect();
            let routes = (!routes.is_empty()).then(|| format!("route = [{}]", routes.join(", ")));
            let keys = [Some(format!("address = {}", quoted(&address.to_string()))), forward.clone(), routes];
            let line = format!("  {{ {} }},", keys.into_iter().flatten().collect::<Vec<_>>().join(", "));
            let mut told = origin.describe(self.source);
            if forward.is_some() && forward_origin != origin {
                told += &format!(", forward: {}", forward_origin.describe(self.source));
            }
            self.line(&line, &told);
        }
        self.text += "]\n";
    }

    fn line(&mut self, line: &str, origin: &str) {
        // The path of a file may hold anything; a comment ends with its line.
        let origin = origin.replace(char::is_control, "\u{fffd}");
        self.text += &format!("{line:<ORIGINS_AT$}  # {origin}\n");
    }
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}
