//! Clients and servers of other people's making: Python's `websockets`, curl, OpenSSH; and `revtun connect`.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use revtun_tests::patience::{LATER, SOON, within};
use revtun_tests::port::Port;
use revtun_tests::process::Process;
use revtun_tests::provision;
use revtun_tests::raw::{Ended, Raw};
use revtun_tests::revtun;
use revtun_tests::service::Service;
use revtun_tests::switching::Server;
use tokio::io::AsyncWriteExt;

use crate::pair::{NODE, Pair, expect};

/// The script, to be run by a Python that finds `websockets`.
fn websocket(folder: &Path, arguments: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams/websocket.py");
    let mut python = Command::new("python3");
    python.arg(script).args(arguments).env("PYTHONPATH", folder).env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// A server of WebSockets.
pub(crate) async fn websocket_server(folder: &Path) -> (Process, SocketAddr) {
    let mut server = Process::start("websockets server", &mut websocket(folder, &["serve"]));
    let port = server.line("port ", SOON).await.parse::<u16>().expect("a port");
    (server, ([127, 0, 0, 1], port).into())
}

/// Has a client of WebSockets ask at `egress` for all that it knows.
pub(crate) async fn websocket_client(folder: &Path, egress: SocketAddr) {
    let (host, port) = (egress.ip().to_string(), egress.port().to_string());
    let mut client = Process::start("websockets client", &mut websocket(folder, &["ask", &host, &port]));
    let ended = client.end(LATER).await;
    assert!(ended.success() && client.stdout().contains("all passed"), "{ended}: {}", client.stderr());
}

#[tokio::test]
async fn python_s_websockets_see_no_difference() {
    let Some(folder) = provision::websockets() else { return };
    let (_server, at) = websocket_server(&folder).await;
    let pair = Pair::start(at, "", "").await;
    websocket_client(&folder, pair.responder.egress()).await;
}

#[tokio::test]
async fn curl_tunnels_by_connect() {
    let (service, nobody) = (Service::start("behind").await, Port::reserve());
    let pair = Pair::start(nobody.addr(), "", "tcp_allow = \"127.0.0.1:*\"").await;
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--proxytunnel", "--noproxy", "", "--max-time", "20"]);
    curl.args([
        "--proxy",
        &format!("http://{}", pair.responder.egress()),
        "--proxy-header",
        &format!("x-node-id: {NODE}"),
    ]);
    let mut curl = Process::start("curl", curl.arg(format!("http://{}/through", service.addr())));
    let ended = curl.end(SOON).await;
    assert!(ended.success() && curl.stdout().contains("\"service\":\"behind\""), "{}{}", curl.stdout(), curl.stderr());
}

/// `revtun connect` to `destination` through a pair.
fn connect(pair: &Pair, more: &[&str], destination: &str) -> Command {
    let mut command = Command::new(revtun::binary());
    command.args(["connect", "--to", NODE, "--egress", &format!("http://{}", pair.responder.egress())]);
    command.args(more).arg(destination);
    command
}

#[tokio::test]
async fn revtun_connect_joins_standard_input_and_output() {
    let (counting, nobody) = (Server::counting().await, Port::reserve());
    let pair = Pair::start(nobody.addr(), "", "tcp_allow = \"127.0.0.1:*\"").await;
    let mut command = tokio::process::Command::from(connect(&pair, &[], &counting.addr().to_string()));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(&[b'x'; 100_000]).await.expect("it reads");
    drop(stdin);
    let output = within(SOON, "its end", child.wait_with_output()).await.expect("it ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello100000", "what comes behind the end of its input counts");
}

#[tokio::test]
async fn revtun_connect_says_why_it_cannot() {
    let nobody = Port::reserve();
    let pair = Pair::start(nobody.addr(), "", "").await;
    let gone = format!("http://{}", nobody.addr());
    for (more, line) in [
        (&[][..], "revtun: db:5432: 403 destination-not-allowed: the initiator does not allow this destination"),
        (&["--egress", &gone], "revtun: cannot connect to 127.0.0.1:"),
    ] {
        let mut command = connect(&pair, &[], "db:5432");
        if let [_, egress] = more {
            command = Command::new(revtun::binary());
            command.args(["connect", "--to", NODE, "--egress", egress, "db:5432"]);
        }
        let mut process = Process::start("revtun connect", &mut command);
        assert_eq!(process.end(SOON).await.code(), Some(1));
        let said = process.stderr();
        assert!(said.contains(line) && said.trim().lines().count() <= 2, "{said}");
    }
}

#[tokio::test]
async fn revtun_connect_listens() {
    let (echo, nobody) = (Server::echo().await, Port::reserve());
    let pair = Pair::start(nobody.addr(), "", "tcp_allow = \"127.0.0.1:*\"").await;
    let mut process = Process::start("revtun connect", &mut connect(&pair, &["-L", "0"], &echo.addr().to_string()));
    let at = process.line("connect listener on ", SOON).await.parse().expect("an address");
    for _ in 0..2 {
        let mut caller = Raw::connect(at).await;
        caller.send(b"ping").await;
        expect(&mut caller, b"ping").await;
        caller.finish().await;
        assert_eq!(caller.read_to_end(SOON, "the other end").await, Ended::Fin);
    }
}

/// A shell script that runs OpenSSH's server from `folder` with `config`, which as root wants a user of its own.
fn sshd(folder: &Path, config: &Path) -> Command {
    let libraries = folder.join("lib/x86_64-linux-gnu");
    let usr = folder.join("usr/lib/x86_64-linux-gnu");
    let script = "set -e
        if [ \"$(id -u)\" = 0 ] && ! getent passwd sshd >/dev/null; then
            cat /etc/passwd > \"$0.passwd\"
            echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin' >> \"$0.passwd\"
            mount --bind \"$0.passwd\" /etc/passwd
            mount -t tmpfs tmpfs /run
            mkdir -m 755 /run/sshd
        fi
        exec \"$1\" -D -e -f \"$0\"";
    // A namespace of its own: nobody else sees these mounts.
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(config).arg(folder.join("usr/sbin/sshd"));
    command.env("LD_LIBRARY_PATH", format!("{}:{}", libraries.display(), usr.display()));
    command
}

#[tokio::test]
async fn ssh_comes_through_as_a_proxy_command() {
    let Some(folder) = provision::openssh_server() else { return };
    let (port, nobody) = (Port::reserve(), Port::reserve());
    let home = std::env::temp_dir().join(format!("revtun-ssh-{}-{}", std::process::id(), port.addr().port()));
    std::fs::create_dir_all(&home).expect("a folder");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    for key in ["host", "user"] {
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(home.join(key)).status();
        assert!(made.expect("OpenSSH's client is there").success());
    }
    std::fs::copy(home.join("user.pub"), home.join("authorized")).expect("a key");
    let config = home.join("sshd_config");
    let text = format!(
        "Port {}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/authorized\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n",
        port.addr().port(),
        home = home.display()
    );
    std::fs::write(&config, text).expect("a file");
    let mut server = Process::start("sshd", &mut sshd(&folder, &config));
    revtun_tests::patience::until(SOON, "sshd listens", async || {
        assert!(server.ended().is_none(), "{}", server.stderr());
        server.stderr().contains("Server listening").then_some(())
    })
    .await;
    let pair = Pair::start(nobody.addr(), "", &format!("tcp_allow = \"{}\"", port.addr())).await;
    let proxy =
        format!("{} connect --to {NODE} --egress http://{} %h:%p", revtun::binary().display(), pair.responder.egress());
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]);
    ssh.args(["-o", &format!("ProxyCommand={proxy}"), "-i"]).arg(home.join("user"));
    ssh.args(["-p", &port.addr().port().to_string(), "127.0.0.1", "head -c 1000000 /dev/zero | wc -c; cat"]);
    let mut ssh = Process::start("ssh", &mut ssh);
    let ended = ssh.end(SOON).await;
    let said = (ssh.stdout(), ssh.stderr());
    drop(std::fs::remove_dir_all(&home));
    assert!(ended.success() && said.0.trim() == "1000000", "{ended}: {said:?}\n{}", server.stderr());
}
