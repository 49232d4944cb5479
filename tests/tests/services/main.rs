//! Several services behind one initiator: a web application, a gRPC service, a service of HTTPS, chosen by host and path.

mod commands;
mod grpc;
mod readme;
