"""Record a running pipeline and mark events over HTTP, with only Python's standard library.

python examples/mark_over_http.py --token-file .remote-token --name p07 --participant 07
"""

import argparse
import json
import time
import urllib.request
from pathlib import Path

parser = argparse.ArgumentParser(description="Record, mark three events, stop.")
parser.add_argument("--address", default="http://127.0.0.1:8090")
parser.add_argument("--token-file", type=Path, default=Path(".remote-token"))
parser.add_argument("--name", required=True, help="of the new session")
parser.add_argument("--participant", default="07")
options = parser.parse_args()
token = options.token_file.read_text().strip()


def call(method: str, path: str, body: dict[str, object] | None = None) -> dict[str, object]:
    """Send a request and return the answer; an HTTPError says what was wrong."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(options.address + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        content: dict[str, object] = json.loads(answer.read())
        return content


print(call("POST", "/recordings", {"name": options.name, "participant": options.participant}))
for trial in range(3):
    print(call("POST", "/markers", {"label": f"trial {trial + 1}", "fields": {"trial": trial}}))
    time.sleep(0.3)
print(call("DELETE", "/recordings/current"))
