//! Streams of bytes both ways through tunnels: WebSockets and other upgrades, CONNECT.

mod clients;
mod connect;
mod envoys;
mod http2;
mod pair;
mod upgrades;
