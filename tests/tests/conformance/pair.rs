//! A responder, an initiator and the service behind it, and an honest caller beside every row.

use std::time::Duration;

use http::Version;
use revtun_tests::body;
use revtun_tests::client::{Caller, get, to_node, whole};
use revtun_tests::ends::{Dialling, Initiator, Make, Responder};
use revtun_tests::envoy::Accepting;
use revtun_tests::patience::{SOON, until, within};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::service::{HONEST, HONEST_BODY, Service};

const NODE: &str = "node-a";
/// Tunnels, where each carries one request at a time.
const HTTP1_TUNNELS: u16 = 4;
/// An honest request has to be whole by then.
const HONEST_LIMIT: Duration = Duration::from_secs(4);

/// Who made either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Makers {
    RevtunRevtun,
    RevtunEnvoy,
    EnvoyRevtun,
    /// With HTTP/1.1 on the tunnels.
    EnvoyRevtunHttp1,
    /// The control.
    EnvoyEnvoy,
}

impl Makers {
    pub(crate) const ALL: [Self; 5] =
        [Self::RevtunRevtun, Self::RevtunEnvoy, Self::EnvoyRevtun, Self::EnvoyRevtunHttp1, Self::EnvoyEnvoy];

    /// Responder and initiator, as the table calls them.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RevtunRevtun => "revtun ← revtun",
            Self::RevtunEnvoy => "revtun ← Envoy",
            Self::EnvoyRevtun => "Envoy ← revtun",
            Self::EnvoyRevtunHttp1 => "Envoy ← revtun, HTTP/1.1",
            Self::EnvoyEnvoy => "Envoy ← Envoy",
        }
    }

    const fn responder(self) -> Make {
        match self {
            Self::RevtunRevtun | Self::RevtunEnvoy => Make::Revtun,
            Self::EnvoyRevtun | Self::EnvoyRevtunHttp1 | Self::EnvoyEnvoy => Make::Envoy,
        }
    }

    const fn initiator(self) -> Make {
        match self {
            Self::RevtunRevtun | Self::EnvoyRevtun | Self::EnvoyRevtunHttp1 => Make::Revtun,
            Self::RevtunEnvoy | Self::EnvoyEnvoy => Make::Envoy,
        }
    }
}

/// Both ends, connected.
pub(crate) struct Pair {
    pub(crate) responder: Responder,
    pub(crate) service: Service,
    _initiator: Initiator,
    /// Whether it is the matter of Envoy how connections of callers end.
    pub(crate) has_foreign_callers: bool,
    /// Tunnels that have to be there before a row.
    tunnels: Option<u16>,
    honest: usize,
}

impl Pair {
    /// None where Envoy cannot be had.
    pub(crate) async fn start(makers: Makers) -> Option<Self> {
        let service = Service::start().await;
        let http1 = makers == Makers::EnvoyRevtunHttp1;
        let responder = match makers.responder() {
            Make::Envoy => Responder::envoy(Accepting { http1, ..Accepting::default() }).await?,
            Make::Revtun => Responder::revtun(&["--tenant-isolation", "false", "--trusted-hops", "127.0.0.1"]).await,
        };
        let hosts = [responder.tunnel()];
        let count = if http1 { HTTP1_TUNNELS } else { 1 };
        let dialling = Dialling { make: makers.initiator(), count, ..Dialling::from_revtun(&hosts, service.addr()) };
        let initiator = Initiator::start(dialling).await?;
        service.release(usize::MAX);
        responder.reaches(NODE).await;
        let has_foreign_callers = makers.responder() == Make::Envoy;
        Some(Self {
            responder,
            service,
            _initiator: initiator,
            has_foreign_callers,
            tunnels: http1.then_some(count),
            honest: 0,
        })
    }

    /// Waits until there are as many tunnels as there should be.
    pub(crate) async fn ready(&self) {
        if let Some(tunnels) = self.tunnels {
            let gauge = format!("upstream_reverse_connection.nodes.{NODE}: {tunnels}");
            until(SOON, "all tunnels", async || {
                let stats = get(self.responder.admin(), "/stats?hidden=include&filter=nodes").await.ok()?;
                stats.text().contains(&gauge).then_some(())
            })
            .await;
        }
    }

    /// Begins a request that has to come to no harm: half of its answer is there.
    pub(crate) async fn begin_honest(&mut self) -> Honest {
        self.honest += 1;
        let number = self.honest;
        self.service.release(number - 1);
        let egress = self.responder.egress();
        let response = until(SOON, "an honest answer", async || {
            let request = to_node(NODE, &format!("{HONEST}/{number}")).body(body::empty()).expect("a request");
            let mut caller = Caller::connect(egress, Version::HTTP_11).await.ok()?;
            let response = timeout(HONEST_LIMIT, caller.send(request)).await.ok()?.ok()?;
            (response.status() == 200).then_some(response)
        });
        let response = response.await;
        let answer = tokio::spawn(async move { whole(response).await.ok().map(|answer| answer.text()) });
        Honest { number, answer }
    }

    /// Whether it has come to no harm.
    pub(crate) async fn end_honest(&self, honest: Honest) -> bool {
        self.service.release(honest.number);
        let answer = within(SOON, "the end of the honest request", honest.answer).await.expect("no panic");
        answer.as_deref() == Some(HONEST_BODY)
    }
}

/// A request under way.
pub(crate) struct Honest {
    number: usize,
    answer: JoinHandle<Option<String>>,
}
