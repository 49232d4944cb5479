//! The settings of a process, whichever end it runs: they stand in the table of that end.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::bounds::{DRAIN_GRACE, MAX_THREADS};
use super::names::parse_hosts;
use super::section::Zero::IsOff;
use super::setting::{Access, Setting};

/// What an operator may set of a process, whichever end it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Where operators and monitoring ask.
    pub admin_listen: SocketAddr,
    /// The names by which the admin listener may be asked, beside `localhost` and IP addresses.
    pub admin_hosts: Vec<String>,
    /// Whether the admin listener may be reached from other machines.
    pub allow_unauthenticated_admin: bool,
    /// Worker threads; none means one per processor. The number of tunnels does not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// How long everything is served as before after SIGTERM, while `/readyz` says 503.
    pub shutdown_delay: Duration,
    /// How long requests may go on after SIGTERM.
    pub drain_grace: Duration,
    /// Where every step of the machines is written to, for `revtun replay`.
    pub journal: Option<PathBuf>,
}

impl ProcessSettings {
    /// The defaults, with the admin listener at this port of the loopback interface.
    pub(super) const fn at(admin_port: u16) -> Self {
        Self {
            admin_listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), admin_port),
            admin_hosts: Vec::new(),
            allow_unauthenticated_admin: false,
            threads: None,
            shutdown_delay: Duration::ZERO,
            drain_grace: DRAIN_GRACE,
            journal: None,
        }
    }
}

/// The settings of an end, those of its process among them.
pub(super) trait EndSettings: 'static {
    fn process(&self) -> &ProcessSettings;

    fn process_mut(&mut self) -> &mut ProcessSettings;
}

/// The declarations for the end with the settings `S`.
pub(super) struct Process<S>(PhantomData<S>);

impl<S: EndSettings> Process<S> {
    pub(super) const ADMIN: &[Setting<S>] = &[
        Setting::flag(
            "admin_listen",
            Access::Listen(|s| &mut s.process_mut().admin_listen),
            "Address of the admin listener, with /healthz, /readyz, /tunnels, /metrics and /drain, without authentication",
        ),
        Setting::new(
            "admin_hosts",
            Access::Text {
                value_name: "NAME,...",
                example: "revtun.monitoring.example.com",
                read: |s: &mut S, text| parse_hosts(text).map(|hosts| s.process_mut().admin_hosts = hosts),
                show: |s| Some(s.process().admin_hosts.join(",")).filter(|hosts| !hosts.is_empty()),
            },
            "Names by which the admin listener may be asked, in the host header of a request, beside IP addresses and localhost",
        )
        .or("none"),
        Setting::flag(
            "allow_unauthenticated_admin",
            Access::Switch(|s| &mut s.process_mut().allow_unauthenticated_admin),
            "Let other machines reach the admin listener, because something else keeps strangers from it: it shows identities and drains for whoever asks",
        ),
    ];

    pub(super) const PROCESS: &[Setting<S>] = &[
        Setting::flag(
            "threads",
            Access::Count {
                range: 1..=MAX_THREADS,
                example: 4,
                set: |s: &mut S, number| s.process_mut().threads = NonZeroUsize::new(number as usize),
                get: |s| s.process().threads.and_then(|threads| u32::try_from(threads.get()).ok()),
            },
            "Worker threads; the number of tunnels does not depend on it",
        )
        .or("one per processor"),
        Setting::flag(
            "shutdown_delay",
            Access::Duration(IsOff, |s| &mut s.process_mut().shutdown_delay),
            "How long everything is served as before after SIGTERM or SIGINT, while /readyz answers 503 so that load balancers notice; the drain begins then",
        ),
        Setting::flag(
            "drain_grace",
            Access::Duration(IsOff, |s| &mut s.process_mut().drain_grace),
            "How long requests may continue after SIGTERM or SIGINT",
        ),
        Setting::flag(
            "journal",
            Access::File { what: "file", example: "steps.journal", slot: |s| &mut s.process_mut().journal },
            "File to which every step of the machine is written, in place of what is there; see revtun replay. An initiator's machine of the second address writes to FILE.2, and so on",
        ),
    ];
}
