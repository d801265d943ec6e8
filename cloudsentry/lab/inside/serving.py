"""One WSGI application on one loopback port: the lab's faults in front of it, an access log in front of both."""

import os
import signal
import threading
import time
from urllib.parse import quote

import faults
import marks

# On two cores more threads wait for one lock longer: 6 measured best for Nova and Neutron alike.
THREADS = 6


class AccessLog:
    """One line per request: time, method, path with query, status ("-": no answer), request id, user agent.

    Fields are separated by one space, "-" stands for a missing one; the user agent is last and may hold spaces.
    """

    def __init__(self, app, path):
        self.app = app
        self.file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (open as long as the process)
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        def logged(status, headers, exc_info=None):
            self.write(environ, status, headers)
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        try:
            return self.app(environ, logged)
        except OSError:
            self.write(environ, "-", ())  # a fault closed the connection instead of an answer
            raise

    def write(self, environ, status, headers):
        moment = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"
        path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
        query = environ.get("QUERY_STRING")
        request = next((value for name, value in headers if name.lower() == "x-openstack-request-id"), "-")
        line = " ".join(
            (
                stamp,
                environ["REQUEST_METHOD"],
                f"{path}?{query}" if query else path,
                status.split(" ", 1)[0],
                request,
                environ.get("HTTP_USER_AGENT") or "-",
            )
        )
        with self.lock:
            self.file.write(line + "\n")


class Body:
    """A request's body whose close() leaves the connection open.

    Glance's reader closes what it reads from when it is collected as garbage: sooner or later, and then cheroot would
    find the connection closed under the client's next request, and answer that with 500.
    """

    def __init__(self, file):
        self.read, self.readline, self.readlines = file.read, file.readline, file.readlines

    def __iter__(self):
        return iter(self.readline, b"")

    def close(self):
        pass


def gateway(usual):
    """cheroot's gateway with an unclosable body; the application is told its connection (a fault may reset it)."""

    class Gateway(usual):
        def get_environ(self):
            environ = super().get_environ()
            return environ | {"wsgi.input": Body(environ["wsgi.input"]), "lab.socket": self.req.conn.socket}

    return Gateway


def serve(app, port, role):
    """Serve `app` on 127.0.0.1:`port` until SIGTERM; the role is marked ready once the port listens."""
    from cheroot import wsgi

    run = os.environ["LAB_RUN"]
    app = faults.Middleware(app, path=f"{run}/faults.json", role=role)
    app = AccessLog(app, f"{os.path.dirname(run)}/log/access.{role}.log")
    server = wsgi.Server(
        ("127.0.0.1", port),
        app,
        numthreads=THREADS,
        max=THREADS * 4,
        request_queue_size=256,
        server_name="lab",
        timeout=120,
    )
    server.gateway = gateway(server.gateway)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.prepare()
    marks.ready()
    server.serve()
