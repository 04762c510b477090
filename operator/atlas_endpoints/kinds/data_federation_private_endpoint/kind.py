"""The kind ``DataFederationPrivateEndpoint``: an endpoint for federated databases and Online Archives of a project. Pure.

A POST registers an endpoint, or changes the comment of one that is registered. Atlas answers 201 as well to another region, DNS
name or address of a registered endpoint, and ignores it: what differs there is reported. The answer is the first page of the LIST.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-data-federation, and recorded answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.atlas.errors import EndpointAbsentError, InvalidRequestError
from atlas_endpoints.atlas.requests import Refusals, Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.requeue import Requeue, RequeueAfter
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import (
    SCOPE,
    DataFederationPrivateEndpoint,
    EndpointStatus,
    Spec,
)
from atlas_endpoints.kinds.data_federation_private_endpoint.service_names import doubt
from atlas_endpoints.kinds.importer import Found, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.lives.imports import importer_of
from atlas_endpoints.kinds.lives.life import Facts
from atlas_endpoints.kinds.lives.registered import FIELD, Registered, waiting_for_cloud
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, last_part, retained
from atlas_endpoints.kinds.parts.api import Api, Read
from atlas_endpoints.kinds.parts.fields import values_of
from atlas_endpoints.kinds.parts.states import Dead, Going, States, Waits, Works
from atlas_endpoints.reconcile.attempt import as_long_again
from atlas_endpoints.reconcile.compare import Comparison
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State, Write
from atlas_endpoints.reconcile.facts import APPLIED
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause

# No code of these calls is documented. Those that mean something else are known for all calls.
REFUSALS = Refusals(
    absent=("_NOT_FOUND",),
    explanations={
        EndpointAbsentError: "The project has no private endpoint for Data Federation with this ID.",
        InvalidRequestError: "Atlas cannot parse the request: projectId or the ID of the endpoint is malformed. To correct it, {wrong_field}.",
    },
)
DATABASE = Read(
    operation="getDataFederation",
    below="dataFederation/{tenantName}",
    parse=lambda answer: answer,
    refusals=Refusals(
        absent=("_NOT_FOUND", "_NOT_FOUND_FOR_NAME"),
        explanations={
            EndpointAbsentError: "The project has no federated database with this name. Correct spec.federatedDatabases."
        },
    ),
)
KEYS = ("endpointServiceName", "endpointId")
"""The keys of the ConfigMap for the cloud's side."""

DATABASE_KEYS = ("federatedDatabaseName", "hostname", "endpointId", "providerName", "region")
"""The keys of the ConfigMap for applications."""


class Accepted(EndpointStatus):
    """An endpoint that Atlas has accepted and not shown: these are the values that were sent."""


class DataFederationPrivateEndpoints(Registered[DataFederationPrivateEndpoint]):
    """An entry is an endpoint; a scope is a project."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "DataFederationPrivateEndpoint", "datafederationprivateendpoints")
    resource, entry = DataFederationPrivateEndpoint, EndpointStatus
    scope_noun, scopes = "", (SCOPE,)
    api = Api(
        below="privateNetworkSettings/endpointIds",
        one="endpointId",
        list="listPrivateEndpointIds",
        get="getPrivateEndpointId",
        create="createPrivateEndpointId",
        delete="deletePrivateEndpointId",
        refusals=REFUSALS,
    )
    reads: ClassVar = {"database": DATABASE}
    nobody = "vpce-" + "0" * 17
    states: ClassVar[States] = {
        "OK": Works(),
        "PENDING": Waits("Atlas is approving the connection of {what}."),
        "FAILED": Dead(" Check in the cloud that it exists and connects to the service of Data Federation."),
        "DELETING": Going(),
    }

    @override
    def doubt_about(self, spec: Spec) -> str:
        return doubt(spec.provider_name, spec.region, spec.customer_endpoint_dns_name, spec.cloud_provider_endpoint_id)

    @override
    def waits_for_cloud(self, facts: Facts) -> State:
        spec, hint = facts.resource.spec, ""
        if spec.provider_name == "AZURE":
            create = "In Azure, create a private endpoint with a manual connection to the resource ID that Atlas shows in its user interface (Network Access, Private Endpoint, Federated Database Instance)"
        else:
            of_region = "of Data Federation in your region, which Atlas's documentation names"
            create = f"In AWS, create an interface VPC endpoint to the service {spec.service_name or of_region}"
        if spec.provider_name == "AWS" and spec.region is not None and not spec.has_dns_name:
            when = "now" if spec.cloud_provider_endpoint_ref else "in the same edit"
            hint = f" If Atlas shall have hostnames of the region, set spec.customerEndpointDnsName {when}: it cannot come later."
        state = waiting_for_cloud(facts, create)
        return replace(state, message=f"{state.message}{hint}{self.doubt_about(spec)}")

    # The POST, which registers an endpoint or changes its comment.

    def _post(self, facts: Facts, endpoint_id: str) -> Request:
        spec, values = facts.resource.spec, {**facts.desired, FIELD: endpoint_id}
        sent = {facts.resource.sent[field].name or field: value for field, value in values.items()}
        return self.api.creation_of(facts.scope, {"provider": spec.provider_name, "type": "DATA_LAKE", **sent})

    @override
    def creation(self, facts: Facts) -> Write:
        resource = facts.resource
        doubt_ = self.doubt_about(resource.spec)
        return Write(self._post(facts, resource.endpoint_id), doubt=doubt_, touches=(resource.entry,))

    @override
    def update(self, facts: Facts, entry: EndpointStatus, fields: Mapping[str, str]) -> Write:
        # It would register again what is gone.
        return Write(self._post(facts, entry.id), fields=fields, reads=self.key_of(entry.id))

    @override
    def written(self, write: Write, answer: Any) -> tuple[str, EndpointStatus] | None:
        """Return the endpoint in the answer to a POST; one of a later page has the values that were sent."""
        items, body = answer.get("results") if isinstance(answer, dict) else None, write.request.body or {}
        if not isinstance(items, list):
            return None
        key = self.key_of(body["endpointId"])
        found = next((each for each in map(self.listed, items) if each is not None and each[0] == key), None)
        sent = Accepted.read(body)
        return found or (None if sent is None else (key, sent))

    # Decisions.

    @override
    def decide(self, facts: Facts) -> Decision:
        decision = super().decide(facts)
        if decision.write is not None and (left := _repeated_in(facts, decision.write)) > 0:
            state = decision.state
            if decision.seen is None:
                state = _accepted(facts.resource.endpoint_id, POLL)
            decision = replace(decision, write=None, state=replace(state, requeue=RequeueAfter(left)))
        return replace(decision, own={"service_name": facts.resource.spec.service_name, **decision.own})

    @override
    def present(self, facts: Facts, entry: EndpointStatus) -> Decision:
        if not isinstance(entry, Accepted):
            return super().present(facts, entry)
        is_new = facts.done is not None and FIELD in facts.done.write.fields
        own = {"endpoint": None} if is_new else {}  # what Atlas has shown stays while only the comment changes
        return Decision(_accepted(entry.id, POLL), gets=(Get(self.key_of(entry.id)),), own=own)

    @override
    def in_its_state(self, facts: Facts, entry: EndpointStatus, found: Comparison) -> Decision:
        # AWS has no step between, so a status that Atlas does not send is the usual one.
        if entry.status is None and facts.resource.spec.provider_name == "AWS":
            return Decision(self.works(facts, entry, found))
        return super().in_its_state(facts, entry, found)

    @override
    def outputs(self, resource: DataFederationPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        spec, endpoint, found = resource.spec, own.get("endpoint", resource.status.endpoint), []
        if (reference := spec.output_config_map_ref) is not None:
            shown = {"endpointServiceName": spec.service_name, "endpointId": endpoint and endpoint.id}
            found.append(Output(reference.name, KEYS, values_of(KEYS, shown) or None))
        working = endpoint if endpoint is not None and endpoint.status in {"OK", None} else None
        for each in spec.federated_databases:
            known = {"federatedDatabaseName": each.name, "providerName": spec.provider_name}
            if working is not None:
                known |= {"endpointId": working.id, "region": working.region or spec.region_in_atlas or ""}
            request = None if working is None else partial(_database, name=each.name)
            parse, fill = partial(hostnames, each.name), partial(_hostname, known)
            found.append(Output(each.config_map_ref.name, DATABASE_KEYS, request=request, parse=parse, fill=fill))
        return found


def _database(scope: Scope, *, name: str) -> Request:
    return DATABASE.of(scope, name)


def hostnames(name: str, answer: Any) -> Mapping[str, str] | None:
    """Return the hostnames of a federated database by entry, or None if the answer is not readable as this database."""
    if not isinstance(answer, dict) or answer.get("name") != name:
        return None
    items = answer.get("privateEndpointHostnames")
    listed = [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    pairs = [(text_of(each.get("privateEndpoint")), text_of(each.get("hostname"))) for each in listed]
    return {endpoint.lower(): host for endpoint, host in pairs if endpoint and host}


def _hostname(known: Mapping[str, str], found: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for applications, or None until Atlas shows a hostname for the endpoint."""
    host = found.get(known["endpointId"].lower())
    return None if host is None else values_of(DATABASE_KEYS, known, {"hostname": host})


def _accepted(endpoint_id: str, requeue: Requeue) -> State:
    message = f"Atlas has accepted endpoint {endpoint_id}, and has not shown it yet."
    return State(Reason.PENDING, message, requeue)


def _repeated_in(facts: Facts, write: Write) -> float:
    """Return the seconds until a write is repeated that Atlas has accepted in this generation, and has not shown."""
    history = (each for each in facts.resource.status.history if each.generation == facts.generation)
    times = [each.time for each in history if each.result == APPLIED and {*each.fields} & write.fields.keys()]
    if not times or write.cause in {Cause.DRIFT, Cause.FORCED}:
        return 0.0
    wait = as_long_again(times[0] - times[-1], facts.interval)
    return float(min(wait, wait - (facts.now - times[0]).total_seconds()))  # a time in the future counts as now


KIND = DataFederationPrivateEndpoints()

# Import.


def _manifest(found: Found, options: Options) -> NewManifest:
    endpoint = found.value
    cloud = endpoint.provider or ("AZURE" if endpoint.id.startswith("/") else "AWS")
    spec = {"projectId": found.project_id, "providerName": cloud, FIELD: endpoint.id}
    in_atlas = {
        "region": endpoint.region,
        "customerEndpointDnsName": endpoint.customer_endpoint_dns_name,
        "privateEndpointIpAddress": endpoint.customer_endpoint_ip_address,
        "comment": endpoint.comment,
    }
    managed = {field: value for field, value in in_atlas.items() if value}
    spec = {**spec, **managed, **retained(options.credentials_secret)}
    name = fitting("data-federation", last_part(endpoint.id))
    return NewManifest(endpoint.id, name, options.namespace, spec, optional=managed.keys())


def _found_in(one: InTerraform) -> Found | LeftOut:
    if not (id_ := one.text("endpoint_id")):
        return LeftOut(one.address, "its endpoint_id is missing")
    names = ("comment", "region", "customer_endpoint_dns_name", "customer_endpoint_ip_address")
    texts = {name: text for name in names if (text := one.text(name))}
    provider = one.text("provider_name").upper() or None  # Terraform takes aws as well
    return Found(
        one.text("project_id"), SCOPE, None, EndpointStatus.model_validate({"id": id_, "provider": provider, **texts})
    )


IMPORTER = importer_of(
    KIND,
    lambda found: found.value.id,
    _manifest,
    terraform="mongodbatlas_privatelink_endpoint_service_data_federation_online_archive",
    id_in_terraform="endpoint_id",
    found_in=_found_in,
)
