"""The pages that a node serves."""

from __future__ import annotations

import hashlib
import html

_PAGE = """\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
    body {{
        width: 35em;
        margin: 0 auto;
        font-family: Tahoma, Verdana, Arial, sans-serif;
    }}
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
{heading}
<p>If you see this page, the nginx web server is successfully installed and
working. Further configuration is required.</p>

<p>For online documentation and support please refer to
<a href="http://nginx.org/">nginx.org</a>.<br/>
Commercial support is available at
<a href="http://nginx.com/">nginx.com</a>.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
"""

ERROR_PAGE = """\
<!DOCTYPE html>
<html>
<head><title>Error</title></head>
<body>
<h1>An error occurred.</h1>
</body>
</html>
"""


def welcome_page(word: str) -> str:
    """Nginx's own welcome page with *word* as a second heading."""
    return _PAGE.format(heading=heading(word))


def heading(word: str) -> str:
    """What *word* is on a page: a heading by which its node is known."""
    return f"<h1>{html.escape(word)}!</h1>"


def page_digest(word: str) -> str:
    """SHA-256 (hex) of the welcome page with *word*, as a node serves it."""
    return hashlib.sha256(welcome_page(word).encode()).hexdigest()
