//! The files of the responder that ship, as they ship, and the models that look into them.

#[path = "../stage/client.rs"]
mod client;
#[path = "../../../../runtime/src/responder/command.rs"]
#[allow(dead_code)]
mod command;
#[path = "../stage/fixture.rs"]
#[allow(dead_code)]
mod fixture;
#[path = "../../../../runtime/src/responder/handle.rs"]
#[allow(dead_code)]
mod handle;
#[path = "models.rs"]
mod models;
#[path = "../../../../runtime/src/responder/shared.rs"]
#[allow(dead_code)]
mod shared;
#[path = "../../../../runtime/src/responder/tick.rs"]
mod tick;
