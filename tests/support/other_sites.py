"""Other sites than that of the service, for a browser."""

import http.server

REBOUND = "rebound.test"  # a name that leads to this machine


class Empty(http.server.BaseHTTPRequestHandler):
    """Answers every GET with an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""
