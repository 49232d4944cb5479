//! What an operator may set: from a TOML file, and by flags on top of it.
//!
//! Every setting is declared once, in the table of its end: key, type, range, flag, one sentence, and the place that it
//! changes. The reader of files, the flags, the environment variables, `--help`, `revtun config` and the reference are made
//! from that. Defaults are those of the machines' own configurations. [`Settings::parse`] notes every mistake, not only the
//! first.

mod bounds;
mod declared;
mod diagnostic;
pub mod duration;
mod endpoint;
mod files;
mod in_force;
mod initiator;
mod listeners;
mod log;
mod names;
mod process;
mod reference;
mod responder;
mod section;
mod setting;
mod settings;
mod sources;
mod tls;
mod token;

pub use declared::{Declared, DeclaredGroup, declared, declared_log, declared_routes};
pub use diagnostic::{ConfigError, Diagnostic, Origin, Source};
pub use endpoint::{ServiceUrl, Target};
pub use in_force::in_force;
pub use initiator::{ForwardPlan, InitiatorSettings, Listener, RouteSettings, ServicePlan, ServiceSettings};
pub use log::{LogFormat, LogSettings};
pub use process::ProcessSettings;
pub use reference::{example, reference};
pub use responder::ResponderSettings;
pub use setting::Takes;
pub use settings::Settings;
pub use sources::{End, Sources, override_by, variable_of};
pub use tls::{ClientTlsSettings, ServerTlsSettings};
pub use token::TokenSettings;
