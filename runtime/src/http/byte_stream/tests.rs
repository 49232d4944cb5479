//! Streams that are joined.

use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};

use super::super::limits::SMALL_FRAMES;
use super::*;
use crate::counter::Counter;
use crate::world::Tokio;

type Joining = tokio::task::JoinHandle<()>;

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (there, listener.accept().await.unwrap().0)
}

fn of(stream: TcpStream) -> BoxStream {
    Box::new(IoStream::new(&Tokio::begin(), stream, |stream| stream))
}

#[expect(clippy::disallowed_methods, reason = "a test without a world of its own")]
fn joined(timeout: Duration, left: BoxStream, right: BoxStream) -> Joining {
    let timeout = IdleTimeout::new(&Tokio::begin(), timeout, &Arc::<Counter>::default());
    tokio::spawn(async move { join(&timeout, left, right).await })
}

/// An HTTP/2 connection with one stream of it at either end.
async fn http2(window: u32) -> (Http2Stream<()>, Http2Stream<()>) {
    let (near, far): (DuplexStream, DuplexStream) = duplex(64 * 1024);
    let server = h2::server::Builder::new()
        .initial_window_size(window)
        .data_frame_budget(SMALL_FRAMES)
        .handshake::<_, Bytes>(far);
    let client = h2::client::Builder::new().initial_window_size(window).handshake::<_, Bytes>(near);
    let (server, client) = tokio::join!(server, client);
    let (mut server, (mut requests, connection)) = (server.unwrap(), client.unwrap());
    drive(async move { drop(connection.await) });
    let (response, send) = requests.send_request(http::Request::new(()), false).unwrap();
    let (request, mut sender) = server.accept().await.unwrap().unwrap();
    drive(async move { while server.accept().await.is_some() {} });
    let far = Http2Stream::new(request.into_body(), sender.send_response(Response::new(()), false).unwrap(), ());
    (Http2Stream::new(response.await.unwrap().into_body(), send, ()), far)
}

#[expect(clippy::disallowed_methods, reason = "a test without a world of its own")]
fn drive(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}

async fn recv(stream: &mut Http2Stream<()>) -> io::Result<Option<Bytes>> {
    poll_fn(|task| stream.poll_recv(task)).await
}

async fn send(stream: &mut Http2Stream<()>, bytes: impl Into<Bytes>) -> io::Result<()> {
    let mut bytes = bytes.into();
    poll_fn(|task| stream.poll_send(task, &mut bytes)).await
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let ((mut left, a), (b, mut right)) = (tcp().await, tcp().await);
    let joining = joined(Duration::ZERO, of(a), of(b));
    left.write_all(b"question").await.unwrap();
    left.shutdown().await.unwrap();
    let mut all = Vec::new();
    right.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"question");
    right.write_all(b"answer").await.unwrap();
    drop(right);
    all.clear();
    left.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"answer");
    joining.await.unwrap();
}

#[tokio::test]
async fn what_fails_on_one_side_is_a_reset_on_the_other() {
    let ((left, a), (b, mut right)) = (tcp().await, tcp().await);
    let joining = joined(Duration::ZERO, of(a), of(b));
    left.set_zero_linger().unwrap();
    drop(left);
    assert_eq!(right.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    joining.await.unwrap();
}

#[tokio::test]
async fn a_stream_on_which_nothing_passes_is_reset() {
    let ((mut left, a), (b, mut right)) = (tcp().await, tcp().await);
    joined(Duration::from_millis(40), of(a), of(b)).await.unwrap();
    for end in [&mut left, &mut right] {
        assert_eq!(end.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_stream_of_http_2_is_one_of_bytes() {
    let (mut near, mut far) = http2(64 * 1024).await;
    send(&mut near, "there").await.unwrap();
    assert_eq!(recv(&mut far).await.unwrap().unwrap(), "there");
    poll_fn(|task| near.poll_finish(task)).await.unwrap();
    assert_eq!(recv(&mut far).await.unwrap(), None);
    send(&mut far, "back").await.unwrap();
    assert_eq!(recv(&mut near).await.unwrap().unwrap(), "back");
    far.reset(&io::ErrorKind::ConnectionReset.into());
    let error = recv(&mut near).await.unwrap_err();
    assert_eq!(reason_of(&error), Some(Reason::CONNECT_ERROR));
    assert_eq!(reason_of(&poll_fn(|task| near.poll_lost(task)).await), Some(Reason::CONNECT_ERROR));
}

#[tokio::test]
async fn a_failure_of_http_2_is_handed_on_as_it_is() {
    for (error, reason) in [
        (failed(h2::Error::from(Reason::CANCEL)), Reason::CANCEL),
        (io::ErrorKind::TimedOut.into(), Reason::CANCEL),
        (io::ErrorKind::BrokenPipe.into(), Reason::CONNECT_ERROR),
    ] {
        let (mut near, mut far) = http2(64 * 1024).await;
        near.reset(&error);
        assert_eq!(reason_of(&recv(&mut far).await.unwrap_err()), Some(reason));
    }
}

#[tokio::test]
async fn what_nobody_takes_is_kept_in_one_piece_within_the_window() {
    const WINDOW: u32 = 5000;
    let (mut near, mut far) = http2(WINDOW).await;
    let sending = async {
        for byte in 0..WINDOW {
            send(&mut near, vec![byte as u8]).await.unwrap();
        }
        // The window is full.
        poll_fn(|task| {
            let mut more = Bytes::from_static(b"x");
            assert!(near.poll_send(task, &mut more).is_pending());
            Poll::Ready(())
        })
        .await;
    };
    let keeping = poll_fn(|task| {
        far.compact(task);
        assert!(far.end.is_none(), "{:?}", far.end);
        if far.held.len() == WINDOW as usize { Poll::Ready(()) } else { Poll::Pending }
    });
    tokio::join!(sending, keeping);
    let received = recv(&mut far).await.unwrap().unwrap();
    assert!(received.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    // What was taken may be sent again.
    tokio::join!(async { send(&mut near, "more").await.unwrap() }, async {
        assert_eq!(recv(&mut far).await.unwrap().unwrap(), "more");
    });
    poll_fn(|task| near.poll_finish(task)).await.unwrap();
    poll_fn(|task| {
        far.compact(task);
        if far.end.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert_eq!(recv(&mut far).await.unwrap(), None);
}
