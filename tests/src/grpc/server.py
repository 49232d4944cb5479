"""A gRPC service of bytes. Says its port in the first line that it writes.

    server.py
"""

import threading
from concurrent import futures

import grpc

cancelled = threading.Semaphore(0)


def echo(request, _context):
    return request


def count(request, _context):
    """As many messages as the request says."""
    for number in range(int(request)):
        yield str(number).encode()


def total(requests, _context):
    """How many bytes came."""
    return str(sum(len(request) for request in requests)).encode()


def talk(requests, _context):
    """An answer to each message as it comes."""
    for request in requests:
        yield request


def fail(request, context):
    context.set_trailing_metadata((("x-why", "asked"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, request.decode())


def hold(_request, context):
    """Goes on until somebody cancels the call."""
    ended = threading.Event()
    context.add_callback(ended.set)
    yield b"held"
    ended.wait()
    cancelled.release()


def await_cancelled(_request, _context):
    return b"yes" if cancelled.acquire(timeout=10) else b"no"


def main():
    kinds = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Total": grpc.stream_unary_rpc_method_handler(total),
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Hold": grpc.unary_stream_rpc_method_handler(hold),
        "AwaitCancelled": grpc.unary_unary_rpc_method_handler(await_cancelled),
    }
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Bytes", kinds),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"port {port}", flush=True)
    server.wait_for_termination()


main()
