"""Reserves, approves and is denied by a client that openapi-python-client generated: client.py FOLDER URL TOKEN."""

import sys

folder, url, token = sys.argv[1:]
sys.path.insert(0, folder)

from levelgate_client import AuthenticatedClient  # noqa: E402
from levelgate_client.api.payments import approve, reserve, show_transaction  # noqa: E402
from levelgate_client.models import ApproveRequest, Problem, ReserveRequest  # noqa: E402

client = AuthenticatedClient(base_url=url, token=token)


def payment(transaction_id, amount):
    return ReserveRequest.from_dict({
        "transaction_id": transaction_id, "direction": "deposit", "amount": amount, "currency": "EUR",
        "payment_method": "card", "merchant_customer_identifier": "generated", "customer_level": "gold",
    })


allowed = reserve.sync("acme", client=client, body=payment("client-1", "100.00"))
assert (allowed.decision, allowed.status, allowed.codes) == ("allow", "reserved", []), allowed
assert allowed.remaining.amount == "400.00", allowed

approved = approve.sync("acme", "client-1", client=client, body=ApproveRequest.from_dict({"gate": "gate-b"}))
assert (approved.status, approved.amount, approved.held) == ("approved", "100.00", "0.00"), approved

denied = reserve.sync("acme", client=client, body=payment("client-2", "450.00"))
assert (denied.decision, denied.status, denied.code) == ("deny", "denied", 19000), denied
assert denied.codes[0].filter_ == "daily" and denied.codes[0].amount.used == "100.00", denied

shown = show_transaction.sync("acme", "client-1", client=client)
assert [fact.operation for fact in shown.transitions] == ["approve"], shown

again = reserve.sync_detailed("acme", client=client, body=payment("client-1", "100.00"))
assert again.headers["idempotent-replay"] == "true" and again.parsed.status == "approved", again

conflict = reserve.sync("acme", client=client, body=payment("client-1", "101.00"))
assert isinstance(conflict, Problem) and (conflict.status, conflict.code) == (409, "conflict"), conflict
assert conflict.fields == ["amount"], conflict

stranger = AuthenticatedClient(base_url=url, token="wrong-0123456789abcdef")
refused = reserve.sync("acme", client=stranger, body=payment("client-3", "1.00"))
assert isinstance(refused, Problem) and (refused.status, refused.code) == (401, "unauthorized"), refused
