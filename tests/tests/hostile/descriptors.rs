//! File descriptors: nobody who connects can take those of others, and when there is none left, accepting pauses and resumes.

use http::Version;
use revtun_tests::body;
use revtun_tests::client::{Caller, get, whole};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::patience::{SOON, until, within};
use revtun_tests::raw::Raw;
use revtun_tests::service::Service;

use crate::scene::Scene;

#[tokio::test]
async fn mute_callers_take_no_descriptors_of_tunnels_and_operators() {
    let mut responder = Responder::with_descriptors(256).await;
    let mut mute = Vec::new();
    for _ in 0..250 {
        mute.push(Raw::connect(responder.egress()).await);
    }
    let health = within(SOON, "an answer", get(responder.admin(), "/healthz")).await.expect("an answer");
    assert_eq!(health.status, 200);
    // A tunnel comes up, and a caller is served in the place of a mute one.
    let service = Service::start("backend").await;
    let hosts = [responder.tunnel()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.has_within(SOON, crate::NODE, 1).await;
    let answer = responder.ask(revtun_tests::client::to_node(crate::NODE, "/").header("x-tenant-id", "tenant-a")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = responder.process().stderr();
    assert!(!said.contains("cannot accept"), "{said}");
}

#[tokio::test]
async fn mute_initiators_take_no_descriptors_of_callers_and_operators() {
    let mut responder = Responder::with_descriptors(256).await;
    let mut mute = Vec::new();
    for _ in 0..250 {
        mute.push(Raw::connect(responder.tunnel()).await);
    }
    let health = within(SOON, "an answer", get(responder.admin(), "/healthz")).await.expect("an answer");
    assert_eq!(health.status, 200);
    let answer = responder.ask(revtun_tests::client::to_node("nobody", "/").header("x-tenant-id", "tenant-a")).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let said = responder.process().stderr();
    assert!(!said.contains("cannot accept"), "{said}");
}

#[tokio::test]
async fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let mut scene = Scene::of(Responder::with_soft_descriptors(64).await).await;
    let (soft, hard) = scene.responder.process().descriptor_limits();
    assert_eq!(soft, hard);
    assert_ne!(soft, "64", "this machine grants more");
    let mut callers = Vec::new();
    for _ in 0..100 {
        let mut caller = Caller::connect(scene.responder.egress(), Version::HTTP_11).await.expect("a connection");
        served(&scene, &mut caller).await;
        callers.push(caller);
    }
    assert!(scene.responder.process().descriptors() > 100);
}

#[tokio::test]
async fn a_responder_without_descriptors_rests_and_goes_on() {
    let mut scene = Scene::of(Responder::revtun(&[]).await).await;
    // A caller who is there, and its tunnel.
    let mut caller = Caller::connect(scene.responder.egress(), Version::HTTP_11).await.expect("a connection");
    served(&scene, &mut caller).await;
    // What was shared out at the start is not there any more.
    let open = scene.responder.process().descriptors();
    scene.responder.process().limit_descriptors(open + 32);
    for listener in [scene.responder.egress(), scene.responder.tunnel()] {
        let mut hoard = Vec::new();
        for _ in 0..64 {
            hoard.push(Raw::connect(listener).await);
        }
        until(SOON, "it says that it cannot accept", async || {
            scene.responder.process().stderr().contains("cannot accept connections").then_some(())
        })
        .await;
        for _ in 0..50 {
            served(&scene, &mut caller).await;
        }
        drop(hoard);
        until(SOON, "others are served again", async || {
            let request = scene.request("/").body(body::empty()).ok()?;
            let answer = revtun_tests::client::ask(scene.responder.egress(), request).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        served(&scene, &mut caller).await;
    }
    assert!(scene.count("revtun_responder_accept_pauses_total").await > 0);
    assert_eq!(scene.responder.process().ended(), None);
}

async fn served(scene: &Scene, caller: &mut Caller) {
    let request = scene.request("/").body(body::empty()).expect("a legal request");
    let response = within(SOON, "an answer", caller.send(request)).await.expect("an answer");
    let answer = whole(response).await.expect("a whole answer");
    assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (200, ""));
}
