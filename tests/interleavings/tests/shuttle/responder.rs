//! The files of the responder that ship, as they ship, and the models that look into them.

#[path = "../stage/egress.rs"]
mod egress;
#[path = "../stage/fixture.rs"]
#[allow(dead_code)]
mod fixture;
#[path = "../../../../runtime/src/responder/lease.rs"]
mod lease;
#[path = "../../../../runtime/src/responder/link.rs"]
#[allow(dead_code)]
mod link;
#[path = "models.rs"]
mod models;
#[path = "../../../../runtime/src/responder/orders.rs"]
#[allow(dead_code)]
mod orders;
#[path = "../../../../runtime/src/responder/shared.rs"]
mod shared;
#[path = "../../../../runtime/src/responder/tick.rs"]
mod tick;
