//! No file descriptor left: accepting pauses and resumes, and nobody who is there already notices.

use http::Version;
use revtun_tests::body;
use revtun_tests::client::{Caller, whole};
use revtun_tests::ends::Responder;
use revtun_tests::patience::{SOON, until, within};
use revtun_tests::raw::Raw;

use crate::scene::Scene;

/// What the responder of this test may have open: a dozen for itself, the rest for connections.
const DESCRIPTORS: u32 = 64;

#[tokio::test]
async fn a_responder_without_descriptors_rests_and_goes_on() {
    let mut scene = Scene::of(Responder::with_descriptors(DESCRIPTORS).await).await;
    // A caller who is there, and its tunnel.
    let mut caller = Caller::connect(scene.responder.egress(), Version::HTTP_11).await.expect("a connection");
    served(&scene, &mut caller).await;
    for listener in [scene.responder.egress(), scene.responder.tunnel()] {
        let mut hoard = Vec::new();
        for _ in 0..2 * DESCRIPTORS {
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
