"""Build the site: python site. See builder/__init__.py for the steps."""

import sys

from builder.main import BUILD, build

if __name__ == "__main__":
    status = build()
    if not status:
        print(f"[site] {BUILD / 'html' / 'index.html'}")
    sys.exit(status)
