"""The operator's own Secret names another Atlas: what is signed with it goes there, and what is a tenant's does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.atlas import CLOUD_ENDPOINT, place, seed

if TYPE_CHECKING:
    from support.fixtures import MakeResources, RunOperator, StartAtlas


def test_two_atlases_by_one_operator(
    start_atlas: StartAtlas, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    """Both have the same projects and endpoints, so that only the credentials tell which one is meant."""
    first, second = (start_atlas(seed(3)) for _ in range(2))
    owned, borrowed = place(1), place(2)
    operators, tenant = first.put_account(place(0)), first.put_account(owned)
    first.remove_credentials(operators)
    second.post("credentials", {"serviceAccounts": [{**operators, "roles": "*"}]})
    own, resources = make_resources("nobody"), make_resources("two-atlases")
    own.secret("operator", {**operators, "baseUrl": f"{second.url}/"})
    resources.secret("tenant", tenant)

    operator = run_operator(
        label="two-atlases",
        atlas=first,
        namespace=own.namespace,
        credentials_secret=f"{own.namespace}/operator",
        sync_interval="2s",
    )
    wanted = {"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "ours"}
    resources.create("owned", owned.spec(**wanted, credentialsSecretRef={"name": "tenant"}))
    resources.create("borrowed", borrowed.spec(**wanted, credentialsSecretRef=None))
    resources.wait_ready("owned")
    resources.wait_ready("borrowed")
    resources.edit("borrowed", comment="edited")
    resources.wait_ready("borrowed")
    assert operator.stop() == 0

    assert (first.endpoint(owned)["comment"], second.endpoint(owned).get("comment")) == ("ours", None)
    assert (second.endpoint(borrowed)["comment"], first.endpoint(borrowed).get("comment")) == ("edited", None)
    for atlas, data, where in ((first, tenant, owned), (second, operators, borrowed)):
        requests = atlas.requests()
        oauth = [each["path"] for each in requests if each["path"].startswith("/api/oauth/")]
        assert oauth == ["/api/oauth/token"]
        assert {each["credentials"] for each in requests} == {data["clientId"]}
        assert {each["status"] for each in requests} == {200}
        assert all(f"/groups/{where.project}/" in each["path"] for each in requests if each["path"] not in oauth)
