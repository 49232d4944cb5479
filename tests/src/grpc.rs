//! The gRPC of Python, as a service and as its caller: the wheel `grpcio` of PyPI, installed into the target folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::patience::SOON;
use crate::process::Process;
use crate::revtun::profile_dir;

const VERSION: &str = "1.76.0";

/// How long all calls of one client may take.
const CALLS: Duration = Duration::from_secs(60);

/// Calls of every kind to a service that is there.
pub const EVERY_CALL: [&str; 11] = [
    "unary",
    "four_mebibytes",
    "compressed",
    "server_stream",
    "client_stream",
    "both_streams",
    "trailers_only",
    "unknown_method",
    "deadline",
    "cancelled_by_the_client",
    "many_at_once",
];

/// A gRPC service on a loopback port. Stops when dropped.
#[derive(Debug)]
pub struct GrpcService {
    addr: SocketAddr,
    _process: Process,
}

impl GrpcService {
    /// Starts one; none where `grpcio` cannot be had.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start() -> Option<Self> {
        let mut process = Process::start("a gRPC service", &mut script("server.py")?);
        let port = process.line("port ", SOON).await;
        let port: u16 = port.trim().parse().expect("a port");
        Some(Self { addr: SocketAddr::from(([127, 0, 0, 1], port)), _process: process })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Makes these calls to `host` behind `node` by the egress listener of a responder; false where `grpcio` cannot be had.
///
/// # Panics
/// If one does not go as it should.
pub async fn call(egress: SocketAddr, node: &str, host: &str, calls: &[&str]) -> bool {
    let Some(mut command) = script("client.py") else { return false };
    command.arg(egress.to_string()).args([node, host]).args(calls);
    let mut process = Process::start("a gRPC client", &mut command);
    for call in calls {
        process.line(&format!("ok {call}"), CALLS).await;
    }
    assert_eq!(process.end(SOON).await.code(), Some(0));
    true
}

fn script(name: &str) -> Option<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/grpc");
    let mut command = Command::new("python3");
    command.arg("-B").arg(folder.join(name)).env("PYTHONPATH", installed()?).env("no_proxy", "*");
    Some(command)
}

/// The folder of `grpcio`; installed on first use by whichever test process comes first. Where it cannot be had, says so loudly, as
/// [`crate::envoy::executable`] does.
fn installed() -> Option<&'static Path> {
    static INSTALLED: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = INSTALLED.get_or_init(|| match install() {
        Ok(path) => Some(path),
        Err(why) => {
            let _nobody_listens = writeln!(io::stderr(), "SKIPPED: tests with grpcio {VERSION}, not to be had: {why}");
            None
        }
    });
    found.as_deref()
}

fn install() -> io::Result<PathBuf> {
    let parent = profile_dir().parent().expect("target/PROFILE").to_owned();
    let (folder, installing) = (parent.join(format!("grpcio-{VERSION}")), parent.join("grpcio-installing"));
    let lock = File::create(parent.join("grpcio-lock"))?;
    lock.lock()?;
    if !folder.exists() {
        if installing.exists() {
            fs::remove_dir_all(&installing)?;
        }
        let wheel = format!("grpcio=={VERSION}");
        let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
        let output = Command::new("python3").args(arguments).arg("--target").arg(&installing).arg(wheel).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(said.trim().lines().last().unwrap_or("pip said nothing").to_owned()));
        }
        // Last, so that a half-done attempt is never mistaken for a whole one.
        fs::rename(&installing, &folder)?;
    }
    Ok(folder)
}
