//! TLS of which every byte comes from the seed: ring's cipher suites and signatures, with random numbers, key shares and
//! the time of the simulation.

mod certificates;
mod provider;

pub use self::certificates::CertificateAuthority;
pub use self::provider::seed;
