"""Makes calls of every kind through a responder, and writes a line `ok NAME` for each that went as it should.

    client.py EGRESS NODE HOST [CASE...]
"""

import sys
import threading

import grpc

CASES = {}
MANY = 200


def case(check):
    CASES[check.__name__] = check
    return check


class Calls:
    """The calls of one host behind one node."""

    def __init__(self, egress, node, host):
        options = [
            ("grpc.default_authority", host),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),
        ]
        self.channel = grpc.insecure_channel(egress, options=options)
        self.metadata = (("x-node-id", node),)

    def unary(self, name, request, **more):
        return self.channel.unary_unary(f"/test.Bytes/{name}")(request, metadata=self.metadata, timeout=20, **more)

    def error(self, name, request, timeout=20, metadata=None):
        try:
            self.channel.unary_unary(f"/test.Bytes/{name}")(
                request, metadata=metadata or self.metadata, timeout=timeout
            )
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"{name} did not fail")


@case
def unary(calls):
    assert calls.unary("Echo", b"hello") == b"hello"
    assert calls.unary("Echo", b"") == b""


@case
def four_mebibytes(calls):
    message = bytes(range(256)) * 16384
    assert calls.unary("Echo", message) == message


@case
def compressed(calls):
    message = b"a" * 100_000
    assert calls.unary("Echo", message, compression=grpc.Compression.Gzip) == message


@case
def server_stream(calls):
    got = calls.channel.unary_stream("/test.Bytes/Count")(b"1000", metadata=calls.metadata, timeout=20)
    assert [int(number) for number in got] == list(range(1000))


@case
def client_stream(calls):
    messages = (b"x" * 1000 for _ in range(1000))
    assert calls.channel.stream_unary("/test.Bytes/Total")(messages, metadata=calls.metadata, timeout=20) == b"1000000"


@case
def both_streams(calls):
    """Each message is sent only once the answer to the one before is there."""
    answered = threading.Semaphore(1)

    def messages():
        for number in range(100):
            assert answered.acquire(timeout=10)
            yield str(number).encode()

    got = []
    for answer in calls.channel.stream_stream("/test.Bytes/Talk")(messages(), metadata=calls.metadata, timeout=20):
        got.append(int(answer))
        answered.release()
    assert got == list(range(100))


@case
def trailers_only(calls):
    error = calls.error("Fail", b"not now: 100%")
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == "not now: 100%", error
    assert ("x-why", "asked") in [tuple(pair) for pair in error.trailing_metadata()], error


@case
def unknown_method(calls):
    assert calls.error("Nothing", b"").code() == grpc.StatusCode.UNIMPLEMENTED


@case
def deadline(calls):
    call = calls.channel.unary_stream("/test.Bytes/Hold")(b"", metadata=calls.metadata, timeout=0.3)
    try:
        for _ in call:
            pass
        raise AssertionError("the call went on")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert calls.unary("AwaitCancelled", b"") == b"yes"


@case
def cancelled_by_the_client(calls):
    call = calls.channel.unary_stream("/test.Bytes/Hold")(b"", metadata=calls.metadata, timeout=20)
    assert next(call) == b"held"
    call.cancel()
    assert calls.unary("AwaitCancelled", b"") == b"yes"


@case
def many_at_once(calls):
    echo = calls.channel.unary_unary("/test.Bytes/Echo")
    futures = [echo.future(str(n).encode(), metadata=calls.metadata, timeout=20) for n in range(MANY)]
    assert [int(future.result()) for future in futures] == list(range(MANY))


@case
def no_tunnel(calls):
    error = calls.error("Echo", b"", metadata=(("x-node-id", "nobody"),))
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert error.details() == "No tunnel to this node or cluster.", error


@case
def no_route(calls):
    error = calls.error("Echo", b"")
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    assert error.details() == "no route of the initiator matches the request", error


@case
def no_service(calls):
    error = calls.error("Echo", b"")
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert error.details() == "the local service cannot be reached", error


def main():
    egress, node, host, *names = sys.argv[1:]
    calls = Calls(egress, node, host)
    for name in names:
        CASES[name](calls)
        print(f"ok {name}", flush=True)


main()
