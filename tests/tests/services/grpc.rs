//! gRPC between Python's client and Python's service, through tunnels.

use revtun_tests::ends::{Dialling, Initiator, Make, Responder};
use revtun_tests::grpc::{EVERY_CALL, GrpcService, call};
use revtun_tests::patience::SOON;
use revtun_tests::port::Port;
use revtun_tests::service::Service;

const NODE: &str = "node-a";

async fn every_call_passes(responder: Make) {
    let Some(grpc) = GrpcService::start().await else { return };
    let Some(responder) = Responder::start(responder).await else { return };
    let web = Service::start("web").await;
    let route = format!("grpc.*=h2c://{}", grpc.addr());
    let hosts = [responder.tunnel()];
    let dialling = Dialling { flags: &["--route", &route], ..Dialling::from_revtun(&hosts, web.addr()) };
    let _initiator = Initiator::revtun(dialling).await;
    responder.reaches(NODE).await;
    assert!(call(responder.egress(), NODE, "grpc.example", &EVERY_CALL).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_passes_through_a_pair_of_revtun() {
    every_call_passes(Make::Revtun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_passes_through_an_envoy_as_the_responder() {
    every_call_passes(Make::Envoy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_replies_in_place_of_the_service_says_it_in_grpc() {
    let responder = Responder::start(Make::Revtun).await.expect("revtun can always be had");
    let nobody = Port::reserve();
    let hosts = [responder.tunnel()];
    let settings = format!(
        "[[initiator.listener]]\naddress = \"rc://{NODE}:c:t@cloud:1\"\n\
         route = [{{ host = \"dead.example\", to = \"h2c://{}\" }}]\n\
         [initiator.upstreams]\ncloud = [\"{}\"]\n",
        nobody.addr(),
        hosts[0]
    );
    let _initiator = Initiator::of_file(&settings).await;
    responder.has_within(SOON, NODE, 1).await;
    for (host, reply) in [("dead.example", "no_service"), ("other.example", "no_route"), ("other.example", "no_tunnel")]
    {
        if !call(responder.egress(), NODE, host, &[reply]).await {
            return;
        }
    }
}
