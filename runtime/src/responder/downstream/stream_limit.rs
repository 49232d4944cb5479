//! How many streams an initiator takes at the same time, by its SETTINGS.

use revtun_core::responder::Event;

use super::try_failure::Failure;
use crate::http::MaxStreams;
use crate::responder::client::TunnelClient;
use crate::responder::context::Context;
use crate::responder::shared::Lease;
use crate::world::World;

/// Counts the request as sent if the initiator takes one more. The HTTP/2 library would queue it, where nobody sees that it waits.
/// Until the initiator has said how many it takes, one is sent, and the others wait for its SETTINGS.
pub(super) async fn take_stream<W: World>(
    context: &Context<W>,
    lease: &mut Lease<W>,
    client: &TunnelClient,
) -> Result<(), Failure> {
    let max_streams = match client.max_streams() {
        MaxStreams::Unknown if lease.try_send(1) => return Ok(()),
        MaxStreams::Unknown => client.max_streams_after(MaxStreams::Unknown).await,
        known @ (MaxStreams::Announced(_) | MaxStreams::Closed) => known,
    };
    match max_streams {
        MaxStreams::Announced(limit) if lease.try_send(limit) => Ok(()),
        MaxStreams::Announced(max_concurrent_streams) => {
            // While the lease is held, so that the machine does not give the place to this request again.
            let tunnel = lease.tunnel();
            context.report(Event::SettingsReceived { tunnel, max_concurrent_streams });
            Err(Failure::Full)
        }
        MaxStreams::Unknown | MaxStreams::Closed => Err(Failure::UNSENT),
    }
}
