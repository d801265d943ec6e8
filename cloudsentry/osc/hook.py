"""`hook`: the HTTP door, as a process."""

from __future__ import annotations

import argparse
import re

from cloudsentry.errors import UserError
from cloudsentry.osc import base

LISTEN = "127.0.0.1:8787"


class Hook(base.Command):
    """Take alarms over HTTP and turn them into capacity: Alertmanager, Aodh, and signed calls

    Nobody may call until the configuration's group [hook] says who. Accepted calls are kept in the journal before
    they are answered, and carried out one run per event at a time. TLS and the outside belong to a reverse proxy.
    """

    _epilog = """examples:
  %(prog)s --new-token                           # the caller's token, and its SHA-256 for [hook]
  %(prog)s --listen 127.0.0.1:8787
  %(prog)s --openapi > openapi.json"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Where to listen, or what to print instead."""
        parser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help=f"default: {LISTEN}")
        which.add_argument("--new-token", action="store_true", help="print a new token and its SHA-256, and leave")
        which.add_argument("--openapi", action="store_true", help="print the OpenAPI description, and leave")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Serve until told to stop."""
        host, port = _address(parsed_args.listen)
        try:
            from cloudsentry.web import serve
        except ImportError as error:
            raise UserError(f"the hook needs the extra [hook] (pip install cloudsentry[hook]): {error}") from error
        if parsed_args.new_token:
            token, digest = serve.new_token()
            print(f"token   {token}\nsha256  {digest}", file=self.app.stdout)
        elif parsed_args.openapi:
            print(serve.openapi(self.sentry), file=self.app.stdout)
        else:
            settings = self.sentry.settings
            base.say(f"hook: listening on http://{parsed_args.listen}")
            serve.forever(settings, host, port)


def _address(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+)):([0-9]{1,5})", text)
    if found is None or int(found[3]) > 65535:
        raise UserError(f"--listen: expected HOST:PORT such as {LISTEN} or [::1]:8787, found {text!r}")
    return found[1] or found[2], int(found[3])
