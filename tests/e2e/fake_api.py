"""fake_api.py -- a server of Prometheus' HTTP API that answers what a test tells it to.

    with FakeApi({"/api/v1/query": lambda form: vector(...)}) as api:
        tocsin("query", "up", "--url", api.url)
        api.requests[-1].form["query"]
"""
import http.server
import json
import threading
import urllib.parse


class Request:
    def __init__(self, method, path, form, headers):
        self.method, self.path, self.form, self.headers = method, path, form, headers


def success(data, **more):
    return 200, json.dumps({"status": "success", "data": data, **more}).encode()


def failure(status, kind, text):
    return status, json.dumps({"status": "error", "errorType": kind, "error": text}).encode()


class FakeApi:
    """routes: path -> function of the form (name -> list of values) that gives (status, body); a
    body is bytes, or an iterable of bytes that are sent as they come."""

    def __init__(self, routes):
        self.routes, self.requests = routes, []

    def __enter__(self):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                url = urllib.parse.urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                form = urllib.parse.parse_qs(url.query + "&" + body, keep_blank_values=True)
                fake.requests.append(Request(self.command, url.path, form, self.headers))
                route = fake.routes.get(url.path)
                status, body = route(form) if route else (404, b"404 page not found\n")
                try:
                    self.send(status, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def send(self, status, body):
                self.send_response(status)
                if isinstance(body, bytes):
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                    return
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                for piece in body:
                    self.wfile.write(piece)

            do_GET = do_POST = answer

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
