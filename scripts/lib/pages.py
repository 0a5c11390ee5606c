"""The console's pages, for `scripts/bench --only pages`: each route with the addresses that are measured. A test holds the
list to the routes of src/console."""

# A text that no client context contains.
NOWHERE = "nowhere-in-any-client-context"
CALL = "00000000-0000-0000-0000-000000000001"


def pages(known):
    """Each page by its route. `known` has the ids of things that are stored: operation, event, resource (an event without
    an operation), delivery, entry, job, and the client context of the operation."""
    operation, event, context = known["operation"], known["event"], known["context"]
    return {
        "/": ["/"],
        "/operations": ["/operations", "/operations?status=completed", "/operations?state=lost", f"/operations?q={context}",
                        f"/operations?q={context[5:]}", f"/operations?q={operation}", f"/operations?q={NOWHERE}",
                        f"/operations?call={CALL}"],
        "/operations/{id}": [f"/operations/{operation}"],
        "/events": ["/events", "/events?type=recordOperation.completed", "/events?type=none", "/events?resource=none",
                    "/events?matched=no", "/events?matched=yes", "/events?since=1h", "/events?until=1m",
                    f"/events?q={context[5:]}", f"/events?q={NOWHERE}", f"/events?q={operation}", f"/events?q={event}"],
        "/events/{id}": [f"/events/{event}", f"/events/{known['resource']}"],
        "/deliveries": ["/deliveries", "/deliveries?sink=crm", "/deliveries?sink=archive", "/deliveries?state=unsettled",
                        "/deliveries?state=waiting&sink=crm", "/deliveries?state=waiting&sink=archive",
                        "/deliveries?state=underWay", "/deliveries?state=delivered&sink=crm", "/deliveries?state=dead",
                        "/deliveries?type=none", f"/deliveries?q={NOWHERE}", f"/deliveries?q={known['delivery']}",
                        "/deliveries?until=1m"],
        "/deliveries/{id}": [f"/deliveries/{known['delivery']}"],
        "/sinks": ["/sinks"],
        "/sinks/{name}": ["/sinks/archive", "/sinks/crm", "/sinks/crm?reason=none"],
        "/sinks/{name}/replay": ["/sinks/crm/replay"],
        "/resend": ["/resend"],
        "/bulk/{of}": ["/bulk/dead-letters?sink=crm", "/bulk/quarantine", "/bulk/unmatched"],
        "/jobs/{id}": [f"/jobs/{known['job']}"],
        "/quarantine": ["/quarantine", "/quarantine?reason=client_state"],
        "/quarantine/{id}": [f"/quarantine/{known['entry']}"],
        "/unmatched": ["/unmatched", "/unmatched?type=none"],
        "/configuration": ["/configuration"],
        # The site of the benchmark has no tokens: nobody logs in.
        "/login": [],
    }
