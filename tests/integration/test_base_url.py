"""The operator's own Secret names another Atlas: what is signed with it goes there, and what is a tenant's does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.atlas import CLOUD_ENDPOINT, Atlas, place, seed
from support.resources import Resources

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeNamespace, RunOperator


def test_two_atlases_by_one_operator(
    control_plane: ControlPlane,
    group: ServerGroup,
    make_namespace: MakeNamespace,
    start_operator: RunOperator,
    tmp_path: Path,
) -> None:
    """Both have the same projects and endpoints, so that only the credentials tell which one is meant."""
    atlases = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        atlases.append(Atlas.start(group, tmp_path / name, seed(3)))
    first, second = atlases
    owned, borrowed = place(1), place(2)
    operators, tenant = first.put_account(place(0)), first.put_account(owned)
    first.remove_credentials(operators)
    second.post("credentials", {"serviceAccounts": [{**operators, "roles": "*"}]})
    own, shop = make_namespace(), make_namespace()
    mine = Resources(control_plane, own, {})
    mine.secret("operator", {**operators, "baseUrl": f"{second.url}/"})
    resources = Resources(control_plane, shop, {"served-by": "two-atlases"})
    resources.secret("tenant", tenant)

    operator = start_operator(
        label="two-atlases", atlas=first, namespace=own, credentials_secret=f"{own}/operator", sync_interval="2s"
    )
    wanted = {"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "ours"}
    by_tenant = owned.spec(**wanted, credentialsSecretRef={"name": "tenant"})
    resources.create("owned", by_tenant)
    by_operator = borrowed.spec(**wanted)
    del by_operator["credentialsSecretRef"]
    resources.create("borrowed", by_operator)
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
        calls = [each for each in requests if each["path"] not in oauth]
        assert oauth == ["/api/oauth/token", "/api/oauth/revoke"]
        assert {each["credentials"] for each in requests} == {data["clientId"]}
        assert {each["status"] for each in requests} == {200}
        assert all(f"/groups/{where.project}/" in each["path"] for each in calls)
    mine.close()
    resources.close()
    first.close()
    second.close()
