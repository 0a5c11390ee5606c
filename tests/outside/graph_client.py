"""Microsoft's Graph SDK for Python, pointed at the running binary that `msgraph_sdk.mjs` started.

The SDK is used as its documentation says for a host that is not Microsoft's: a request adapter with a `base_url`, and an
access token provider that allows that host.

REELHOOK_URL, REELHOOK_TOKEN, RECORDED_CALL and RECORDED_OPERATION say where, with what, and what Graph has told already.
"""

import asyncio
import os
import uuid
from urllib.parse import urlparse

from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.communications.calls.item.operations.operations_request_builder import OperationsRequestBuilder
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.operation_status import OperationStatus
from msgraph.generated.models.record_operation import RecordOperation
from msgraph_core.tasks import PageIterator

URL = os.environ["REELHOOK_URL"]
N_ROWS = 11


class OneToken(AccessTokenProvider):
    """Shows one token, to one host."""

    def __init__(self, token, host):
        self.token, self.hosts = token, AllowedHostsValidator([host])

    async def get_authorization_token(self, uri, additional_authentication_context={}):
        return self.token if self.hosts.is_url_host_valid(uri) else ""

    def get_allowed_hosts_validator(self):
        return self.hosts


def client_with(token):
    provider = BaseBearerTokenAuthenticationProvider(OneToken(token, urlparse(URL).hostname))
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = URL
    return GraphServiceClient(request_adapter=adapter), adapter


def with_query(**parameters):
    query = OperationsRequestBuilder.OperationsRequestBuilderGetQueryParameters(**parameters)
    return RequestConfiguration(query_parameters=query)


def with_headers(**headers):
    configuration = RequestConfiguration()
    for name, value in headers.items():
        configuration.headers.add(name.replace("_", "-"), value)
    return configuration


def announced(context, **more):
    return RecordOperation(
        odata_type="#microsoft.graph.recordOperation",
        client_context=context,
        additional_data={"expectWithin": "PT1H", **more},
    )


async def refusal(status, request):
    try:
        answer = await request
    except ODataError as error:
        assert error.response_status_code == status, (status, error)
        assert error.error.code and error.error.message, error
        assert uuid.UUID(error.error.inner_error.request_id) and error.error.inner_error.date, error
        return error
    raise AssertionError(f"expected {status}, got {answer}")


async def reads_what_graph_told(client):
    operations = client.communications.calls.by_call_id(os.environ["RECORDED_CALL"]).operations
    page = await operations.get(with_query(filter="clientContext eq 'support-python' and status eq 'completed'"))
    (operation,) = page.value
    assert isinstance(operation, RecordOperation), type(operation)
    assert operation.status == OperationStatus.Completed and operation.result_info.code == 200
    assert operation.recording_location.startswith("https://file.location/")
    one = await operations.by_comms_operation_id(operation.id).get()
    assert one.additional_data["@odata.etag"].startswith('W/"'), one.additional_data
    assert one.id.replace("-", "").lower() == os.environ["RECORDED_OPERATION"].replace("-", "").lower()
    assert one.recording_access_token == f"recording-token-{os.environ['RECORDED_OPERATION']}"


async def pages_through_all(client, adapter):
    operations = client.communications.calls.by_call_id(str(uuid.uuid4())).operations
    contexts = [f"python-{n:02}" for n in range(N_ROWS)]
    for context in contexts:
        created = await operations.post(announced(context))
        assert isinstance(created, RecordOperation) and created.status == OperationStatus.NotStarted, created
    page = await operations.get(with_query(top=3, orderby=["clientContext"], count=True))
    assert len(page.value) == 3 and page.odata_count == N_ROWS, page
    seen = []
    await PageIterator(page, adapter).iterate(lambda row: seen.append(row.client_context) or True)
    assert seen == contexts, seen
    assert await operations.count.get() == N_ROWS


async def creates_updates_and_deletes(client):
    operations = client.communications.calls.by_call_id(str(uuid.uuid4())).operations
    context = f"python-{uuid.uuid4()}"
    created = await operations.post(announced(context, metadata={"customer": "Søn"}))
    assert created.additional_data["metadata"]["customer"] == "Søn", created.additional_data
    one = operations.by_comms_operation_id(created.id)
    etag = (await one.get()).additional_data["@odata.etag"]
    changed = RecordOperation(odata_type="#microsoft.graph.recordOperation", client_context=f"{context}-b")
    await one.patch(changed, with_headers(If_Match=etag))
    assert (await one.get()).client_context == f"{context}-b"
    await refusal(412, one.patch(changed, with_headers(If_Match=etag)))
    await refusal(412, one.delete(with_headers(If_Match=etag)))
    await one.delete()
    await refusal(404, one.get())


async def errors_are_graphs(client):
    operations = client.communications.calls.by_call_id(str(uuid.uuid4())).operations
    configuration = with_query(filter="clientContext eq")
    configuration.headers.add("client-request-id", "of-python-17")
    error = await refusal(400, operations.get(configuration))
    assert error.error.inner_error.client_request_id == "of-python-17", error
    stranger, _adapter = client_with("a guess")
    await refusal(401, stranger.communications.calls.by_call_id(str(uuid.uuid4())).operations.get())


async def main():
    client, adapter = client_with(os.environ["REELHOOK_TOKEN"])
    await reads_what_graph_told(client)
    await pages_through_all(client, adapter)
    await creates_updates_and_deletes(client)
    await errors_are_graphs(client)


if __name__ == "__main__":
    asyncio.run(main())
