"""Sends generated calls to a daemon and compares every answer with its OpenAPI document: fuzz.py URL SEED TOKENS, with
the tokens of the roles gateway, viewer and operator."""

import os
import subprocess
import sys
from pathlib import Path

import requests

url, seed, gateway, viewer, operator = sys.argv[1:]
here = Path(__file__).parent
# What the document allows can still be impossible: a customer who does not exist, or a limit that contradicts another.
NOT_CHECKED = [
    "positive_data_acceptance", "missing_required_header", "use_after_free", "ensure_resource_availability",
    "allow_header_conformance", "object_level_authorization",
]
merchant = f"{url}/v1/merchants/acme"


def call(method, path, body, status):
    headers = {"Authorization": f"Bearer {operator}"}
    answer = requests.request(method, merchant + path, json=body, headers=headers, timeout=10)
    assert answer.status_code in status, (path, answer.status_code, answer.text)
    return answer.json()


def seeded():
    """A customer with a payment, an instrument, settings and limits, so that paths lead to something."""
    customer = call("POST", "/customers", {"merchant_customer_identifier": "seeded"}, (200, 201))["customer_id"]
    payment = {
        "transaction_id": "seeded", "direction": "deposit", "amount": "10.00", "currency": "EUR",
        "payment_method": "card", "merchant_customer_identifier": "seeded", "payment_instrument": "tok_81",
    }
    call("POST", "/transactions", payment, (200,))
    call("POST", "/transactions/seeded/approve", {"amount": "5.00", "capture_id": "c", "final": False}, (200,))
    limits = {"filters": [{"window": "daily", "amount_limit": "50.00"}]}
    call("PUT", f"/customers/{customer}/limits/deposit/EUR", limits, (200,))
    return customer


def run(token, *arguments):
    """Runs Schemathesis with a token; returns whether it found nothing."""
    command = [
        Path(sys.executable).with_name("schemathesis"), "--config-file", "schemathesis.toml", "run",
        f"{url}/openapi.json", "--seed", seed, "--no-color", "--header", f"Authorization: Bearer {token}",
        "--request-retries", "0", "--warnings", "off", "--exclude-checks", ",".join(NOT_CHECKED), *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(here), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, timeout=180).returncode == 0


customer = seeded()
settings = (here / "schemathesis.toml").read_text()
known = {
    "path.merchant": "acme", "path.customer": customer, "path.transaction": "seeded", "path.currency": "EUR",
    "path.direction": "deposit", "path.level": "gold", "path.name": "gold", "path.instrument": "tok_81",
}
parameters = "".join(f'"{name}" = "{value}"\n' for name, value in known.items())


def with_settings(text):
    Path("schemathesis.toml").write_text(text)


# Calls about what is there by an operator, calls about anything, and the examples of the document by the other roles.
passed = []
with_settings(f"{settings}\n[parameters]\n{parameters}")
passed.append(run(operator, "--phases", "coverage,fuzzing", "--max-examples", "12", "--max-time", "60"))
with_settings(settings)
passed.append(run(operator, "--phases", "examples,fuzzing", "--max-examples", "5", "--max-time", "20"))
for token in (gateway, viewer):
    passed.append(run(token, "--phases", "examples", "--max-time", "10"))
sys.exit(0 if all(passed) else 1)
