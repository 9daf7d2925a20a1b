"""kdviz app: the page of teacher and student, for a projector: no code, and after the first start no network."""

from __future__ import annotations

import functools
import http.server
import webbrowser


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that does not tell each request."""

    def log_message(self, *_words) -> None:
        pass


def add_arguments(parser) -> None:
    words = "folders that model.save wrote: teacher, student (default: the course's own)"
    parser.add_argument("--models", nargs="+", metavar="FOLDER", default=[], help=words)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")


def run(args) -> int:
    from kdviz.page.build import kept_page
    from kdviz.paths import cache_folder

    folder = kept_page(cache_folder() / ("page-own" if args.models else "page"), args.models)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", args.port), handler) as server:
        address = f"http://localhost:{server.server_port}/"
        print(f"{address} (Ctrl-C ends it)", flush=True)
        if not args.no_browser:
            webbrowser.open(address)
        server.serve_forever()
    return 0
