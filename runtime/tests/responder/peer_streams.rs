//! Initiators that take few requests at the same time: SETTINGS_MAX_CONCURRENT_STREAMS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::caller::{self, Answer, http2_to_node, whole};
use super::initiator::{echo_until_used, tunnel};
use super::{DEADLINE, Responder, responder, until, within};

/// What one service has seen.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

/// A tunnel whose initiator takes `limit` requests at the same time, and answers as many in all as `answers` has permits.
async fn limited(responder: &Responder, limit: u32, answers: &Arc<Semaphore>) -> Arc<Seen> {
    let mut stream = tunnel(responder.tunnel_addr(), "n").await;
    let (seen, answers) = (Arc::<Seen>::default(), Arc::clone(answers));
    let told = Arc::clone(&seen);
    tokio::spawn(async move {
        assert!(echo_until_used(&mut stream).await);
        let mut server = h2::server::Builder::new();
        let mut server = server.max_concurrent_streams(limit).handshake::<_, Bytes>(stream).await.unwrap();
        while let Some(Ok((_, mut answering))) = server.accept().await {
            told.requests.fetch_add(1, Ordering::SeqCst);
            told.most_at_once.fetch_max(told.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let (told, answers) = (Arc::clone(&told), Arc::clone(&answers));
            tokio::spawn(async move {
                answers.acquire().await.unwrap().forget();
                told.at_once.fetch_sub(1, Ordering::SeqCst);
                answering.send_response(Response::new(()), true).unwrap();
            });
        }
    });
    seen
}

/// Eight requests by POST at the same time.
async fn eight(to: SocketAddr) -> Vec<JoinHandle<Answer>> {
    let sender = caller::http2::<Full<Bytes>>(to).await;
    (0..8)
        .map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let request = http2_to_node("n").method("POST").body(Full::from("once")).unwrap();
                whole(within("a response", sender.send_request(request)).await.unwrap()).await
            })
        })
        .collect()
}

async fn statuses(asked: Vec<JoinHandle<Answer>>) -> Vec<(u16, String)> {
    let mut statuses = Vec::new();
    for answer in asked {
        let answer = within("an answer", answer).await.unwrap();
        statuses.push((answer.status, answer.reason().to_owned()));
    }
    statuses.sort();
    statuses
}

fn requests(seen: &Seen) -> usize {
    seen.requests.load(Ordering::SeqCst)
}

#[tokio::test]
async fn what_an_initiator_does_not_take_waits_until_it_does() {
    let responder = responder(|config| config.core.wait = DEADLINE).await;
    let answers = Arc::new(Semaphore::new(0));
    let seen = limited(&responder, 2, &answers).await;
    let asked = eight(responder.egress_addr()).await;
    until("six wait where they are seen", || responder.counts().waiting == 6 && requests(&seen) == 2).await;
    answers.add_permits(8);
    assert_eq!(statuses(asked).await, vec![(200, String::new()); 8]);
    assert_eq!(
        (requests(&seen), seen.most_at_once.load(Ordering::SeqCst)),
        (8, 2),
        "each came once, never three at once"
    );
}

#[tokio::test]
async fn what_an_initiator_does_not_take_goes_to_another_tunnel() {
    let responder = responder(|config| config.core.wait = DEADLINE).await;
    let answers = Arc::new(Semaphore::new(0));
    let tight = limited(&responder, 2, &answers).await;
    let roomy = limited(&responder, 100, &answers).await;
    let asked = eight(responder.egress_addr()).await;
    until("all are taken", || requests(&tight) + requests(&roomy) == 8).await;
    assert!(requests(&tight) <= 2 && responder.counts().waiting == 0);
    answers.add_permits(8);
    assert_eq!(statuses(asked).await, vec![(200, String::new()); 8]);
}

#[tokio::test]
async fn what_no_tunnel_takes_is_saturated_and_not_lost() {
    let responder = responder(|config| config.core.wait = Duration::ZERO).await;
    let answers = Arc::new(Semaphore::new(0));
    let seen = limited(&responder, 2, &answers).await;
    let asked = eight(responder.egress_addr()).await;
    until("six are answered and two are sent", || {
        asked.iter().filter(|it| it.is_finished()).count() == 6 && requests(&seen) == 2
    })
    .await;
    answers.add_permits(2);
    let saturated = vec![(503, "saturated".to_owned()); 6];
    assert_eq!(statuses(asked).await, [vec![(200, String::new()); 2], saturated].concat());
    assert_eq!(responder.counts().tunnels, 1);
}
