//! A responder and its initiators for a long time: honest tenants work, others attack all at once, ends are restarted;
//! and nothing may grow.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attack::Attack;
use crate::body::{self, MIB};
use crate::client::{ask, get, to_node};
use crate::ends::{Dialling, Initiator, Responder};
use crate::patience::{SOON, until};
use crate::process::Process;
use crate::prometheus::Metrics;
use crate::service::Service;

/// What a process may have more at the end than after a quarter of the time: buffers that are kept and reused.
const MORE_BYTES: u64 = 48 * MIB;
const MORE_DESCRIPTORS: usize = 64;
const MORE_THREADS: usize = 8;

/// A process that was started so lately has not met everybody yet: what it uses says nothing of growth.
const FRESH: Duration = Duration::from_secs(5);

/// How soon after a restart requests have to be answered again.
const HEALED: Duration = Duration::from_secs(10);

/// From one request of a tenant to the next, and from one look at the processes to the next.
const PAUSE: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(500);

const SETTINGS: &str = "[responder]\nhandshake_timeout = \"1s\"\nbody_timeout = \"1s\"\nping_interval = \"500ms\"\n";

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// For how long.
    pub duration: Duration,
    /// Honest tenants, each with an initiator of its own.
    pub tenants: usize,
    /// Whether others attack.
    pub attacks: bool,
    /// How often an end is killed and started again, the responder and the initiators by turns; none is never.
    pub restarts: Option<Duration>,
}

/// What was done, and what it took.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests of honest tenants that were answered.
    pub served: u64,
    /// Those that were not, within [`HEALED`] of a restart. Without restarts there are none.
    pub lost: u64,
    /// Attempts of each kind.
    pub attempts: BTreeMap<String, u64>,
    /// Restarts.
    pub restarts: u64,
    /// Of each process: what it used after a quarter of the time, or soon after its last restart, and at the end.
    pub usage: BTreeMap<String, (Usage, Usage)>,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    bytes: u64,
    descriptors: usize,
    threads: usize,
}

impl Usage {
    fn of(process: &Process) -> Self {
        Self { bytes: process.resident_bytes(), descriptors: process.descriptors(), threads: process.threads() }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, descriptors, threads } = self;
        write!(f, "{} MiB, {descriptors} descriptors, {threads} threads", bytes / MIB)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { served, lost, attempts, restarts, usage } = self;
        writeln!(f, "{served} requests answered, {lost} lost, {restarts} restarts")?;
        for (attack, count) in attempts {
            writeln!(f, "{count:>8} attempts: {attack}")?;
        }
        for (process, (first, last)) in usage {
            writeln!(f, "{process}: {first}, and at the end {last}")?;
        }
        Ok(())
    }
}

struct Town {
    responder: Responder,
    initiators: Vec<Initiator>,
    _service: Service,
}

/// What tenants and attackers share.
#[derive(Debug, Default)]
struct Board {
    over: AtomicBool,
    served: AtomicU64,
    lost: AtomicU64,
    attempts: [AtomicU64; Attack::ALL.len()],
}

/// Does it.
///
/// # Panics
/// If a request of an honest tenant is lost while nothing is restarted, a process ends, or something grows.
pub async fn run(plan: Plan) -> Report {
    let mut town = Town::start(plan.tenants).await;
    let board = Arc::<Board>::default();
    let (tunnel, egress) = (town.responder.tunnel(), town.responder.egress());
    let mut busy = JoinSet::new();
    for tenant in 0..plan.tenants {
        busy.spawn(work(Arc::clone(&board), egress, name(tenant), plan.restarts.is_some()));
    }
    for (index, attack) in Attack::ALL.into_iter().enumerate().filter(|_| plan.attacks) {
        let board = Arc::clone(&board);
        busy.spawn(async move {
            while !board.over.load(Ordering::Relaxed) {
                attack.attempt(tunnel, egress).await;
                board.attempts[index].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut report = town.watch(plan).await;
    board.over.store(true, Ordering::Relaxed);
    while let Some(ended) = busy.join_next().await {
        ended.expect("no request of an honest tenant was lost");
    }
    town.comes_to_rest().await;
    report.served = board.served.load(Ordering::Relaxed);
    report.lost = board.lost.load(Ordering::Relaxed);
    let named = |(attack, count): (Attack, &AtomicU64)| (format!("{attack:?}"), count.load(Ordering::Relaxed));
    report.attempts = Attack::ALL.into_iter().zip(&board.attempts).map(named).collect();
    report.holds(plan);
    report
}

fn name(tenant: usize) -> String {
    format!("tenant-{tenant}")
}

/// One tenant's requests, small ones and now and then a large one.
async fn work(board: Arc<Board>, egress: SocketAddr, tenant: String, restarts: bool) {
    let mut failing: Option<Instant> = None;
    for turn in 0.. {
        if board.over.load(Ordering::Relaxed) {
            return;
        }
        let path = if turn % 20 == 0 { "/bytes/300000" } else { "/" };
        let request = to_node("node", path).header("x-tenant-id", &tenant).body(body::empty()).expect("legal");
        match ask(egress, request).await {
            Ok(answer) if answer.status == 200 => {
                board.served.fetch_add(1, Ordering::Relaxed);
                failing = None;
            }
            lost => {
                assert!(restarts, "{tenant} was not served: {lost:?}");
                board.lost.fetch_add(1, Ordering::Relaxed);
                let since = failing.get_or_insert_with(Instant::now).elapsed();
                assert!(since < HEALED, "{tenant} was not served for {since:?}: {lost:?}");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Town {
    async fn start(tenants: usize) -> Self {
        let service = Service::start("backend").await;
        let responder = Responder::configured(SETTINGS).await;
        let hosts = [responder.tunnel()];
        let mut initiators = Vec::new();
        for tenant in 0..tenants {
            let tenant = name(tenant);
            let dialling = Dialling { node: "node", tenant: &tenant, ..Dialling::from_revtun(&hosts, service.addr()) };
            initiators.push(Initiator::revtun(dialling).await);
        }
        responder.has_within(SOON, "node", tenants).await;
        Self { responder, initiators, _service: service }
    }

    /// Looks at the processes until the time is over, and restarts them when it is due.
    async fn watch(&mut self, plan: Plan) -> Report {
        let begun = Instant::now();
        let mut report = Report::default();
        let mut restarted = begun;
        let mut fresh = BTreeMap::<String, Instant>::new();
        while begun.elapsed() < plan.duration {
            tokio::time::sleep(LOOK).await;
            if plan.restarts.is_some_and(|pause| restarted.elapsed() >= pause) {
                let which = self.restart(report.restarts).await;
                report.usage.remove(&which);
                report.restarts += 1;
                restarted = Instant::now();
                fresh.insert(which, restarted + FRESH);
            }
            for (name, process) in self.processes() {
                assert_eq!(process.ended(), None, "{name} has ended");
                let now = Usage::of(process);
                if begun.elapsed() > plan.duration / 4 && fresh.get(&name).is_none_or(|until| *until < Instant::now()) {
                    report.usage.entry(name).or_insert((now, now)).1 = now;
                }
            }
        }
        report
    }

    async fn restart(&mut self, turn: u64) -> String {
        let which = usize::try_from(turn).expect("not so many") % (self.initiators.len() + 1);
        match which.checked_sub(1) {
            None => {
                self.responder.start_again().await;
                "responder".to_owned()
            }
            Some(initiator) => {
                self.initiators[initiator].start_again().await;
                format!("initiator {initiator}")
            }
        }
    }

    fn processes(&mut self) -> Vec<(String, &mut Process)> {
        let initiators = self.initiators.iter_mut().enumerate();
        let initiators = initiators.map(|(nr, initiator)| (format!("initiator {nr}"), initiator.process()));
        std::iter::once(("responder".to_owned(), self.responder.process())).chain(initiators).collect()
    }

    /// Once everybody is gone nothing is left of them: no task of a request, a handshake or a tunnel.
    async fn comes_to_rest(&mut self) {
        let honest = self.initiators.len() as u64;
        let admin = self.responder.admin();
        until(SOON, "nothing is left of requests and handshakes", async || {
            let metrics = Metrics::parse(&get(admin, "/metrics").await.ok()?.text());
            let left = ["handshakes_in_progress", "requests_in_progress", "requests_waiting"]
                .map(|it| metrics.value(&format!("revtun_responder_{it}")));
            (left == [0; 3] && metrics.value("revtun_responder_tunnels") == honest).then_some(())
        })
        .await;
    }
}

impl Report {
    fn holds(&self, plan: Plan) {
        assert!(self.served > 0, "nobody was served");
        assert!(
            plan.restarts.is_none_or(|pause| pause > plan.duration / 2 || self.restarts > 0),
            "nothing was restarted"
        );
        assert!(!plan.attacks || self.attempts.values().all(|count| *count > 0), "{self}");
        for (process, (first, last)) in &self.usage {
            assert!(last.bytes <= first.bytes + MORE_BYTES, "{process} grows\n{self}");
            assert!(last.descriptors <= first.descriptors + MORE_DESCRIPTORS, "{process} keeps descriptors\n{self}");
            assert!(last.threads <= first.threads + MORE_THREADS, "{process} keeps threads\n{self}");
        }
    }
}
