//! Either end of a tunnel, made by either maker, in a process of its own.

use std::net::SocketAddr;
use std::time::Duration;

use http::request;

pub use crate::dialling::Dialling;

use crate::body;
use crate::client::{Answer, ask, ask_for, get, to_cluster, to_node};
use crate::envoy;
use crate::patience::{SOON, until};
use crate::port::Port;
use crate::process::Process;
use crate::revtun;
use crate::settings::Settings;

/// A request that meets a tunnel just as it comes up may stall between two Envoys (reference §2.4); the next one
/// sets both going.
const ONE_TRY: Duration = Duration::from_secs(2);

/// Who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// This project.
    Revtun,
    /// Envoy 1.40.
    Envoy,
}

/// A responder, on ports that it keeps while it is down.
#[derive(Debug)]
pub struct Responder {
    make: Make,
    tunnel: Port,
    egress: Port,
    admin: Port,
    flags: Vec<String>,
    accepting: envoy::Accepting,
    settings: Option<Settings>,
    descriptors: Option<String>,
    process: Option<Process>,
}

impl Responder {
    /// Starts one that does not keep tenants apart; none where Envoy cannot be had.
    pub async fn start(make: Make) -> Option<Self> {
        match make {
            Make::Revtun => Some(Self::revtun(&["--tenant-isolation", "false"]).await),
            Make::Envoy => {
                envoy::executable()?;
                Some(Self::begin(Make::Envoy, &[]).await)
            }
        }
    }

    /// Starts a revtun responder with `flags`.
    pub async fn revtun(flags: &[&str]) -> Self {
        Self::begin(Make::Revtun, flags).await
    }

    /// Starts a revtun responder that may have `most` file descriptors open.
    pub async fn with_descriptors(most: u32) -> Self {
        let mut responder = Self::new(Make::Revtun, &[]);
        responder.descriptors = Some(format!("-n {most}"));
        responder.start_again().await;
        responder
    }

    /// Starts a revtun responder that may have `soft` file descriptors open, unless it raises that limit.
    pub async fn with_soft_descriptors(soft: u32) -> Self {
        let mut responder = Self::new(Make::Revtun, &[]);
        responder.descriptors = Some(format!("-S -n {soft}"));
        responder.start_again().await;
        responder
    }

    /// Starts a revtun responder with `settings`, the text of a configuration file.
    pub async fn configured(settings: &str) -> Self {
        let settings = Settings::write(settings);
        let mut responder = Self::begin(Make::Revtun, &["--config", settings.path()]).await;
        responder.settings = Some(settings);
        responder
    }

    /// Starts an Envoy; none where it cannot be had.
    pub async fn envoy(accepting: envoy::Accepting) -> Option<Self> {
        envoy::executable()?;
        let mut responder = Self::new(Make::Envoy, &[]);
        responder.accepting = accepting;
        responder.start_again().await;
        Some(responder)
    }

    async fn begin(make: Make, flags: &[&str]) -> Self {
        let mut responder = Self::new(make, flags);
        responder.start_again().await;
        responder
    }

    fn new(make: Make, flags: &[&str]) -> Self {
        let flags = flags.iter().map(ToString::to_string).collect();
        let [tunnel, egress, admin] = [(); 3].map(|()| Port::reserve());
        Self {
            make,
            tunnel,
            egress,
            admin,
            flags,
            accepting: envoy::Accepting::default(),
            settings: None,
            descriptors: None,
            process: None,
        }
    }

    /// Starts it anew on the same ports, and waits until it listens.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start_again(&mut self) {
        self.kill();
        let process = match self.make {
            Make::Revtun => {
                let mut args = vec!["responder".to_owned()];
                for (flag, addr) in [
                    ("--tunnel-listen", self.tunnel()),
                    ("--egress-listen", self.egress()),
                    ("--admin-listen", self.admin()),
                ] {
                    args.extend([flag.to_owned(), addr.to_string()]);
                }
                args.extend(self.flags.iter().cloned());
                let mut process = revtun::start_with(self.descriptors.as_deref(), &args);
                assert_eq!(revtun::listener(&mut process, "tunnel").await, self.tunnel());
                assert_eq!(revtun::listener(&mut process, "egress").await, self.egress());
                assert_eq!(revtun::listener(&mut process, "admin").await, self.admin());
                process
            }
            Make::Envoy => {
                let config = envoy::ResponderConfig {
                    tunnel: self.tunnel(),
                    egress: self.egress(),
                    admin: self.admin(),
                    tenant_isolation: false,
                    tunnels_per_node: 0,
                    accepting: self.accepting.clone(),
                };
                config.start(envoy::executable().expect("it was there before")).await
            }
        };
        self.process = Some(process);
    }

    /// Where initiators dial.
    #[must_use]
    pub fn tunnel(&self) -> SocketAddr {
        self.tunnel.addr()
    }

    /// Where callers ask.
    #[must_use]
    pub fn egress(&self) -> SocketAddr {
        self.egress.addr()
    }

    /// Its admin listener.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin.addr()
    }

    /// The process.
    ///
    /// # Panics
    /// If it was killed.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was not killed")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Sends a request for `path` to `node` and reads the whole answer.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn ask_node(&self, node: &str, path: &str) -> Answer {
        self.ask(to_node(node, path)).await
    }

    /// Sends a request for `path` to any node of `cluster` and reads the whole answer.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn ask_cluster(&self, cluster: &str, path: &str) -> Answer {
        self.ask(to_cluster(cluster, path)).await
    }

    /// Sends `request` without a body and reads the whole answer.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn ask(&self, request: request::Builder) -> Answer {
        let request = request.body(body::empty()).expect("a legal request");
        ask(self.egress(), request).await.unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Waits until a request to `node` is answered by what stands behind it.
    ///
    /// # Panics
    /// If that does not happen within `limit`.
    pub async fn reaches_within(&self, limit: Duration, node: &str) {
        until(limit, &format!("{:?} responder reaches {node}", self.make), async || {
            let request = to_node(node, "/").body(body::empty()).expect("a legal request");
            let answer = ask_for(ONE_TRY, self.egress(), request).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// How many tunnels to `node` a revtun responder has in service.
    ///
    /// # Panics
    /// If its admin listener does not answer.
    pub async fn tunnels(&self, node: &str) -> usize {
        let answer = get(self.admin(), "/tunnels").await.unwrap_or_else(|error| panic!("/tunnels: {error}"));
        let all = answer.json();
        let in_service = |tunnel: &&serde_json::Value| {
            tunnel["node"] == node && ["settling", "idle", "in-use"].contains(&tunnel["stage"].as_str().unwrap_or(""))
        };
        all["tunnels"].as_array().expect("a list").iter().filter(in_service).count()
    }

    /// Waits until a revtun responder has `count` tunnels to `node` in service.
    ///
    /// # Panics
    /// If that does not happen within `limit`.
    pub async fn has_within(&self, limit: Duration, node: &str, count: usize) {
        let what = format!("{count} tunnels to {node}");
        until(limit, &what, async || (self.tunnels(node).await == count).then_some(())).await;
    }

    /// As [`reaches_within`](Self::reaches_within), with the usual patience.
    pub async fn reaches(&self, node: &str) {
        self.reaches_within(SOON, node).await;
    }
}

/// An initiator.
#[derive(Debug)]
pub struct Initiator {
    start: Start,
    admin: Port,
    settings: Option<Settings>,
    process: Option<Process>,
}

#[derive(Debug)]
enum Start {
    Revtun(Vec<String>),
    Envoy(Box<envoy::InitiatorConfig>),
}

impl Initiator {
    /// Starts one; its tunnels may come a little later. None where Envoy cannot be had.
    pub async fn start(dialling: Dialling<'_>) -> Option<Self> {
        if dialling.make == Make::Envoy {
            envoy::executable()?;
        }
        let admin = Port::reserve();
        let start = match dialling.make {
            Make::Revtun => Start::Revtun(arguments(dialling, admin.addr())),
            Make::Envoy => Start::Envoy(Box::new(configuration(dialling, admin.addr()))),
        };
        let mut initiator = Self { start, admin, settings: None, process: None };
        initiator.start_again().await;
        Some(initiator)
    }

    /// Starts a revtun initiator with `settings`, the text of a configuration file, besides.
    pub async fn configured(dialling: Dialling<'_>, settings: &str) -> Self {
        let settings = Settings::write(settings);
        let flags = [dialling.flags, &["--config", settings.path()]].concat();
        let mut initiator = Self::revtun(Dialling { flags: &flags, ..dialling }).await;
        initiator.settings = Some(settings);
        initiator
    }

    /// Starts a revtun initiator with `settings` alone, the text of a configuration file; other files lie beside it.
    pub async fn of_file(settings: &str) -> Self {
        let settings = Settings::write(settings);
        let admin = Port::reserve();
        let args = ["initiator", "--config", settings.path(), "--admin-listen"].map(str::to_owned);
        let start = Start::Revtun(args.into_iter().chain([admin.addr().to_string()]).collect());
        let mut initiator = Self { start, admin, settings: Some(settings), process: None };
        initiator.start_again().await;
        initiator
    }

    /// Starts a revtun initiator.
    ///
    /// # Panics
    /// If `dialling` asks for another make.
    pub async fn revtun(dialling: Dialling<'_>) -> Self {
        assert_eq!(dialling.make, Make::Revtun);
        Self::start(dialling).await.expect("revtun can always be had")
    }

    /// Starts it anew.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start_again(&mut self) {
        self.kill();
        self.process = Some(match &self.start {
            Start::Revtun(args) => {
                let mut process = revtun::start(args);
                assert_eq!(revtun::listener(&mut process, "admin").await, self.admin());
                process
            }
            Start::Envoy(config) => config.start(envoy::executable().expect("it was there before")).await,
        });
    }

    /// Its admin listener.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin.addr()
    }

    /// The process.
    ///
    /// # Panics
    /// If it was killed.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was not killed")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }
}

fn arguments(dialling: Dialling<'_>, admin: SocketAddr) -> Vec<String> {
    let Dialling { make: _, node, cluster, tenant, count, hosts, forward, flags, envoy: _ } = dialling;
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut args = vec!["initiator".to_owned()];
    args.extend(["--address".to_owned(), format!("rc://{node}:{cluster}:{tenant}@cloud:{count}")]);
    args.extend(["--upstream".to_owned(), format!("cloud={}", hosts.join(","))]);
    args.extend(["--forward".to_owned(), format!("http://{forward}")]);
    args.extend(["--admin-listen".to_owned(), admin.to_string()]);
    args.extend(flags.iter().map(ToString::to_string));
    args
}

fn configuration(dialling: Dialling<'_>, admin: SocketAddr) -> envoy::InitiatorConfig {
    envoy::InitiatorConfig {
        identity: format!("{}:{}:{}", dialling.node, dialling.cluster, dialling.tenant),
        count: dialling.count,
        hosts: dialling.hosts.to_vec(),
        forward: dialling.forward,
        admin,
        dialling: dialling.envoy.cloned().unwrap_or_default(),
    }
}
