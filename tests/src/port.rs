//! Ports that stay ours while the process behind them is down.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A loopback port picked by the system and kept for one test.
///
/// The socket is bound with `SO_REUSEADDR` and never listens. A process that sets the same option may listen on the
/// port, again and again, while the kernel gives it to nobody else; with nobody listening, a dial is refused.
#[derive(Debug)]
pub struct Port {
    addr: SocketAddr,
    _reservation: Socket,
}

impl Port {
    /// Reserves a port.
    ///
    /// # Panics
    /// If the system has none left.
    #[must_use]
    pub fn reserve() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("the option is known");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let addr = socket.local_addr().expect("it is bound").as_socket().expect("it is IPv4");
        Self { addr, _reservation: socket }
    }

    /// The address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
