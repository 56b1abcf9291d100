"""What Schemathesis needs to know of levelgate: lines of JSON, codes of problems, and calls that would take long."""

import json

import schemathesis
from schemathesis.core.failures import Failure


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    """A value is one line."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.serializer("text/csv")
def table(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer("application/x-ndjson")
def first_line(ctx, response):
    """The first line stands for all."""
    text = response.content.decode()
    nothing = {"type": "urn:levelgate:none", "title": "None", "status": 400, "detail": "no line", "code": "none"}
    return json.loads(text.splitlines()[0]) if text.strip() else nothing


@schemathesis.hook
def before_call(context, case, kwargs):
    """Neither a million customers nor half a minute of waiting."""
    if case.operation.path == "/v1/events" and isinstance(case.query, dict) and case.query.get("wait") not in (None, 0):
        value = str(case.query["wait"])
        if value.isdigit() and 0 < int(value) <= 30:
            case.query["wait"] = 0
    body = case.body
    if isinstance(body, dict) and type(body.get("count")) in (int, float) and 100 < body["count"] <= 1_000_000:
        body["count"] = 100


@schemathesis.check
def problem_code_conformance(ctx, response, case):
    """A problem has one of the codes that its operation names for the status."""
    media = (response.headers.get("content-type") or [""])[0]
    if not media.startswith("application/problem+json"):
        return
    described = case.operation.definition.raw.get("x-problem-codes", {})
    code = json.loads(response.content)["code"]
    if str(response.status_code) in described and code not in described[str(response.status_code)]:
        raise Failure(
            operation=case.operation.label,
            title="Undocumented problem code",
            message=f"{case.operation.label}: {response.status_code} {code} is not described",
        )
